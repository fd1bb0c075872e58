package certfile

import (
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// readBags reads SafeContents, RFC 7292 section 4.2.
func (b *bags) readBags(octets []byte, depth int) error {
	if depth > maxNesting {
		return &LimitError{At: b.at, What: "safes in one another", Limit: maxNesting}
	}
	der, err := b.der(octets, b.at)
	if err != nil {
		return err
	}
	outer := cryptobyte.String(der)
	var list cryptobyte.String
	if !outer.ReadASN1(&list, cbasn1.SEQUENCE) || !outer.Empty() {
		return b.damaged("a safe")
	}
	for !list.Empty() {
		b.at.Item++
		if err := b.count(b.at); err != nil {
			return err
		}
		var bag, value, attributes cryptobyte.String
		var kind asn1.ObjectIdentifier
		var has bool
		if !list.ReadASN1(&bag, cbasn1.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&kind) || !bag.ReadASN1(&value, explicit0) ||
			!bag.ReadOptionalASN1(&attributes, &has, cbasn1.SET) || !bag.Empty() {
			return b.damaged("a bag")
		}
		label, ok := readLabel(attributes)
		if !ok {
			return b.damaged("an attribute of a bag")
		}
		if err := b.readBag(kind, value, label, depth); err != nil {
			return err
		}
	}
	return nil
}

// readBag reads one bag, RFC 7292 section 4.2.1 to 4.2.6.
func (b *bags) readBag(kind asn1.ObjectIdentifier, value []byte, label Label, depth int) error {
	switch kind.String() {
	case "1.2.840.113549.1.12.10.1.1":
		return b.readKey(value, b.at, label)
	case "1.2.840.113549.1.12.10.1.2":
		return b.readShroudedKey(value, label)
	case "1.2.840.113549.1.12.10.1.3":
		der, err := b.boxed(value, "1.2.840.113549.1.9.22.1")
		if err != nil || der == nil {
			return err
		}
		return b.readCertificate(der, b.at, label)
	case "1.2.840.113549.1.12.10.1.4":
		der, err := b.boxed(value, "1.2.840.113549.1.9.23.1")
		if err != nil || der == nil {
			return err
		}
		if structureOf(der) != isCRL {
			return b.damaged("a CRL")
		}
		return b.readCRL(der, b.at)
	case "1.2.840.113549.1.12.10.1.6":
		return b.readBags(value, depth+1)
	}
	return nil // secrets of Java, and what others may have invented: not ours
}

// boxed takes a certificate or a CRL out of its bag. Nil: it is of another kind than X.509.
func (b *bags) boxed(value cryptobyte.String, x509Kind string) ([]byte, error) {
	var s, inner, octets cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !value.ReadASN1(&s, cbasn1.SEQUENCE) || !value.Empty() || !s.ReadASN1ObjectIdentifier(&kind) || !s.ReadASN1(&inner, explicit0) || !s.Empty() {
		return nil, b.damaged("a bag")
	}
	if kind.String() != x509Kind {
		return nil, nil
	}
	if !inner.ReadASN1(&octets, cbasn1.OCTET_STRING) || len(octets) == 0 || !inner.Empty() {
		return nil, b.damaged("a bag")
	}
	return octets, nil
}

func (b *bags) readShroudedKey(value cryptobyte.String, label Label) error {
	var s, ciphertext cryptobyte.String
	var a algorithm
	if !value.ReadASN1(&s, cbasn1.SEQUENCE) || !value.Empty() || !readAlgorithm(&s, &a) || !s.ReadASN1(&ciphertext, cbasn1.OCTET_STRING) || !s.Empty() {
		return b.damaged("an encrypted private key")
	}
	plain, err := b.decrypt(a, ciphertext)
	if err != nil {
		return err
	}
	defer clear(plain)
	return b.readKey(plain, b.at, label)
}

// readLabel reads friendlyName and localKeyId, RFC 2985 section 5.5, and passes over all other attributes. Both are of
// a single value: two that differ are not ok, because whom to believe is a guess.
func readLabel(attributes cryptobyte.String) (label Label, ok bool) {
	for !attributes.Empty() {
		var attribute, values, value cryptobyte.String
		var kind asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&kind) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
			return Label{}, false
		}
		switch {
		case kind.Equal(oidFriendlyName()) && values.ReadASN1(&value, bmpStringTag):
			if len(value)%2 != 0 || !values.Empty() {
				return Label{}, false
			}
			name := visible(string(fromUTF16(value, 0)))
			if label.FriendlyName != "" && label.FriendlyName != name {
				return Label{}, false
			}
			label.FriendlyName = name
		case kind.Equal(oidLocalKeyID()) && values.ReadASN1(&value, cbasn1.OCTET_STRING):
			if !values.Empty() {
				return Label{}, false
			}
			id := hex.EncodeToString(value[:min(len(value), 64)])
			if label.LocalKeyID != "" && label.LocalKeyID != id {
				return Label{}, false
			}
			label.LocalKeyID = id
		}
	}
	return label, true
}

// bmpStringTag is BMPString, ITU-T X.680 section 8.4.
const bmpStringTag = cbasn1.Tag(30)

func oidFriendlyName() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
}
func oidLocalKeyID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21} }

// visible keeps a name that a stranger wrote to one line of what can be seen.
func visible(name string) string {
	return clip(strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(name, "\uFFFD"))))
}
