package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxComparisons bounds the names times constraints that are compared for one question, over all its chains: certificates
// with thousands of both exist only to keep verifiers busy.
const maxComparisons = 500_000

// The kinds of GeneralName of RFC 5280 section 4.2.1.6, by the number of their tag.
const (
	kindOther     = 0
	kindMail      = 1
	kindDNS       = 2
	kindDirectory = 4
	kindURI       = 6
	kindIP        = 7
)

var oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// A general is one GeneralName, or the base of a subtree: the kind and what is in it.
type general struct {
	kind  int
	value string
	rdns  [][]byte // of a directory name: its parts in normal form; nil if it cannot be read
}

// directory is the general of a distinguished name in DER.
func directory(der []byte) general {
	rdns, ok := normalRDNs(der)
	if ok && rdns == nil {
		rdns = [][]byte{} // the empty name, which is the beginning of every name
	}
	return general{kindDirectory, string(der), rdns}
}

// readGenerals takes the content of a SEQUENCE of GeneralName.
func readGenerals(s cryptobyte.String) ([]general, error) {
	var out []general
	for !s.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !s.ReadAnyASN1(&value, &tag) {
			return nil, errors.New("malformed name")
		}
		g, err := readGeneral(tag, value)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

func readGeneral(tag cbasn1.Tag, value cryptobyte.String) (general, error) {
	kind := int(tag) & 0x1f
	if int(tag)&0xc0 != 0x80 || kind > 8 {
		return general{}, errors.New("malformed name")
	}
	if kind == kindDirectory { // EXPLICIT, because Name is a CHOICE
		var name cryptobyte.String
		if !value.ReadASN1Element(&name, cbasn1.SEQUENCE) || !value.Empty() {
			return general{}, errors.New("malformed directory name")
		}
		return directory(name), nil
	}
	return general{kind: kind, value: string(value)}, nil
}

// subtrees are the name constraints of one issuer, RFC 5280 section 4.2.1.10.
type subtrees struct {
	permitted, excluded []general
}

// readConstraints reads the extension of cert; nil means that it has none.
func readConstraints(cert *x509.Certificate) (*subtrees, error) {
	ext := extension(cert, extNameConstraints)
	if ext == nil {
		return nil, nil
	}
	s := cryptobyte.String(ext.Value)
	var body, permitted, excluded cryptobyte.String
	var hasPermitted, hasExcluded bool
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !s.Empty() ||
		!body.ReadOptionalASN1(&permitted, &hasPermitted, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadOptionalASN1(&excluded, &hasExcluded, cbasn1.Tag(1).ContextSpecific().Constructed()) || !body.Empty() {
		return nil, errors.New("malformed name constraints")
	}
	var t subtrees
	var err error
	if t.permitted, err = readSubtrees(permitted); err != nil {
		return nil, err
	}
	if t.excluded, err = readSubtrees(excluded); err != nil {
		return nil, err
	}
	if len(t.permitted)+len(t.excluded) == 0 {
		return nil, errors.New("empty name constraints")
	}
	return &t, nil
}

func readSubtrees(s cryptobyte.String) ([]general, error) {
	var out []general
	for !s.Empty() {
		var subtree, value cryptobyte.String
		var tag cbasn1.Tag
		if !s.ReadASN1(&subtree, cbasn1.SEQUENCE) || !subtree.ReadAnyASN1(&value, &tag) {
			return nil, errors.New("malformed name constraints")
		}
		// RFC 5280 section 4.2.1.10: minimum is 0 and maximum is absent, so DER has nothing here.
		if !subtree.Empty() {
			return nil, errors.New("name constraints with a minimum or maximum")
		}
		base, err := readGeneral(tag, value)
		if err != nil {
			return nil, err
		}
		if err := checkBase(base); err != nil {
			return nil, err
		}
		out = append(out, base)
	}
	return out, nil
}

// checkBase refuses subtrees that RFC 5280 section 4.2.1.10 does not have: what they were meant to permit or exclude is
// anybody's guess. DEVIATION of many: a leading dot in a DNS name, which OpenSSL reads as "subdomains only".
func checkBase(base general) error {
	switch base.kind {
	case kindDNS:
		if base.value != "" && !isPreferredName(base.value) {
			return fmt.Errorf("the name constraint %q is no DNS name", clip(base.value))
		}
	case kindMail:
		host := base.value
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			if !isMailbox(host) {
				return fmt.Errorf("the name constraint %q is no mailbox", clip(base.value))
			}
			host = host[at+1:]
		}
		if host = strings.TrimPrefix(host, "."); host != "" && !isPreferredName(host) {
			return fmt.Errorf("the name constraint %q is no host", clip(base.value))
		}
	case kindIP:
		if n := len(base.value); n != 8 && n != 32 {
			return errors.New("a name constraint is no range of IP addresses")
		}
	}
	return nil
}

// namesOf lists all names of a certificate to which constraints apply: the subject and every subjectAltName.
func namesOf(cert *x509.Certificate) ([]general, error) {
	var names []general
	if !bytes.Equal(cert.RawSubject, []byte{0x30, 0}) {
		names = append(names, directory(cert.RawSubject))
	}
	san := extension(cert, extSubjectAltName)
	if san == nil {
		// RFC 5280 section 4.2.1.10: without subjectAltName, mail addresses of the subject count.
		for _, address := range attributeValues(cert.RawSubject, oidEmailAddress) {
			names = append(names, general{kind: kindMail, value: address})
		}
		return names, nil
	}
	s := cryptobyte.String(san.Value)
	var body cryptobyte.String
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !s.Empty() {
		return nil, errors.New("malformed subjectAltName")
	}
	more, err := readGenerals(body)
	return append(names, more...), err
}

// violation says which of the names the subtrees forbid; empty means none. budget is how many comparisons are left.
func (t *subtrees) violation(names []general, budget *int) string {
	for _, name := range names {
		for _, base := range t.excluded {
			if base.kind != name.kind {
				continue
			}
			if *budget--; *budget < 0 {
				return "there are too many names and name constraints to compare"
			}
			if hit, known := excludes(base, name); !known {
				return "has a name constraint for a kind of name that cannot be compared"
			} else if hit {
				return fmt.Sprintf("excludes the name %s", showGeneral(name))
			}
		}
		wanted, within := false, false
		for _, base := range t.permitted {
			if base.kind != name.kind {
				continue
			}
			if *budget--; *budget < 0 {
				return "there are too many names and name constraints to compare"
			}
			hit, known := permits(base, name)
			if !known {
				return "has a name constraint for a kind of name that cannot be compared"
			}
			if wanted = true; hit {
				within = true
				break
			}
		}
		if wanted && !within {
			return fmt.Sprintf("does not permit the name %s", showGeneral(name))
		}
	}
	return ""
}

// permits reports whether every host that name stands for is within the subtree. known is false for kinds of names that
// have no rule.
func permits(base, name general) (hit, known bool) {
	switch name.kind {
	case kindDNS:
		// RFC 9525 section 6.3: *.example.com is all hosts directly below example.com; they are within a subtree that
		// holds example.com, and not all within any smaller one.
		return withinDNS(strings.TrimPrefix(name.value, "*."), base.value), true
	case kindMail:
		return withinMail(name.value, base.value), true
	case kindURI:
		return withinURI(name.value, base.value), true
	case kindIP:
		return withinIP(name.value, base.value), true
	case kindDirectory:
		return withinDirectory(name.rdns, base.rdns), true
	}
	return false, false
}

// excludes reports whether a host that name stands for is within the subtree, or may be.
func excludes(base, name general) (hit, known bool) {
	switch name.kind {
	case kindDNS:
		if parent, wildcard := strings.CutPrefix(name.value, "*."); wildcard {
			_, above, _ := strings.Cut(base.value, ".")
			return withinDNS(parent, base.value) || strings.EqualFold(above, parent), true
		}
	case kindURI:
		if hostOf(name.value) == "" {
			return true, true // RFC 5280 section 4.2.1.10: a URI without a host cannot pass a constraint
		}
	}
	return permits(base, name)
}

// withinDNS: zero or more labels to the left of the constraint.
func withinDNS(name, base string) bool {
	name, base = strings.ToLower(name), strings.ToLower(base)
	return base == "" || name == base || strings.HasSuffix(name, "."+base)
}

// withinMail: a mailbox, all mailboxes of a host, or, with a leading dot, of all hosts below a domain.
func withinMail(address, base string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false
	}
	local, host := address[:at], address[at+1:]
	if i := strings.LastIndexByte(base, '@'); i >= 0 {
		return local == base[:i] && strings.EqualFold(host, base[i+1:])
	}
	return withinHost(host, base)
}

func withinURI(uri, base string) bool {
	host := hostOf(uri)
	return host != "" && withinHost(host, base)
}

func withinHost(host, base string) bool {
	if base == "" {
		return true
	}
	if strings.HasPrefix(base, ".") {
		return strings.HasSuffix(strings.ToLower(host), strings.ToLower(base))
	}
	return strings.EqualFold(host, base)
}

// hostOf returns the host of a URI if it is a name. RFC 5280 section 4.2.1.10 gives IP addresses no rule.
func hostOf(uri string) string {
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if strings.HasPrefix(rest, "[") {
		return ""
	}
	host, _, _ := strings.Cut(rest, ":")
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}

func withinIP(address, base string) bool {
	if len(base) != 2*len(address) {
		return false
	}
	mask := net.IPMask(base[len(address):])
	return net.IP(address).Mask(mask).Equal(net.IP(base[:len(address)]).Mask(mask))
}

// withinDirectory: the constraint is the beginning of the name, part by part.
func withinDirectory(name, base [][]byte) bool {
	if name == nil || base == nil || len(base) > len(name) {
		return false
	}
	for i := range base {
		if !bytes.Equal(name[i], base[i]) {
			return false
		}
	}
	return true
}

func showGeneral(g general) string {
	switch g.kind {
	case kindDNS, kindMail, kindURI:
		return quote(g.value)
	case kindIP:
		if a, ok := netip.AddrFromSlice([]byte(g.value)); ok {
			return a.String()
		}
	case kindDirectory:
		return "of the subject"
	}
	return "of another kind"
}
