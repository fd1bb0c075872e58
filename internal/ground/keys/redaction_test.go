package keys

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"
)

type (
	// holder has a secret in every place from which fmt can reach its methods.
	holder struct {
		Field   any
		Pointer *Secret
		Slice   []Secret
		Map     map[string]Secret
		Embedded
	}
	Embedded struct{ Inner Secret }
	// hidden has our own types where fmt cannot call their methods.
	hidden struct {
		private Private
		pointer *Private
		sealing SealingKey
		file    SealingFile
		any     any
	}
)

// needles are the ways in which the secret could stand in a text.
func needles(secret []byte) []string {
	decimal := strings.Trim(fmt.Sprint(secret), "[]")
	part := secret[len(secret)/4 : len(secret)/4+8] // enough to tell, and not the beginning that all keys share
	return []string{
		string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)),
		strings.Trim(fmt.Sprint(part), "[]"), decimal, strings.Trim(strings.ReplaceAll(fmt.Sprintf("%#v", part), "[]byte", ""), "{}"),
		strings.Trim(fmt.Sprintf("%q", part), `"`), base64.StdEncoding.EncodeToString(secret)[:16],
	}
}

// printings returns v printed in every way that we know to reach a log.
func printings(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%q", "%d", "%o", "%b", "%c", "%U", "%T", "%10.3s", "%!"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	out["Println"] = fmt.Sprintln(v)
	out["error"] = fmt.Errorf("doing: %v", v).Error()
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).With("with", v).Info("message", "key", v, slog.Group("group", "key", v), "list", []any{v})
		out[name] = b.String()
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Errorf("json.Marshal(%T): %v", v, err)
	}
	out["JSON"] = string(encoded)
	var b bytes.Buffer
	if err := template.Must(template.New("").Parse("{{.}} {{printf `%x` .}}")).Execute(&b, v); err != nil {
		t.Errorf("template of %T: %v", v, err)
	}
	out["template"] = b.String()
	return out
}

func wantHidden(t *testing.T, what string, v any, secrets ...[]byte) {
	t.Helper()
	for how, text := range printings(t, v) {
		if text == "" {
			t.Errorf("%s by %s prints nothing", what, how)
		}
		for _, secret := range secrets {
			for _, needle := range needles(secret) {
				if strings.Contains(text, needle) {
					t.Errorf("%s by %s shows the secret (%q)", what, how, needle)
				}
			}
		}
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	password := []byte("correct horse battery staple, 2026")
	secret := NewSecret(password)
	wantHidden(t, "Secret", secret, password)
	wantHidden(t, "*Secret", &secret, password)
	wantHidden(t, "[]Secret", []Secret{secret}, password)
	wantHidden(t, "map of Secret", map[string]Secret{"a": secret}, password)
	wantHidden(t, "struct of Secret", holder{secret, &secret, []Secret{secret}, map[string]Secret{"a": secret}, Embedded{secret}}, password)
	wantHidden(t, "pointer to struct", &holder{Field: &secret, Embedded: Embedded{secret}}, password)

	for _, kind := range []Kind{ECDSAP256, RSA2048, Ed25519} {
		p := testKey(t, kind)
		parts := secretParts(t, p)
		for what, v := range map[string]any{
			"Private": *p, "*Private": p, "[]Private": []Private{*p}, "[]*Private": []*Private{p},
			"map of Private": map[string]*Private{"a": p}, "struct of Private": holder{Field: p},
			"struct of Private by value": holder{Field: *p}, "hidden fields": hidden{private: *p, pointer: p, any: p},
			"pointer to hidden fields": &hidden{private: *p, pointer: p, any: *p}, "PKCS8": p.PKCS8(), "PEM": p.PEM(),
		} {
			wantHidden(t, what+" "+string(kind), v, parts...)
		}
	}

	k := NewSealingKey()
	f := testSealingFile(t)
	for what, v := range map[string]any{
		"SealingKey": *k, "*SealingKey": k, "[]SealingKey": []SealingKey{*k}, "map of SealingKey": map[string]*SealingKey{"a": k},
		"struct of SealingKey": holder{Field: k}, "hidden fields": hidden{sealing: *k, any: *k}, "seed": k.Seed(),
	} {
		wantHidden(t, what, v, k.Seed())
	}
	for what, v := range map[string]any{
		"SealingFile": *f, "*SealingFile": f, "[]SealingFile": []SealingFile{*f}, "hidden file": hidden{file: *f, any: *f}, "file text": f.Marshal(),
	} {
		wantHidden(t, what, v, f.Key.Seed())
	}
}

// secretParts returns the numbers inside a private key that must not be seen.
func secretParts(t *testing.T, p *Private) [][]byte {
	t.Helper()
	switch p.Kind() {
	case RSA2048:
		k := standard(t, p)
		return [][]byte{k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes(), []byte(k.D.String()), []byte(k.Primes[0].String())}
	case Ed25519:
		return [][]byte{p.PKCS8()[16:48]} // RFC 8410 section 7: the seed is the last 32 bytes
	case ECDSAP256:
		scalar := p.PKCS8()[36:68] // RFC 5915 section 3: after the version of the inner structure
		return [][]byte{scalar}
	}
	t.Fatalf("no secret parts for %v", p.Kind())
	return nil
}

// TestNeedlesFind guards the test above: the same searches must find a secret that is printed.
func TestNeedlesFind(t *testing.T) {
	t.Parallel()
	secret := []byte("correct horse battery staple, 2026")
	for how, text := range map[string]string{
		"%s": fmt.Sprintf("%s", secret), "%v": fmt.Sprintf("%v", secret), "%x": fmt.Sprintf("%x", secret), "%X": fmt.Sprintf("%X", secret),
		"%#v": fmt.Sprintf("%#v", secret), "%q": fmt.Sprintf("%q", secret), "JSON": base64.StdEncoding.EncodeToString(secret),
	} {
		found := false
		for _, needle := range needles(secret) {
			found = found || strings.Contains(text, needle)
		}
		if !found {
			t.Errorf("%s: the searches do not find the secret in %s", how, text)
		}
	}
	p := testKey(t, Ed25519)
	seed := secretParts(t, p)[0]
	if !bytes.Contains(p.PKCS8(), seed) || len(p.PKCS8()) != 48 {
		t.Errorf("the seed of the Ed25519 key is not where the test looks for it")
	}
	k, ok := testKey(t, ECDSAP256).key().signer.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("the ECDSA key is none")
	}
	scalar, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if got := secretParts(t, testKey(t, ECDSAP256))[0]; !bytes.Equal(got, scalar) {
		t.Errorf("the scalar of the ECDSA key is not where the test looks for it")
	}
}

func TestRedactedTexts(t *testing.T) {
	t.Parallel()
	p, k := testKey(t, RSA2048), NewSealingKey()
	for _, tt := range []struct{ got, prefix string }{
		{fmt.Sprint(p), "[private key RSA-2048, SHA-256 of public key "},
		{fmt.Sprintf("%#v", *p), "[private key RSA-2048, SHA-256 of public key "},
		{p.GoString(), "[private key RSA-2048, SHA-256 of public key "},
		{fmt.Sprint(k), "[sealing key, SHA-256 of public key "},
		{k.GoString(), "[sealing key, SHA-256 of public key "},
		{fmt.Sprint(NewSecret("x")), "[secret]"},
		{NewSecret("x").String() + NewSecret("x").GoString(), "[secret][secret]"},
		{fmt.Sprint(Private{}), "[private key]"},
		{fmt.Sprint(SealingKey{}), "[sealing key]"},
		{fmt.Sprint((*Private)(nil)), "<nil>"},
	} {
		if !strings.HasPrefix(tt.got, tt.prefix) {
			t.Errorf("got %s, want %s…", tt.got, tt.prefix)
		}
	}
	for _, v := range []interface{ MarshalText() ([]byte, error) }{*p, *k, NewSecret("x")} {
		if got, err := v.MarshalText(); err != nil || string(got) != fmt.Sprint(v) {
			t.Errorf("got %s, %v, want %v", got, err, v)
		}
	}
}

// TestSecretInHiddenFields holds the comment of Secret to its word: where the gap is, and what closes it.
func TestSecretInHiddenFields(t *testing.T) {
	t.Parallel()
	password := []byte("correct horse battery staple, 2026")
	secret := NewSecret(password)
	wantHidden(t, "func() Secret in a hidden field", struct {
		name     string
		password func() Secret
	}{"name", func() Secret { return secret }}, password)
	if got := fmt.Sprint(struct{ password Secret }{secret}); got != fmt.Sprintf("{%d}", password) {
		t.Errorf("got %s: fmt calls methods on hidden fields now, so the comment of Secret is out of date", got)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	source := []byte("secret")
	s := NewSecret(source)
	clear(source)
	if got, want := string(s.Bytes()), "secret"; got != want {
		t.Errorf("got %q, want %q: the source was not copied", got, want)
	}
	s.Wipe()
	if got, want := s.Bytes(), make([]byte, 6); !bytes.Equal(got, want) {
		t.Errorf("after Wipe: got %v, want %v", got, want)
	}
	if got := NewSecret(""); got == nil || len(got) != 0 {
		t.Errorf("got %d bytes, nil %v, want an empty secret", len(got), got == nil)
	}
}
