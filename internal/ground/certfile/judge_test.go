package certfile

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

// TestOpenSSLAgrees damages each form and asks OpenSSL: what we take, it takes. We refuse more, since a half that is
// read without a word is what hurts an administrator. CRLs are not here: Read only finds them, package trust reads them.
func TestOpenSSLAgrees(t *testing.T) {
	t.Parallel()
	p := shared()
	for what, tt := range map[string]struct {
		data    []byte
		command string
	}{
		"certificate": {p.leafDER, "x509 -noout -pubkey -inform DER -in"},
		"request":     {p.request, "req -noout -verify -inform DER -in"},
		"key":         {p.keyDER, "pkey -noout -check -inform DER -in"},
		"P7B":         {mustP7B(t), "pkcs7 -print_certs -noout -inform DER -in"},
		"P7B in BER":  {looseP7B(mustP7B(t)), "pkcs7 -print_certs -noout -inform DER -in"},
		"PFX":         {cheapPFX(t), "pkcs12 -noout -passin pass:" + strings.ReplaceAll(testPassword, " ", "\x00") + " -in"},
		"PFX in BER":  {toBER(cheapPFX(t)), "pkcs12 -noout -passin pass:" + strings.ReplaceAll(testPassword, " ", "\x00") + " -in"},
		"PEM":         {encodePEM(labelCertificate, p.leafDER), "x509 -noout -pubkey -in"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			peers.Need(t, "openssl")
			files := map[string][]byte{"whole": tt.data}
			damages := peers.Scale(24, 400)
			for i := range damages {
				at := len(tt.data) * i / damages
				changed := bytes.Clone(tt.data)
				changed[at] ^= byte(1 << (i % 8))
				files[fmt.Sprintf("changed at %d", at)] = changed
				// Before the BEGIN of a PEM block OpenSSL wants a new line. Web forms lose line ends, so we do not.
				if i%3 == 0 && (i > 0 || what != "PEM") {
					files[fmt.Sprintf("cut at %d", at)] = tt.data[:at]
					files[fmt.Sprintf("one more at %d", at)] = append(append(bytes.Clone(tt.data[:at]), 0x30), tt.data[at:]...)
				}
			}
			dir := writeFiles(t, files)
			both := 0
			for name, data := range files {
				_, ours := Read(name, data, withPassword(testPassword))
				args := []string{"openssl"}
				for word := range strings.FieldsSeq(tt.command) {
					args = append(args, strings.ReplaceAll(word, "\x00", " "))
				}
				theirs := peers.Run(t, peers.Command{Args: append(args, filepath.Join(dir, name)), Dir: dir})
				if ours == nil && theirs.Exit != 0 {
					t.Errorf("%s: we take it, openssl does not: %.300s", name, theirs.Stderr)
				}
				if ours == nil && theirs.Exit == 0 {
					both++
				}
				if ours != nil && theirs.Exit == 0 && name != "whole" && !stricter(what, ours) {
					t.Errorf("%s: openssl takes it, we do not, and nobody has said why: %v", name, ours)
				}
				if name == "whole" && ours != nil {
					t.Errorf("the whole file: %v", ours)
				}
			}
			if both == 0 {
				t.Error("nothing is taken by both")
			}
		})
	}
}

// stricter says whether we refuse on purpose what OpenSSL takes. Each line is one reason.
func stricter(what string, err error) bool {
	_, format := errors.AsType[*FormatError](err)
	_, unsupported := errors.AsType[*UnsupportedError](err)
	_, weak := errors.AsType[*keys.WeakKeyError](err)
	_, limit := errors.AsType[*LimitError](err)
	_, password := errors.AsType[*PasswordError](err)
	switch {
	case limit: // OpenSSL works for as long as the file says
		return true
	case weak: // it computes the public half of a key anew and says nothing of the one that stood there
		return what == "key"
	case password: // its MAC of a PFX does not cover what is around the safes, and neither does it look there
		return strings.HasPrefix(what, "PFX")
	case unsupported: // an unknown algorithm or version, which it prints as a number
		return true
	case format: // crypto/x509 is strict: dates, versions, extensions, and octets behind the end, which it passes over
		return true
	}
	return false
}
