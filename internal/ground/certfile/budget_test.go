package certfile

import (
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postseal/internal/ground/keys"
)

// TestFilesShareABudget: one request brought twenty files of ten seconds each.
func TestFilesShareABudget(t *testing.T) {
	t.Parallel()
	cheap, b := cheapPFX(t), new(Budget)
	o := withPassword(testPassword)
	o.Budget = b
	for n := int64(1); n <= 2; n++ {
		before := b.spent
		if _, err := Read("mail.pfx", cheap, o); err != nil {
			t.Fatal(err)
		}
		if b.spent <= before {
			t.Errorf("file %d cost %d iterations of the budget", n, b.spent-before)
		}
	}
	if b.certificates != 2*len(mustRead(t, "mail.pfx", cheap, withPassword(testPassword)).Certificates) || b.keys != 2 {
		t.Errorf("two files have %d certificates and %d keys", b.certificates, b.keys)
	}
	for what, full := range map[string]*Budget{"certificates": {certificates: maxAllCertificates}, "private keys": {keys: maxAllKeys}} {
		o.Budget = full
		if _, err := Read("mail.pfx", cheap, o); !isLimit(err) || !strings.Contains(err.Error(), what+" in all files") {
			t.Errorf("got %v, want a LimitError of %s", err, what)
		}
	}
	o.Budget = b
	b.spent = maxAllIterations - 1
	_, err := Read("mail.pfx", cheap, o)
	if !isLimit(err) || !strings.Contains(err.Error(), "mail.pfx") {
		t.Errorf("got %v, want a LimitError that names the file", err)
	}
	if _, err := Read("mail.pfx", cheap, withPassword(testPassword)); err != nil {
		t.Errorf("a file of its own: %v", err)
	}
}

// TestPasswordsAreBounded: a PFX of ten thousand bags goes over its password for each of them.
func TestPasswordsAreBounded(t *testing.T) {
	t.Parallel()
	if _, err := Read("mail.pfx", cheapPFX(t), withPassword(strings.Repeat("x", maxPasswordBytes+1))); !isLimit(err) {
		t.Errorf("got %v, want a LimitError", err)
	}
	if _, err := Read("mail.pfx", cheapPFX(t), withPassword(strings.Repeat("x", maxPasswordBytes))); isLimit(err) {
		t.Errorf("got %v for a password of %d octets", err, maxPasswordBytes)
	}
}

// TestALongKeyOfAJKSIsRefused: each 20 octets of it cost a hash over the whole password, and both were the sender's
// choice.
func TestALongKeyOfAJKSIsRefused(t *testing.T) {
	t.Parallel()
	password := strings.Repeat("x", maxPasswordBytes)
	var sealed cryptobyte.Builder
	sealed.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
		s.AddASN1(cbasn1.SEQUENCE, func(s *cryptobyte.Builder) {
			s.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1})
			s.AddASN1NULL()
		})
		s.AddASN1OctetString(make([]byte, 2<<20))
	})
	key := sealed.BytesOrPanic()
	data := []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, jksKey, 0, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 0}
	data = append(binary.BigEndian.AppendUint32(data, uint32(len(key))), key...)
	data = append(data, 0, 0, 0, 0) // no certificates
	h := sha1.New()
	h.Write(jksPassword(keys.NewSecret(password)))
	h.Write([]byte(jksWords))
	h.Write(data)
	if _, err := Read("store.jks", h.Sum(data), withPassword(password)); !isLimit(err) {
		t.Errorf("got %v, want a LimitError", err)
	}
}
