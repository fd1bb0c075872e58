package x509cert

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxCertificateBytes bounds a certificate in DER. Real ones have one or two thousand octets.
const MaxCertificateBytes = 64 << 10

// ErrCertificateTooLong says that a certificate is longer than [MaxCertificateBytes].
var ErrCertificateTooLong = errors.New("longer than 64 KiB")

// ParseCertificate reads one certificate in DER, with nothing after it. It refuses what is too long with
// [ErrCertificateTooLong] before it looks at it. What it returns is never changed by anybody: der must not be either.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > MaxCertificateBytes {
		return nil, fmt.Errorf("parsing a certificate of %d octets: %w", len(der), ErrCertificateTooLong)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		var relativeErr error
		if cert, relativeErr = parseRelative(der); relativeErr != nil {
			return nil, fmt.Errorf("parsing a certificate: %w", err)
		}
	}
	if !wellFormed(der) {
		return nil, fmt.Errorf("parsing a certificate: %w", errStructure)
	}
	return cert, nil
}

// Facts are what a certificate says of itself, in the words of "A certificate in JSON" (spec/cli.md). They are claims:
// nothing but SelfSigned has been verified. All texts are valid UTF-8 without control characters.
type Facts struct {
	Thumbprint string    `json:"thumbprint"` // SHA-1 of the DER, 40 hex digits in upper case
	SHA256     string    `json:"sha256"`     // SHA-256 of the DER, 64 hex digits in lower case
	Subject    string    `json:"subject"`    // RFC 4514 text
	Issuer     string    `json:"issuer"`     // RFC 4514 text
	Serial     string    `json:"serial"`     // whole octets in lower-case hex, as openssl x509 -serial prints them, without the sign octet
	NotBefore  time.Time `json:"notBefore"`  // UTC
	NotAfter   time.Time `json:"notAfter"`   // UTC
	// Names are the DNS names, IP addresses and email addresses of subjectAltName in its order. Without that extension
	// they are the common name, if it can be the name of a host. Never nil.
	Names   []string `json:"names"`
	KeyType string   `json:"keyType"` // see KeyType
	// Usages are the extended key usages, see Usages. Never nil.
	Usages []string `json:"usages"`
	// SelfSigned means that issuer and subject are the same octets, and that the certificate's own key made its
	// signature. Whose issuer is merely called the same is not self-signed.
	SelfSigned bool `json:"selfSigned"`
}

// Inspect tells the facts of a certificate that came from [ParseCertificate].
func Inspect(cert *x509.Certificate) Facts {
	fingerprint := sha256.Sum256(cert.Raw)
	return Facts{
		Thumbprint: Thumbprint(cert.Raw),
		SHA256:     hex.EncodeToString(fingerprint[:]),
		Subject:    textOr(cert.RawSubject, cert.Subject.String()),
		Issuer:     textOr(cert.RawIssuer, cert.Issuer.String()),
		Serial:     serialText(cert.SerialNumber),
		NotBefore:  cert.NotBefore.UTC(),
		NotAfter:   cert.NotAfter.UTC(),
		Names:      NamesIn(cert),
		KeyType:    keyTypeOf(cert),
		Usages:     Usages(cert),
		SelfSigned: selfSigned(cert),
	}
}

// Clone returns a copy that shares nothing which could be changed.
func (f Facts) Clone() Facts {
	f.Names, f.Usages = slices.Clone(f.Names), slices.Clone(f.Usages)
	return f
}

// textOr prints a name from its DER, because [pkix.Name] has lost its order. crypto/x509 reads some that encoding/asn1
// does not; then its own text has to do.
func textOr(der []byte, fallback string) string {
	if text, ok := nameText(der); ok {
		return text
	}
	return visible(fallback)
}

// serialText prints whole octets: 0a, not a. Comparing with the output of openssl is what people do with it.
func serialText(serial *big.Int) string {
	if serial == nil {
		return ""
	}
	octets := serial.Bytes()
	if len(octets) == 0 {
		octets = []byte{0}
	}
	text := hex.EncodeToString(octets)
	if serial.Sign() < 0 {
		return "-" + text
	}
	return text
}

// maxVerifyRSABits is the largest RSA key that we verify a signature with. A modulus of 60 KiB would keep a processor
// busy for seconds, and crypto/tls refuses keys above 8192 bits anyway.
const maxVerifyRSABits = 16384

func selfSigned(cert *x509.Certificate) bool {
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return false
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxVerifyRSABits {
		return false
	}
	// Not CheckSignatureFrom: that one wants a CA, and a self-signed end entity is none.
	return cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

// Tags of GeneralName, RFC 5280 section 4.2.1.6.
const (
	tagEmail = 1
	tagDNS   = 2
	tagIP    = 7
)

// NamesIn are the names of a certificate as [Facts] has them. It reads subjectAltName itself, because crypto/x509 sorts
// the names by kind and so loses their order.
func NamesIn(cert *x509.Certificate) []string {
	names := []string{}
	extended := false
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal(oidSubjectAltName) {
			continue
		}
		extended = true
		var general []asn1.RawValue
		if rest, err := asn1.Unmarshal(extension.Value, &general); err != nil || len(rest) > 0 {
			continue
		}
		for _, name := range general {
			if text, ok := generalName(name); ok {
				names = append(names, text)
			}
		}
	}
	if extended {
		return names
	}
	// RFC 6125 section 6.4.4: the common name is looked at only if there is no such extension.
	if name := commonNameOf(cert); name != "" {
		names = append(names, name)
	}
	return names
}

func generalName(name asn1.RawValue) (string, bool) {
	if name.Class != asn1.ClassContextSpecific || name.IsCompound {
		return "", false
	}
	switch name.Tag {
	case tagDNS, tagEmail:
		return visible(string(name.Bytes)), true
	case tagIP:
		ip, ok := netip.AddrFromSlice(name.Bytes)
		return ip.Unmap().String(), ok
	}
	return "", false
}

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// visible writes octets that are no visible text as \xNN, so that a foreign certificate cannot move the cursor of the
// terminal that shows it.
func visible(s string) string {
	clean := true
	for _, r := range s {
		clean = clean && !unseen(r) && r != '\uFFFD'
	}
	if clean {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
