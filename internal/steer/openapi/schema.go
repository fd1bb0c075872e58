package openapi

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// direction is which way a type travels.
type direction int

const (
	requests direction = iota
	answers
)

type generator struct {
	source  *Source
	schemas object                  // by name
	types   map[string]reflect.Type // whose schema has that name
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	rawType     = reflect.TypeFor[json.RawMessage]()
	textTyped   = reflect.TypeFor[encoding.TextMarshaler]()
	readTyped   = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonTyped   = reflect.TypeFor[json.Marshaler]()
	jsonReading = reflect.TypeFor[json.Unmarshaler]()
)

// schema describes a type. A struct is described once, among the components.
func (g *generator) schema(t reflect.Type, way direction) (object, error) {
	either := func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) }
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}, nil
	case t == rawType:
		return object{}, nil
	case t.Kind() != reflect.Pointer && (either(textTyped) || either(readTyped)):
		return object{"type": "string"}, nil
	case t.Kind() != reflect.Pointer && (either(jsonTyped) || either(jsonReading)):
		return object{"type": "string"}, nil // our own such types are secrets and words
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}, nil
	case reflect.String:
		if words := g.source.words(t); len(words) > 0 && way == answers {
			return object{"type": "string", "examples": words}, nil
		}
		return object{"type": "string"}, nil
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32:
		return object{"type": "integer"}, nil
	case reflect.Int64:
		return object{"type": "integer", "format": "int64"}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}, nil
	case reflect.Interface:
		return object{}, nil
	case reflect.Pointer:
		return g.nullable(t.Elem(), way)
	case reflect.Slice, reflect.Array:
		return g.list(t, way)
	case reflect.Map:
		values, err := g.schema(t.Elem(), way)
		return object{"type": "object", "additionalProperties": values}, err
	case reflect.Struct:
		return g.component(t, way)
	}
	return nil, fmt.Errorf("no schema for %s", t)
}

func (g *generator) nullable(t reflect.Type, way direction) (object, error) {
	inner, err := g.schema(t, way)
	return object{"anyOf": []any{inner, object{"type": "null"}}}, err
}

func (g *generator) list(t reflect.Type, way direction) (object, error) {
	if t.Elem().Kind() == reflect.Uint8 {
		return object{"type": "string", "contentEncoding": "base64"}, nil
	}
	items, err := g.schema(t.Elem(), way)
	list := object{"type": "array", "items": items}
	if way == requests {
		list["type"] = []any{"array", "null"} // Go programs send null for a nil slice
	}
	return list, err
}

// component describes a struct among the components, and refers to it there.
func (g *generator) component(t reflect.Type, way direction) (object, error) {
	name := t.Name()
	if name == "" || strings.ContainsAny(name, "[]") {
		return nil, fmt.Errorf("%s has no name that a document could use", t)
	}
	if way == requests && !strings.HasSuffix(name, "Request") {
		name += "Input" // a request may leave members out that an answer always has
	}
	if other, ok := g.types[name]; ok && other != t {
		pkg := t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	ref := object{"$ref": "#/components/schemas/" + name}
	if g.types[name] == t {
		return ref, nil
	}
	g.types[name] = t // before its fields: it may hold itself
	properties, required := object{}, []string{}
	if err := g.fields(t, way, properties, &required); err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	schema := object{"type": "object", "properties": properties}
	if text := g.source.about(t); text != "" {
		schema["description"] = text
	} else {
		return nil, fmt.Errorf("%s has no comment", t)
	}
	if way == requests {
		schema["additionalProperties"] = false
	} else if len(required) > 0 {
		slices.Sort(required)
		schema["required"] = required
	}
	g.schemas[name] = schema
	return ref, nil
}

// fields describes the members of a struct; those of an embedded one are its own.
func (g *generator) fields(t reflect.Type, way direction, properties object, required *[]string) error {
	for f := range fieldsOf(t) {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if err := g.fields(inner, way, properties, required); err != nil {
				return err
			}
			continue
		case name == "":
			name = f.Name
		}
		schema, err := g.schema(f.Type, way)
		if err != nil {
			return err
		}
		if text := g.source.field(t, f.Name); text != "" {
			schema["description"] = text
		}
		properties[name] = schema
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			*required = append(*required, name)
		}
	}
	return nil
}

func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
