package acme

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep an object of ACME may nest. The deepest of RFC 8555, an external account binding within a new
// account, has three levels.
const maxDepth = 8

// errNoObject: it is a list, a text, a number.
var errNoObject = errors.New("want an object")

// errTwice: an object says one thing twice.
var errTwice = errors.New("a member is there twice")

// ReadJSON reads one JSON object into v, and refuses what two readers could understand differently: a member that is
// there twice (RFC 8259 section 4: the behaviour is unpredictable), also in another case, since encoding/json takes those
// for one; deep nesting; anything behind the object. Members that v does not know are ignored (RFC 8555 section 7.1).
// What v holds when it fails is worth nothing.
func ReadJSON(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil { // which reads all of it, and finds what follows the object
		return fmt.Errorf("reading JSON: %w", err)
	}
	if err := walk(data); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	return nil
}

// level is one object or list that is open.
type level struct {
	object  bool
	value   bool     // of an object: its member's name was read, the value comes
	members []string // as long as they are few
	many    map[string]bool
}

// walk looks for what may not be in data, which is JSON.
func walk(data []byte) error {
	var open [maxDepth]level
	depth := 0
	for at := 0; at < len(data); at++ {
		switch c := data[at]; c {
		case '{', '[':
			if depth == 0 && c == '[' {
				return errNoObject
			}
			if depth == maxDepth {
				return fmt.Errorf("nested more than %d deep", maxDepth)
			}
			open[depth] = level{object: c == '{'}
			depth++
		case '}', ']':
			depth--
		case ',':
			open[depth-1].value = false
		case '"':
			end := at + 1
			for data[end] != '"' {
				if data[end] == '\\' {
					end++
				}
				end++
			}
			if depth == 0 {
				return errNoObject
			}
			if top := &open[depth-1]; top.object && !top.value {
				top.value = true
				if err := top.take(data[at : end+1]); err != nil {
					return err
				}
			}
			at = end
		case ' ', '\t', '\r', '\n':
		default:
			if depth == 0 { // a number, true, false, null
				return errNoObject
			}
		}
	}
	return nil
}

// take notes the name of a member, which is the first of that name.
func (l *level) take(quoted []byte) error {
	name := string(quoted[1 : len(quoted)-1])
	if strings.ContainsFunc(name, func(r rune) bool { return r == '\\' || r >= utf8.RuneSelf }) {
		if err := json.Unmarshal(quoted, &name); err != nil {
			return err
		}
	}
	name = strings.Map(folded, name)
	const few = 16
	switch {
	case l.many[name] || slices.Contains(l.members, name):
		return errTwice
	case l.many != nil:
		l.many[name] = true
	case len(l.members) < few:
		l.members = append(l.members, name)
	default:
		l.many = map[string]bool{name: true}
	}
	return nil
}

// folded is the smallest of the letters that encoding/json takes for one: not only "S" for "s", but "ſ" too.
func folded(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}
