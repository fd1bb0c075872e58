package hsm

import (
	"errors"
	"strings"
	"testing"
)

func TestRef(t *testing.T) {
	t.Parallel()
	r, err := NewRef("Vault; 1", "postseal/root")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.String(), "pkcs11:token=Vault%3b%201;object=postseal%2froot;id=%") {
		t.Errorf("got %s", r)
	}
	back, err := ParseRef(r.String())
	if err != nil || back != r {
		t.Errorf("got %v, %v, want %v", back, err, r)
	}
	if other, _ := NewRef("Vault; 1", "postseal/root"); other.ID() == r.ID() {
		t.Error("two keys have one id")
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"no scheme":             "token=a;object=b",
		"without an id":         "pkcs11:token=a;object=b;type=private",
		"an id that is short":   "pkcs11:token=a;object=b;id=%01;type=private",
		"an attribute twice":    strings.Replace(r.String(), "pkcs11:", "pkcs11:type=private;", 1),
		"an attribute unknown":  r.String() + ";slot-id=1",
		"with a PIN in it":      r.String() + "?pin-value=1234",
		"a public key":          strings.Replace(r.String(), "private", "public", 1),
		"an escape cut short":   strings.Replace(r.String(), "%3b", "%3", 1),
		"a token with controls": strings.Replace(r.String(), "%3b", "%00", 1),
	} {
		if got, err := ParseRef(text); !errors.Is(err, ErrRef) {
			t.Errorf("%s: got %v, %v, want ErrRef", name, got, err)
		}
	}
}

// FuzzRef: what is read is written back as the same key.
func FuzzRef(f *testing.F) {
	r, err := NewRef("token", "root")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.String())
	f.Add("pkcs11:token=a;object=b;id=%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00;type=private")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRef(text)
		if err != nil {
			return
		}
		if back, err := ParseRef(r.String()); err != nil || back != r {
			t.Errorf("%q: got %v, %v, want %v", text, back, err, r)
		}
	})
}
