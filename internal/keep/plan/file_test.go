package plan

import (
	"errors"
	"strings"
	"testing"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
)

const example = `# name                    services            zone
mail.example.com          HTTP,IMAP,POP,SMTP  inside
autodiscover.example.com  HTTP                inside   # clients make it up
예시.한국                  IIS                 inside
mx.example.com            SMTP                edge     keep
mx.example.com            smtp                Partner:bank
10.0.0.5                  MANAGEMENT          management

apart mail.example.com AUTODISCOVER.example.com.
`

func TestReadInventory(t *testing.T) {
	t.Parallel()
	for _, text := range []string{example, "\ufeff" + strings.ReplaceAll(example, "\n", "\r\n")} {
		i, err := ReadInventory(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(i.Needs()) != 6 || len(i.Apart()) != 1 || i.Apart()[0] != (Pair{"autodiscover.example.com", "mail.example.com"}) {
			t.Fatalf("got %+v, %v", i.Needs(), i.Apart())
		}
		for _, n := range i.Needs() {
			if n.Name == "mx.example.com" && n.Keep != (n.Zone == ZoneEdge) {
				t.Errorf("got %+v", n)
			}
			if n.Name == "xn--vv4b11d.xn--3e0b707e" && n.Services[0] != listener.ServiceHTTP {
				t.Errorf("got %+v", n)
			}
		}
	}
}

func TestReadInventoryRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		line int // 0 for an error about the whole
		want string
	}{
		{"", 1, "there is no name in the file"},
		{"# only this\n\n", 2, "there is no name in the file"},
		{"mail.example.com IMAP", 1, "want a name, its services and its zone, got 2 words"},
		{"a.example.com IMAP inside\nb..example.com IMAP inside", 2, "a label is empty"},
		{"a.example.com FTP inside", 1, "there is no such service"},
		{"a.example.com UM inside", 1, "unified messaging"},
		{"a.example.com IMAP dmz", 1, "want inside, edge, management, internal or partner:NAME"},
		{"a.example.com IMAP partner:", 1, "want inside"},
		{"a.example.com IMAP partner:a/b", 1, "want inside"},
		{"a.example.com IMAP inside stay", 1, "the fourth word can only be keep"},
		{"a.example.com IMAP inside keep it", 1, "got 5 words"},
		{"*.com IMAP inside", 1, "public suffix"},
		{"apart a.example.com", 1, "apart wants two names, got 1"},
		{"a.example.com IMAP inside\napart a.example.com b.example.com", 0, "b.example.com is not among the names"},
		{"a.example.com IMAP inside\napart a.example.com A.example.com", 0, "cannot be apart from itself"},
		{"a.example.com IMAP inside\n*.example.com IMAP inside\napart a.example.com *.example.com", 0, "the wildcard speaks for the other name"},
		{"a.example.com IMAP inside\nb.example.com IMAP inside\n*.example.com IMAP inside\napart a.example.com b.example.com", 0, "*.example.com speaks for both"},
		{"a.example.com IMAP inside\n" + strings.Repeat("x", maxLineBytes+1), 2, "longer than 4096 octets"},
		{strings.Repeat("a.example.com IMAP inside\n", MaxNeeds+1), MaxNeeds + 1, "at most 10000 names"},
		{strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 5000), 4182, "the file is longer"},
	} {
		_, err := ReadInventory(strings.NewReader(c.text))
		syntax, is := errors.AsType[*SyntaxError](err)
		if err == nil || !strings.Contains(err.Error(), c.want) || is != (c.line > 0) || is && syntax.Line != c.line {
			t.Errorf("%.80q: got %v, want line %d, %q", c.text, err, c.line, c.want)
		}
	}
}

func TestNewInventoryRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		need Need
		want string
	}{
		{need("a..b", ZoneInside), "a label is empty"},
		{need("a.example.com", "dmz"), "want inside"},
		{Need{Name: "a.example.com", Zone: ZoneInside}, "there is no such service"},
	} {
		if _, err := NewInventory([]Need{c.need}, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.need, err, c.want)
		}
	}
	twice, err := NewInventory([]Need{need("A.example.com", ZoneInside), need("a.example.com.", "INSIDE", listener.ServiceHTTP)}, nil)
	if err != nil || len(twice.needs) != 1 || len(twice.needs[0].Services) != 2 {
		t.Errorf("got %+v, %v, want one need of two services", twice, err)
	}
	for _, tooMany := range []func() (*Inventory, error){
		func() (*Inventory, error) { return NewInventory(make([]Need, MaxNeeds+1), nil) },
		func() (*Inventory, error) { return NewInventory(nil, make([]Pair, MaxPairs+1)) },
	} {
		if _, err := tooMany(); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("got %v, want a bound", err)
		}
	}
}

// FuzzReadInventory: nothing panics, what is read is in one spelling, and a plan can be made of it.
func FuzzReadInventory(f *testing.F) {
	f.Add(example)
	f.Add("*.a.b IMAP inside\nx.a.b POP edge\napart x.a.b *.a.b")
	f.Add("apart\n")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ReadInventory(strings.NewReader(text))
		if err != nil {
			if syntax, is := errors.AsType[*SyntaxError](err); is && syntax.Line < 1 {
				t.Fatalf("line %d: %v", syntax.Line, err)
			}
			return
		}
		for _, n := range i.Needs() {
			if again, err := x509cert.ParseSAN(n.Name); err != nil || again != n.Name || len(n.Services) == 0 {
				t.Fatalf("got %+v, %v", n, err)
			}
		}
		p, err := Compute(i, "letsencrypt", today)
		if err != nil || len(p.Choices) == 0 {
			t.Fatalf("got %+v, %v", p, err)
		}
	})
}
