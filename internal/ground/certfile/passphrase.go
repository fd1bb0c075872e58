package certfile

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

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

// passphrases are the forms that programs have given to what the user typed, the right one first. The same letters can
// be written in more than one way, and which way was taken depends on the machine: macOS takes é apart into e and an
// accent (NFD), most others do not (NFC), and old programs wrote Latin-1.
func passphrases(password keys.Secret) (forms []passphrase) {
	octets := password.Bytes()
	if len(octets) == 0 {
		return noPassphrases()
	}
	add := func(utf8, bmp []byte) {
		for _, f := range forms {
			if bytes.Equal(f.utf8, utf8) && bytes.Equal(f.bmp, bmp) {
				clear(utf8)
				clear(bmp)
				return
			}
		}
		forms = append(forms, passphrase{PasswordGiven, utf8, bmp})
	}
	ascii := true
	for _, c := range octets {
		ascii = ascii && c < utf8.RuneSelf
	}
	if utf8.Valid(octets) {
		add(bytes.Clone(octets), bmpString(string(octets), true))
	}
	if ascii {
		return forms
	}
	if utf8.Valid(octets) {
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			text := form.Append(nil, octets...) // not Bytes, which may give back what it was given
			add(text, bmpString(string(text), true))
		}
		if latin := inLatin1(octets); latin != nil {
			add(latin, bmpString(norm.NFC.String(string(octets)), true))
		}
	}
	// Each octet as one character: OpenSSL before 1.1.0 took UTF-8 so, and it is right for a password in Latin-1.
	each := make([]byte, 0, 2*len(octets)+2)
	for _, c := range octets {
		each = append(each, 0, c)
	}
	add(bytes.Clone(octets), append(each, 0, 0))
	return forms
}

// inLatin1 encodes a text, accents joined to their letters, in ISO 8859-1; nil if it has other characters.
func inLatin1(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range norm.NFC.String(string(text)) {
		if r > 0xff {
			clear(out)
			return nil
		}
		out = append(out, byte(r))
	}
	return out
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
