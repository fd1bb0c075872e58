package openapi

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// Source finds the comments of types, fields and methods in a module's source.
type Source struct {
	module, root string
	packages     map[string]*comments // by import path
	err          error
}

// comments are those of one package.
type comments struct {
	types, methods, fields map[string]string // "Certificate", "Desk.New", "Certificate.Serial"
	words                  map[string][]any  // by type: the constants of it
}

// NewSource reads the source of a module as it is needed; root is its directory.
func NewSource(module, root string) *Source {
	return &Source{module: module, root: root, packages: make(map[string]*comments)}
}

// Err returns the first error of reading.
func (s *Source) Err() error { return s.err }

func (s *Source) about(t reflect.Type) string { return s.of(t.PkgPath()).types[t.Name()] }

func (s *Source) field(t reflect.Type, name string) string {
	return s.of(t.PkgPath()).fields[t.Name()+"."+name]
}

func (s *Source) method(receiver reflect.Type, name string) string {
	return s.of(receiver.PkgPath()).methods[receiver.Name()+"."+name]
}

// words are the constants of a type of our own.
func (s *Source) words(t reflect.Type) []any { return s.of(t.PkgPath()).words[t.Name()] }

func (s *Source) of(path string) *comments {
	if c, ok := s.packages[path]; ok {
		return c
	}
	c := &comments{types: map[string]string{}, methods: map[string]string{}, fields: map[string]string{}, words: map[string][]any{}}
	s.packages[path] = c
	rest, ours := strings.CutPrefix(path, s.module+"/")
	if !ours {
		return c
	}
	files, err := filepath.Glob(filepath.Join(s.root, rest, "*.go"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("reading the comments of %s: there are no files", path)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		var file *ast.File
		if file, err = parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments); err != nil {
			break
		}
		c.read(file)
	}
	if err != nil && s.err == nil {
		s.err = err
	}
	return c
}

func (c *comments) read(file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				continue
			}
			of := d.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if name, ok := of.(*ast.Ident); ok {
				c.methods[name.Name+"."+d.Name.Name] = sentence(d.Doc.Text(), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					c.readType(spec, d)
				case *ast.ValueSpec:
					c.readWords(spec, d.Tok)
				}
			}
		}
	}
}

func (c *comments) readType(spec *ast.TypeSpec, d *ast.GenDecl) {
	doc := spec.Doc.Text()
	if doc == "" {
		doc = d.Doc.Text()
	}
	c.types[spec.Name.Name] = plain(doc)
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, name := range f.Names {
			c.fields[spec.Name.Name+"."+name.Name] = plain(text)
		}
	}
}

// readWords gathers the constants of a type, the words that a text may be.
func (c *comments) readWords(spec *ast.ValueSpec, tok token.Token) {
	kind, ok := spec.Type.(*ast.Ident)
	if !ok || tok != token.CONST {
		return
	}
	for _, value := range spec.Values {
		if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && text != "" {
				c.words[kind.Name] = append(c.words[kind.Name], text)
			}
		}
	}
}

// plain puts a comment on one line, without the brackets of links.
func plain(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("[*", "", "[", "", "]", "").Replace(text)
}

// sentence is a method's comment without its name: "New makes …" becomes "Makes …".
func sentence(text, name string) string {
	text = strings.TrimPrefix(plain(text), name+" ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
