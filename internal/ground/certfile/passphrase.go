package certfile

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"postseal/internal/ground/keys"
)

// passphrase is a password in the two encodings that password hashes are given. PKCS #12's own hash takes UTF-16
// big-endian with a NUL character at the end (RFC 7292 appendix B.1), PBKDF2 and scrypt take UTF-8 (RFC 8018 section 3).
type passphrase struct {
	with      PasswordUse
	utf8, bmp []byte
}

func (p passphrase) wipe() {
	clear(p.utf8)
	clear(p.bmp)
}

// noPassphrases are those that need no asking. RFC 7292 appendix B.1 makes two octets of an empty password; a program
// that knows "no password" makes none.
func noPassphrases() []passphrase {
	return []passphrase{
		{with: PasswordEmpty, bmp: []byte{0, 0}},
		{with: PasswordAbsent},
	}
}

// passphrases are the forms that programs have given to what the user typed, the right one first.
func passphrases(password keys.Secret) (forms []passphrase) {
	octets := password.Bytes()
	if len(octets) == 0 {
		return noPassphrases()
	}
	ascii := true
	for _, c := range octets {
		ascii = ascii && c < utf8.RuneSelf
	}
	if utf8.Valid(octets) {
		forms = append(forms, passphrase{PasswordGiven, bytes.Clone(octets), bmpString(string(octets), true)})
	}
	if !ascii {
		// Each octet as one character: OpenSSL before 1.1.0 took UTF-8 so, and it is right for a password in Latin-1.
		latin := make([]byte, 0, 2*len(octets)+2)
		for _, c := range octets {
			latin = append(latin, 0, c)
		}
		forms = append(forms, passphrase{PasswordGiven, bytes.Clone(octets), append(latin, 0, 0)})
	}
	return forms
}

// bmpString encodes text in UTF-16 big-endian, and a NUL at the end if terminated. A BMPString cannot hold what is
// outside the Basic Multilingual Plane; OpenSSL, Java and Windows all write surrogates then, and so do we.
func bmpString(text string, terminated bool) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = append(b, byte(unit>>8), byte(unit))
	}
	if terminated {
		b = append(b, 0, 0)
	}
	return b
}

// PasswordFromFile returns the password that a password file holds: its first line, without the line end, in UTF-8.
// Windows tools write such files in UTF-16 or with a byte order mark. An empty file is an empty password, not nil.
func PasswordFromFile(data []byte) keys.Secret {
	text := plainText(data)
	if i := bytes.IndexAny(text, "\r\n\x00"); i >= 0 {
		text = text[:i]
	}
	return keys.NewSecret(text)
}

// need asks for a password that cannot be done without. An empty one counts as given: legacy PEM and PKCS #8 can be
// under it.
func (r *reader) need(at Origin) (keys.Secret, error) {
	at.Line, at.Item = 0, 0
	what := at.String()
	if held, ok := r.held[what]; ok {
		return keys.NewSecret(held().Bytes()), nil
	}
	p, err := r.password(what)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, &PasswordMissingError{At: at}
	}
	if r.held == nil {
		r.held = map[string]func() keys.Secret{}
	}
	kept := keys.NewSecret(p.Bytes())
	r.held[what] = func() keys.Secret { return kept }
	return keys.NewSecret(p.Bytes()), nil
}

// forget overwrites the passwords that were asked for.
func (r *reader) forget() {
	for _, held := range r.held {
		held().Wipe()
	}
}
