package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdJSON wants a value in a file that is exactly one JSON document.
//
//	json FILE PATH WANT
//
// PATH names fields and places with dots between: "listeners.3.names.0". A place may also be the first object with a
// field of that value, "listeners.listener=imaps.state"; "count" is the length of a list, and an empty path the document.
// WANT is the text itself, or JSON for what is no text.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}
	got, err := find(ts.ReadFile(args[0]), args[1])
	switch {
	case neg && err == nil && got == args[2]:
		ts.Fatalf("%s: got %s, want another value", args[1], got)
	case !neg && err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	case !neg && got != args[2]:
		ts.Fatalf("%s: got %s, want %s", args[1], got, args[2])
	}
}

// cmdJSONEnv sets a variable to a value in a JSON document.
//
//	jsonenv VAR FILE PATH
func cmdJSONEnv(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) != 3 {
		ts.Fatalf("usage: jsonenv VAR FILE PATH")
	}
	got, err := find(ts.ReadFile(args[1]), args[2])
	ts.Check(err)
	ts.Setenv(args[0], got)
}

// cmdJSONKeys wants an object with just these keys, in any order.
//
//	jsonkeys FILE PATH KEY...
func cmdJSONKeys(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg)
	if len(args) < 3 {
		ts.Fatalf("usage: jsonkeys FILE PATH KEY...")
	}
	text, err := find(ts.ReadFile(args[0]), args[1])
	ts.Check(err)
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(text), &object))
	got, want := slices.Sorted(maps.Keys(object)), slices.Sorted(slices.Values(args[2:]))
	if !slices.Equal(got, want) {
		ts.Fatalf("keys of %s: got %v, want %v", args[1], got, want)
	}
}

// find returns the value at path in the one document that text is.
func find(text, path string) (string, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("not JSON: %w: %q", err, text)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return "", fmt.Errorf("more than one JSON document: %q", text)
	}
	for step := range strings.SplitSeq(path, ".") {
		next, err := descend(value, step)
		if err != nil {
			return "", err
		}
		value = next
	}
	if s, ok := value.(string); ok {
		return s, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

func descend(value any, step string) (any, error) {
	if step == "" {
		return value, nil
	}
	switch v := value.(type) {
	case map[string]any:
		if inner, ok := v[step]; ok {
			return inner, nil
		}
	case []any:
		if step == "count" {
			return len(v), nil
		}
		if n, err := strconv.Atoi(step); err == nil && n < len(v) {
			return v[n], nil
		}
		if field, want, ok := strings.Cut(step, "="); ok {
			for _, item := range v {
				if object, ok := item.(map[string]any); ok && fmt.Sprint(object[field]) == want {
					return item, nil
				}
			}
		}
	}
	here := fmt.Sprint(value)
	return nil, fmt.Errorf("there is no %q in %.300s", step, here)
}

func TestFind(t *testing.T) {
	const text = `{"a": [{"n": "x", "v": 1}, {"n": "y", "v": null}], "b": "<t>"}`
	for path, want := range map[string]string{"b": "<t>", "a.count": "2", "a.1.n": "y", "a.n=x.v": "1", "a.n=y.v": "null", "a.0": `{"n":"x","v":1}`} {
		if got, err := find(text, path); err != nil || got != want {
			t.Errorf("find %s: got %q, %v, want %q", path, got, err, want)
		}
	}
	for path, bad := range map[string]string{"c": text, "a.2": text, "a.n=z": text, "b": text + text, "": "{"} {
		if got, err := find(bad, path); err == nil {
			t.Errorf("find %s in %s: got %q, want an error", path, bad, got)
		}
	}
}

// TestEveryCommandHasAScript keeps a new command from arriving without one.
func TestEveryCommandHasAScript(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("looking for scripts: got %v, %v", files, err)
	}
	var all strings.Builder
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(body)
	}
	for _, c := range runnable((&app{}).root()) {
		if words := c.CommandPath(); !strings.Contains(all.String(), "exec "+words) {
			t.Errorf("no script runs %q", "exec "+words)
		}
	}
}
