package acme

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// scan says what walk says, with the tokens of encoding/json: slower, and by another hand.
func scan(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a number too large for a float is for whoever reads it to refuse
	var open []*scanLevel
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

// scanLevel is one object or list that is open.
type scanLevel struct {
	members []string // nil for a list
	value   bool     // of an object: its member's name was read, the value comes
}

func step(open []*scanLevel, token json.Token) ([]*scanLevel, error) {
	var top *scanLevel
	if len(open) > 0 {
		top = open[len(open)-1]
	}
	if name, ok := token.(string); ok && top != nil && top.members != nil && !top.value {
		if slices.ContainsFunc(top.members, func(other string) bool { return strings.EqualFold(other, name) }) {
			return open, errTwice
		}
		top.members, top.value = append(top.members, name), true
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
		open = append(open, &scanLevel{members: []string{}})
	case json.Delim('['):
		open = append(open, &scanLevel{})
	}
	if len(open) > maxDepth {
		return open, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	return open, nil
}

// TestWalkAndScanAgree holds one against the other, over what is hard to read.
func TestWalkAndScanAgree(t *testing.T) {
	t.Parallel()
	many := func(n int, more string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":%d,`, i, i)
		}
		return "{" + b.String() + more + "}"
	}
	for _, text := range append(readTexts(),
		many(15, `"x":1`), many(16, `"x":1`), many(17, `"x":1`), many(15, `"m3":1`), many(16, `"M3":1`), many(17, `"m16":1`), many(40, `"m39":1`), many(40, `"m2":1`)) {
		agree(t, []byte(text))
	}
}

func readTexts() []string {
	return []string{``, ` `, `{}`, ` {"a":1} `, `[]`, `[{}]`, `"a"`, `1`, `null`, `true`, `{}{}`, `{} x`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"a":{"a":1}}`, `{"a":[{"b":1},{"b":1}]}`, `{"a":{"b":1,"b":1}}`,
		`{"a":["a","a"],"b":"a"}`, `{"\u0061":1,"a":2}`, `{"a\"b":1,"a\\":2}`, `{"a":"}","b":"{\""}`, `{"a":"\\","a":1}`, `{"\u212a":1,"k":2}`, `{"\u017f":1,"s":2}`, "{\"\xff\":1,\"\xfe\":2}", `{"ä":1,"Ä":2}`,
		`{"a":1e999}`, `{"a":-0.1,"b":[1,2,[3]]}`, strings.Repeat(`{"a":`, 8) + `1` + strings.Repeat(`}`, 8), strings.Repeat(`{"a":`, 9) + `1` + strings.Repeat(`}`, 9), `{"a":` + strings.Repeat(`[`, 7) + strings.Repeat(`]`, 7) + `}`, `{"a":` + strings.Repeat(`[`, 8) + strings.Repeat(`]`, 8) + `}`,
		`{"a"`, `{"a":}`, `{,}`, `{"a":1,}`, `{"":1,"":2}`}
}

func agree(t *testing.T, data []byte) {
	t.Helper()
	var v any
	got := ReadJSON(data, &v)
	want := scan(data)
	if json.Unmarshal(data, &v) != nil { // numbers that no float holds
		want = errors.Join(want, errTest)
	}
	if (got == nil) != (want == nil) || errors.Is(got, errTwice) != errors.Is(want, errTwice) && !errors.Is(want, errTest) {
		t.Errorf("%q: walk says %v, scan %v", data, got, want)
	}
}

var errTest = errors.New("encoding/json does not read it")

// TestWhatEncodingJSONTakesForOne: of two members that end in one field only one would count, and another reader would take the
// other.
func TestWhatEncodingJSONTakesForOne(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"csr":"A","CSR":"B"}`, `{"csr":"A","c\u017fr":"B"}`, `{"csr":"A","cſr":"B"}`, `{"kid":"A","\u212aid":"B"}`} {
		var v struct {
			CSR string `json:"csr"`
			KID string `json:"kid"`
		}
		if err := ReadJSON([]byte(text), &v); !errors.Is(err, errTwice) {
			t.Errorf("%s: got %+v, %v", text, v, err)
		}
	}
}

// FuzzWalk looks for octets of which the two say different things.
func FuzzWalk(f *testing.F) {
	for _, text := range readTexts() {
		f.Add([]byte(text))
	}
	f.Fuzz(agree)
}
