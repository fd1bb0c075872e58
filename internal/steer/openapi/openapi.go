// Package openapi writes the description of the management API: one OpenAPI 3.1 document, whose schemas are JSON
// Schema 2020-12.
//
// It is made of the program itself, so that it cannot say something else: paths are the acts, schemas are the Go
// types that go in and come out (by reflection), and every description is the comment that stands in the source
// beside them (by go/ast). It runs in a test of package admin, which writes the document into the tree; the
// binary only carries the result.
//
// What reflection sees is what encoding/json does: a field without omitempty is always there, so it is required in
// answers; a pointer may be null; a slice of our answers is never null. In requests nothing is required, because
// what is left out is the zero value, and the desk says what it misses in words that a schema has not; what is not
// known is refused, so additionalProperties is false. In answers later releases may add members.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Operation is one act of the API.
type Operation struct {
	Name            string // "cert/new"
	Method          string // the desk's method that it runs, whose comment describes it
	Scope           string // of the token that it takes
	Request, Answer reflect.Type
	Files           bool // its request brings whole files
	Example         json.RawMessage
}

// Options say what to describe.
type Options struct {
	Operations []Operation
	Scopes     map[string]string // name to meaning
	Problem    reflect.Type      // the answer of what was refused
	Problems   map[string]any    // examples of it, by what has happened
	Source     *Source           // where the comments are
	Receiver   reflect.Type      // whose methods the operations are
}

// object is a JSON object; its members are written in the order of their names.
type object = map[string]any

// Document writes the description, indented, the same bytes each time. An act or a type without a comment is an
// error: somebody reads this who does not have the source.
func Document(o Options) ([]byte, error) {
	g := &generator{source: o.Source, schemas: object{}, types: map[string]reflect.Type{}}
	paths := object{}
	for _, op := range o.Operations {
		path, err := g.operation(op, o)
		if err != nil {
			return nil, err
		}
		paths["/api/v1/"+op.Name] = object{"post": path}
	}
	problem, err := g.schema(o.Problem, answers)
	if err != nil {
		return nil, err
	}
	var scopes []string
	for _, name := range slices.Sorted(maps.Keys(o.Scopes)) {
		scopes = append(scopes, name+": "+o.Scopes[name])
	}
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Postseal management", "version": "1",
			"description": "Everything that the command line does. Each act is a POST with one JSON object, answered with one JSON document or with a Problem. " +
				"On the Unix socket in the data directory no token is needed; over HTTPS each act takes a token of its scope.",
			"license": object{"name": "See the file LICENSE", "identifier": "Apache-2.0"},
		},
		"servers":  []any{object{"url": "https://{host}:{port}", "variables": object{"host": object{"default": "localhost"}, "port": object{"default": "8172"}}}},
		"security": []any{object{"token": []any{}}},
		"paths":    paths,
		"components": object{
			"schemas":         g.schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "Made with: postseal admin token new. Its scope includes those before it. " + strings.Join(scopes, "; ") + "."}},
			"responses": object{
				"Problem": object{"description": "It was refused or failed; nothing was changed unless the problem says so.", "content": shown(content(problem), o.Problems)},
				"Unauthorized": object{"description": "There is no token, or it is not known, or has expired (RFC 6750).",
					"headers": object{"WWW-Authenticate": object{"description": "A challenge of the scheme Bearer.", "schema": object{"type": "string"}}}, "content": content(problem)},
				"TooMany": object{"description": "Too many requests without a good token came from this address, or from everywhere.",
					"headers": object{"Retry-After": object{"description": "Seconds until it may be tried again.", "schema": object{"type": "integer"}}}, "content": content(problem)},
			},
		},
	}
	return encode(document)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func content(schema any) object {
	return object{"application/json": object{"schema": schema}}
}

// shown adds examples to a content.
func shown(content object, examples map[string]any) object {
	all := object{}
	for name, value := range examples {
		if raw, ok := value.(json.RawMessage); !ok || raw != nil {
			all[name] = object{"value": value}
		}
	}
	if len(all) > 0 {
		content["application/json"].(object)["examples"] = all
	}
	return content
}

func (g *generator) operation(op Operation, o Options) (object, error) {
	text := g.source.method(o.Receiver, op.Method)
	if text == "" {
		return nil, fmt.Errorf("describing %s: the method %q of %s has no comment", op.Name, op.Method, o.Receiver)
	}
	if op.Scope == "" {
		return nil, fmt.Errorf("describing %s: it has no scope; use operating or administering in the table of acts", op.Name)
	}
	request, err := g.schema(op.Request, requests)
	if err != nil {
		return nil, fmt.Errorf("describing the request of %s: %w", op.Name, err)
	}
	answered := object{"application/octet-stream": object{}}
	if op.Answer.Kind() != reflect.Func { // those are streams of bytes
		of := op.Answer
		if of.Kind() == reflect.Pointer { // an act answers, or fails: never null
			of = of.Elem()
		}
		answer, err := g.schema(of, answers)
		if err != nil {
			return nil, fmt.Errorf("describing the answer of %s: %w", op.Name, err)
		}
		answered = content(answer)
	}
	noun, _, _ := strings.Cut(op.Name, "/")
	summary, _, _ := strings.Cut(text, ". ")
	problem := object{"$ref": "#/components/responses/Problem"}
	limit := "1 MiB"
	if op.Files {
		limit = "64 MiB"
	}
	return object{
		"operationId": strings.ReplaceAll(op.Name, "/", "-"),
		"tags":        []any{noun},
		"summary":     strings.TrimSuffix(summary, "."),
		"description": text,
		"x-scope":     op.Scope,
		"requestBody": object{"description": "At most " + limit + ".", "content": shown(content(request), map[string]any{"request": op.Example})},
		"responses": object{
			"200": object{"description": "Done.", "content": answered},
			"400": problem, "403": problem, "409": problem, "412": problem, "413": problem, "500": problem,
			"401": object{"$ref": "#/components/responses/Unauthorized"}, "429": object{"$ref": "#/components/responses/TooMany"},
		},
	}, nil
}
