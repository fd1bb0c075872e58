package acme

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth is how deep an object of ACME may nest. The deepest of RFC 8555, an external account binding within a new
// account, has three levels.
const maxDepth = 8

// errTwice: an object says one thing twice.
var errTwice = errors.New("a member is there twice")

// ReadJSON reads one JSON object into v, and refuses what two readers could understand differently: a member that is
// there twice (RFC 8259 section 4: the behaviour is unpredictable), also in another case, since encoding/json takes those
// for one; deep nesting; anything behind the object. Members that v does not know are ignored (RFC 8555 section 7.1).
func ReadJSON(data []byte, v any) error {
	if err := scan(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	return nil
}

// scan walks the tokens of one object.
func scan(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a number too large for a float is for whoever reads it to refuse
	var open []*level
	for first := true; ; first = false {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && !first && len(open) == 0:
			return nil
		case err != nil:
			return fmt.Errorf("reading JSON: %w", err)
		}
		if first && token != json.Delim('{') {
			return errors.New("reading JSON: want an object")
		}
		if !first && len(open) == 0 {
			return errors.New("reading JSON: something follows the object")
		}
		if open, err = step(open, token); err != nil {
			return fmt.Errorf("reading JSON: %w", err)
		}
	}
}

// level is one object or list that is open.
type level struct {
	members map[string]bool // nil for a list
	value   bool            // of an object: its member's name was read, the value comes
}

func step(open []*level, token json.Token) ([]*level, error) {
	var top *level
	if len(open) > 0 {
		top = open[len(open)-1]
	}
	if name, ok := token.(string); ok && top != nil && top.members != nil && !top.value {
		name = strings.ToLower(name)
		if top.members[name] {
			return open, errTwice
		}
		top.members[name], top.value = true, true
		return open, nil
	}
	if token == json.Delim('}') || token == json.Delim(']') {
		return open[:len(open)-1], nil
	}
	if top != nil {
		top.value = false
	}
	switch token {
	case json.Delim('{'):
		open = append(open, &level{members: map[string]bool{}})
	case json.Delim('['):
		open = append(open, &level{})
	}
	if len(open) > maxDepth {
		return open, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	return open, nil
}
