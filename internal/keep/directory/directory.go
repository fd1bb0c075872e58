// Package directory writes the certificates of people into the files that directories and address books take.
//
// Who writes to somebody in secret needs that person's certificate first. Mail programs look for it in a directory, under
// the mail address: in the attribute userCertificate, which holds certificates, and in userSMIMECertificate, which holds a
// message without content that carries them (RFC 2798 sections 2.8 and 2.7; RFC 4523 section 4.1). A directory is filled
// from LDIF (RFC 2849); an address book reads vCards (RFC 6350), and everything else single files.
//
// [LDIF] and [VCard] write what they are given and judge nothing. They print no private key, because they are given none.
package directory

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"postseal/internal/ground/certfile"
)

// Person is somebody with certificates.
type Person struct {
	Mail string // the address that certificates name
	Name string // for people; empty is the address
	// Encrypt is for letters to the person, Sign for the person's own; either may be nil.
	Encrypt, Sign *x509.Certificate
	Chain         []*x509.Certificate // those above
}

func (p Person) name() string {
	if p.Name == "" {
		return p.Mail
	}
	return p.Name
}

// Domain is what stands behind the @.
func (p Person) Domain() string { return p.Mail[strings.LastIndexByte(p.Mail, '@')+1:] }

// LDIF writes an entry for each person, of the class inetOrgPerson. base is the name that entries are below; empty makes
// one of the address's domain: ou=People,dc=example,dc=com.
func LDIF(people []Person, base string) (string, error) {
	var out strings.Builder
	out.WriteString("version: 1\n")
	for _, p := range people {
		below := base
		if below == "" {
			below = "ou=People,dc=" + strings.Join(strings.Split(escaped(p.Domain()), "."), ",dc=")
		}
		out.WriteString("\n")
		line(&out, "dn", "mail="+escaped(p.Mail)+","+below)
		for _, class := range []string{"top", "person", "organizationalPerson", "inetOrgPerson"} {
			line(&out, "objectClass", class)
		}
		line(&out, "cn", p.name())
		words := strings.Fields(p.name())
		line(&out, "sn", words[len(words)-1])
		line(&out, "mail", p.Mail)
		if p.Encrypt != nil {
			octets(&out, "userCertificate;binary", p.Encrypt.Raw)
		}
		leaf, others := p.Encrypt, p.Chain
		switch {
		case leaf == nil:
			leaf = p.Sign
		case p.Sign != nil:
			others = append([]*x509.Certificate{p.Sign}, others...)
		}
		if leaf == nil {
			continue
		}
		// RFC 2798 section 2.8: a PKCS #7 SignedData; without a signer, which nobody asks for.
		message, err := certfile.P7B(certfile.Bundle{Leaf: leaf, Chain: others})
		if err != nil {
			return "", fmt.Errorf("writing the certificates of %s: %w", p.Mail, err)
		}
		octets(&out, "userSMIMECertificate;binary", message)
	}
	return out.String(), nil
}

// line writes an attribute with a text. RFC 2849: what is no SAFE-STRING goes in base64.
func line(out *strings.Builder, name, value string) {
	safe := value != "" && !strings.ContainsAny(value[:1], " :<") && !strings.HasSuffix(value, " ")
	for _, c := range []byte(value) {
		safe = safe && c < utf8.RuneSelf && c >= ' '
	}
	if !safe {
		octets(out, name, []byte(value))
		return
	}
	folded(out, name+": "+value)
}

// octets writes an attribute in base64.
func octets(out *strings.Builder, name string, value []byte) {
	folded(out, name+":: "+base64.StdEncoding.EncodeToString(value))
}

// folded writes a line of ASCII in pieces of 76; those that follow begin with a space (RFC 2849 note 2).
func folded(out *strings.Builder, text string) {
	const width = 76
	for first := true; ; first = false {
		n := width
		if !first {
			out.WriteString(" ")
			n--
		}
		if len(text) <= n {
			out.WriteString(text + "\n")
			return
		}
		out.WriteString(text[:n] + "\n")
		text = text[n:]
	}
}

// escaped makes a value of a distinguished name (RFC 4514 section 2.4).
func escaped(value string) string {
	var out strings.Builder
	for i, c := range []byte(value) {
		switch {
		case strings.IndexByte(`"+,;<>\`, c) >= 0, c == '#' && i == 0, c == ' ' && (i == 0 || i == len(value)-1):
			out.WriteString(`\` + string(rune(c)))
		case c < ' ' || c >= utf8.RuneSelf:
			fmt.Fprintf(&out, `\%02x`, c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// VCard writes the card of a person with the certificate for letters to him, in version 3.0, which every address book
// reads (RFC 2426 section 3.7.2; RFC 6350 keeps the property).
func VCard(p Person) string {
	var out strings.Builder
	text := strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`, "\r", "")
	for _, one := range []string{"BEGIN:VCARD", "VERSION:3.0", "FN:" + text.Replace(p.name()), "N:" + text.Replace(p.name()) + ";;;;", "EMAIL;TYPE=INTERNET:" + text.Replace(p.Mail)} {
		card(&out, one)
	}
	if p.Encrypt != nil {
		card(&out, "KEY;ENCODING=b;TYPE=X509:"+base64.StdEncoding.EncodeToString(p.Encrypt.Raw))
	}
	card(&out, "END:VCARD")
	return out.String()
}

// card writes a line of at most 75 octets, with more of it behind a space, never within a letter (RFC 2426 section 2.6).
func card(out *strings.Builder, text string) {
	const width = 74 // with the space in front
	for len(text) > width {
		n := width
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		if n == 0 {
			n = width // it is no UTF-8 at all
		}
		out.WriteString(text[:n] + "\r\n ")
		text = text[n:]
	}
	out.WriteString(text + "\r\n")
}
