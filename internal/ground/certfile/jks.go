package certfile

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/asn1"
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/keys"
)

// A JKS file has no standard; this is what Java reads and writes. All numbers are big-endian:
//
//	magic 0xFEEDFEED, version 1 or 2, number of entries, each 4 octets; then for each entry
//	  kind (4), alias (length in 2, modified UTF-8), date (8)
//	  kind 1: EncryptedPrivateKeyInfo (length in 4), number of certificates (4), certificates
//	  kind 2: one certificate
//	  a certificate: in version 2 its type (length in 2), then DER (length in 4)
//	SHA-1 (20) over the password in UTF-16, the words "Mighty Aphrodite" and all before it
const (
	jksKey         = 1
	jksCertificate = 2
	jksWords       = "Mighty Aphrodite"
)

// jksEntry is one entry of a keystore, before its key is opened.
type jksEntry struct {
	alias string
	key   []byte // EncryptedPrivateKeyInfo; nil if there is none
	certs [][]byte
	at    Origin
}

func (r *reader) readJKS(data []byte, at Origin) error {
	entries, digested, err := r.parseJKS(data, at)
	if err != nil {
		return err
	}
	password, err := r.need(at)
	if err != nil {
		return err
	}
	defer password.Wipe()
	encoded := jksPassword(password)
	defer clear(encoded)
	h := sha1.New()
	h.Write(encoded)
	h.Write([]byte(jksWords))
	h.Write(data[:digested])
	if subtle.ConstantTimeCompare(h.Sum(nil), data[digested:]) != 1 {
		return &PasswordError{At: at}
	}
	r.opened(at, PasswordGiven)
	for _, e := range entries {
		label := Label{FriendlyName: visible(e.alias)}
		if e.key != nil {
			if err := r.readJKSKey(e, encoded, label); err != nil {
				return err
			}
		}
		for _, der := range e.certs {
			if err := r.readCertificate(der, e.at, label); err != nil {
				return err
			}
			label = Label{} // the alias is that of the first certificate of a chain
		}
	}
	return nil
}

// jksPassword encodes a password as Java does: each character in two octets, without a NUL at the end.
func jksPassword(password keys.Secret) []byte { return bmpString(string(password.Bytes()), false) }

// parseJKS reads the structure and returns where the digest begins.
func (r *reader) parseJKS(data []byte, at Origin) (entries []jksEntry, digested int, err error) {
	cut := formatErrorf(at, "the JKS file is cut off or damaged")
	c := &cursor{rest: data[4:]} // after the magic
	version, n := c.uint32(), c.uint32()
	if c.short {
		return nil, 0, cut
	}
	if version != 1 && version != 2 {
		return nil, 0, formatErrorf(at, "a JKS file of version %d", version)
	}
	for range n {
		at.Item++
		if err := r.count(at); err != nil {
			return nil, 0, err
		}
		e := jksEntry{at: at}
		kind := c.uint32()
		e.alias = string(c.bytes(int(c.uint16()))) // modified UTF-8 is the same but for NUL and surrogates
		c.bytes(8)
		certs := uint32(1)
		switch {
		case c.short:
			return nil, 0, cut
		case kind == jksKey:
			e.key = c.bytes(int(c.uint32()))
			certs = c.uint32()
		case kind != jksCertificate:
			return nil, 0, formatErrorf(at, "a JKS entry of kind %d", kind)
		}
		for range certs {
			if version == 2 {
				c.bytes(int(c.uint16()))
			}
			e.certs = append(e.certs, c.bytes(int(c.uint32())))
			if c.short {
				return nil, 0, cut
			}
			if err := r.count(at); err != nil {
				return nil, 0, err
			}
		}
		entries = append(entries, e)
	}
	if c.short || len(c.rest) != sha1.Size {
		return nil, 0, cut
	}
	return entries, len(data) - sha1.Size, nil
}

// cursor takes from the front of octets. After the first that are missing it is short and gives nothing.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) bytes(n int) []byte {
	if c.short || n < 0 || n > len(c.rest) {
		c.short = true
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) uint16() uint16 {
	if b := c.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// readJKSKey opens a key with the password of the file, and else with one of its own.
func (r *reader) readJKSKey(e jksEntry, password []byte, label Label) error {
	sealed, err := r.der(e.key, e.at)
	if err != nil {
		return err
	}
	outer := cryptobyte.String(sealed)
	var s, octets cryptobyte.String
	var a algorithm
	if !outer.ReadASN1(&s, cbasn1.SEQUENCE) || !readAlgorithm(&s, &a) || !s.ReadASN1(&octets, cbasn1.OCTET_STRING) {
		return formatErrorf(e.at, "the encrypted private key is damaged")
	}
	if !a.oid.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}) {
		return &UnsupportedError{At: e.at, What: "a JKS key under " + nameOf(a.oid)}
	}
	plain, err := r.openJKSKey(octets, password, e.at)
	if err != nil {
		return err
	}
	if plain == nil {
		own, err := r.password(e.at.String() + ", the key " + visible(e.alias))
		if err != nil {
			return err
		}
		defer own.Wipe()
		encoded := jksPassword(own)
		defer clear(encoded)
		if plain, err = r.openJKSKey(octets, encoded, e.at); err != nil {
			return err
		}
		if plain == nil {
			return &PasswordError{At: e.at}
		}
	}
	defer clear(plain)
	return r.readKey(plain, e.at, label)
}

// openJKSKey undoes Java's own encryption: 20 octets of salt, the key XORed with a chain of SHA-1 over password and the
// link before, and SHA-1 over password and key. Nil: the password is wrong. Who wrote the file says how long the key is,
// and each link goes over the whole password, so both are paid for as iterations are.
func (r *reader) openJKSKey(octets, password []byte, at Origin) ([]byte, error) {
	if len(octets) < 2*sha1.Size {
		return nil, nil
	}
	links, each := int64(len(octets)/sha1.Size), int64((len(password)+sha1.Size)/sha1.BlockSize+1)
	if err := r.spend(links*each, at); err != nil {
		return nil, err
	}
	link, sealed, check := octets[:sha1.Size], octets[sha1.Size:len(octets)-sha1.Size], octets[len(octets)-sha1.Size:]
	plain := make([]byte, len(sealed))
	for i := range sealed {
		if i%sha1.Size == 0 {
			next := sha1.Sum(append(bytes.Clone(password), link...))
			link = next[:]
		}
		plain[i] = sealed[i] ^ link[i%sha1.Size]
	}
	sum := sha1.Sum(append(bytes.Clone(password), plain...))
	if subtle.ConstantTimeCompare(sum[:], check) != 1 {
		return nil, nil
	}
	return plain, nil
}
