package keys

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var testObject = Object{"private-key", "42"}

// sealFor seals for one new key under the id "mail1".
func sealFor(t *testing.T, plain string) (k *SealingKey, ciphertext, wrapped []byte) {
	t.Helper()
	k = NewSealingKey()
	s, err := Seal(testObject, NewSecret(plain), map[string][]byte{"mail1": k.Public()})
	if err != nil {
		t.Fatal(err)
	}
	return k, s.Ciphertext, s.Wrapped["mail1"]
}

func wantOtherwise(t *testing.T, what string, got Secret, err error) {
	t.Helper()
	if !errors.Is(err, ErrSealedOtherwise) || got != nil {
		t.Errorf("%s: got a secret %v and error %v, want ErrSealedOtherwise", what, got != nil, err)
	}
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	mail1, mail2 := NewSealingKey(), NewSealingKey()
	for _, plain := range []string{"", "x", string(testKey(t, RSA2048).PKCS8()), strings.Repeat("long", 1<<16)} {
		s, err := Seal(testObject, NewSecret(plain), map[string][]byte{"mail1": mail1.Public(), "mail2": mail2.Public()})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(s.Wrapped), 2; got != want {
			t.Errorf("got %d wrapped keys, want %d", got, want)
		}
		for id, k := range map[string]*SealingKey{"mail1": mail1, "mail2": mail2} {
			got, err := k.Open(testObject, id, s.Ciphertext, s.Wrapped[id])
			if err != nil || string(got) != plain {
				t.Errorf("%s opens %d bytes, %v, want %d", id, len(got), err, len(plain))
			}
		}
		if len(plain) > 1 && (bytes.Contains(s.Ciphertext, []byte(plain)) || s.Ciphertext[0] != 1 || s.Wrapped["mail1"][0] != 1) {
			t.Error("the plain text is in the ciphertext, or the version is not in front")
		}
	}
}

func TestSealTwiceDiffers(t *testing.T) {
	t.Parallel()
	k := NewSealingKey()
	to := map[string][]byte{"mail1": k.Public()}
	one, err := Seal(testObject, NewSecret("same"), to)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Seal(testObject, NewSecret("same"), to)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one.Ciphertext, two.Ciphertext) || bytes.Equal(one.Wrapped["mail1"], two.Wrapped["mail1"]) {
		t.Error("sealing the same secret twice gave the same bytes")
	}
	got, err := k.Open(testObject, "mail1", one.Ciphertext, two.Wrapped["mail1"])
	wantOtherwise(t, "the wrapped key of another sealing of the same object", got, err)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	k, ciphertext, wrapped := sealFor(t, "the secret")
	tests := []struct {
		name      string
		key       *SealingKey
		obj       Object
		recipient string
	}{
		{"another key", NewSealingKey(), testObject, "mail1"},
		{"another id", k, Object{"private-key", "43"}, "mail1"},
		{"another kind", k, Object{"password", "42"}, "mail1"},
		{"a letter moved from id to kind", k, Object{"private-key4", "2"}, "mail1"},
		{"kind and id swapped", k, Object{"42", "private-key"}, "mail1"},
		{"no object", k, Object{}, "mail1"},
		{"another recipient", k, testObject, "mail2"},
		{"a letter moved from recipient to id", k, Object{"private-key", "42m"}, "ail1"},
		{"no recipient", k, testObject, ""},
	}
	for _, tt := range tests {
		got, err := tt.key.Open(tt.obj, tt.recipient, ciphertext, wrapped)
		wantOtherwise(t, tt.name, got, err)
		again, err := tt.key.Rewrap(tt.obj, tt.recipient, wrapped, "mail3", k.Public())
		wantOtherwise(t, "rewrap, "+tt.name, again, err)
	}
	got, err := k.Open(testObject, "mail1", wrapped, ciphertext)
	wantOtherwise(t, "ciphertext and wrapped key swapped", got, err)
	for name, empty := range map[string][]byte{"nil": nil, "only a version": {1}, "another version": {2}} {
		got, err = k.Open(testObject, "mail1", empty, wrapped)
		wantOtherwise(t, "ciphertext "+name, got, err)
		got, err = k.Open(testObject, "mail1", ciphertext, empty)
		wantOtherwise(t, "wrapped key "+name, got, err)
	}
}

// TestOpenAltered alters every byte of both parts, and cuts and lengthens them: version, encapsulated key, nonce,
// text and tag.
func TestOpenAltered(t *testing.T) {
	t.Parallel()
	k, ciphertext, wrapped := sealFor(t, "the secret")
	for i := range ciphertext {
		altered := bytes.Clone(ciphertext)
		altered[i] ^= 1 << (i % 8)
		got, err := k.Open(testObject, "mail1", altered, wrapped)
		wantOtherwise(t, "altered ciphertext", got, err)
		got, err = k.Open(testObject, "mail1", ciphertext[:i], wrapped)
		wantOtherwise(t, "cut ciphertext", got, err)
	}
	for i := range wrapped {
		altered := bytes.Clone(wrapped)
		altered[i] ^= 1 << (i % 8)
		got, err := k.Open(testObject, "mail1", ciphertext, altered)
		wantOtherwise(t, "altered wrapped key", got, err)
		got, err = k.Open(testObject, "mail1", ciphertext, wrapped[:i])
		wantOtherwise(t, "cut wrapped key", got, err)
	}
	got, err := k.Open(testObject, "mail1", append(bytes.Clone(ciphertext), 0), wrapped)
	wantOtherwise(t, "longer ciphertext", got, err)
	got, err = k.Open(testObject, "mail1", ciphertext, append(bytes.Clone(wrapped), 0))
	wantOtherwise(t, "longer wrapped key", got, err)
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	mail1, ciphertext, wrapped := sealFor(t, "the secret")
	mail2 := NewSealingKey()
	row, err := mail1.Rewrap(testObject, "mail1", wrapped, "mail2", mail2.Public())
	if err != nil {
		t.Fatal(err)
	}
	got, err := mail2.Open(testObject, "mail2", ciphertext, row)
	if err != nil || string(got) != "the secret" {
		t.Errorf("the new server opens %d bytes, %v", len(got), err)
	}
	got, err = mail2.Open(testObject, "mail1", ciphertext, row)
	wantOtherwise(t, "under the id of the old server", got, err)
	got, err = mail1.Open(testObject, "mail2", ciphertext, row)
	wantOtherwise(t, "by the old server", got, err)
	if _, err := mail1.Rewrap(testObject, "mail1", wrapped, "mail2", mail2.Public()[1:]); err == nil || errors.Is(err, ErrSealedOtherwise) {
		t.Errorf("a bad sealing key: got %v, want an error that blames it", err)
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	good := NewSealingKey().Public()
	tests := []struct {
		name string
		obj  Object
		to   map[string][]byte
		want string
	}{
		{"no recipient", testObject, nil, "no recipient"},
		{"no kind", Object{"", "42"}, map[string][]byte{"a": good}, "an object needs a kind and an id"},
		{"no id", Object{"private-key", ""}, map[string][]byte{"a": good}, "an object needs a kind and an id"},
		{"recipient without id", testObject, map[string][]byte{"": good}, "a recipient without an id"},
		{"empty key", testObject, map[string][]byte{"a": good, "b": nil}, `sealing private-key "42": sealing key of "b"`},
		{"short key", testObject, map[string][]byte{"b": good[1:]}, `sealing key of "b"`},
		{"no ML-KEM key", testObject, map[string][]byte{"b": bytes.Repeat([]byte{0xff}, len(good))}, `sealing key of "b"`},
		{"X25519 half of zeros", testObject, map[string][]byte{"b": append(bytes.Clone(good[:len(good)-32]), make([]byte, 32)...)}, `"b"`},
	}
	for _, tt := range tests {
		s, err := Seal(tt.obj, NewSecret("x"), tt.to)
		if err == nil || !strings.Contains(err.Error(), tt.want) || s.Ciphertext != nil || s.Wrapped != nil {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestSealingKey(t *testing.T) {
	t.Parallel()
	k, ciphertext, wrapped := sealFor(t, "the secret")
	seed := k.Seed()
	again, err := ParseSealingKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	seed.Wipe()
	for name, key := range map[string]*SealingKey{"the same": k, "from its seed": again} {
		if got, err := key.Open(testObject, "mail1", ciphertext, wrapped); err != nil || string(got) != "the secret" {
			t.Errorf("%s opens %d bytes, %v", name, len(got), err)
		}
	}
	if got, want := len(k.Public()), 1216; got != want {
		t.Errorf("got a public key of %d bytes, want %d", got, want)
	}
	clear(k.Public()) // a copy: must not harm the key
	if !bytes.Equal(k.Public(), again.Public()) || bytes.Equal(k.Public(), NewSealingKey().Public()) {
		t.Error("the public key does not follow from the seed")
	}
	for _, length := range []int{0, 31, 33, 64} {
		if _, err := ParseSealingKey(make(Secret, length)); err == nil {
			t.Errorf("a seed of %d bytes was taken", length)
		}
	}
}
