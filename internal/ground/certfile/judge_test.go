package certfile

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postseal/internal/peers"
)

// TestOpenSSLAgrees damages each form in hundreds of ways and asks OpenSSL. Where one takes what the other refuses, the
// reason must be in a list: [stricter] or [laxer]. CRLs are not here: Read only finds them, package revocation reads them.
func TestOpenSSLAgrees(t *testing.T) {
	t.Parallel()
	p := shared()
	pfx := "pkcs12 -noout -passin pass:" + strings.ReplaceAll(testPassword, " ", "\x00") + " -in"
	for what, tt := range map[string]struct {
		data    []byte
		command string
	}{
		"certificate": {p.leafDER, "x509 -noout -pubkey -inform DER -in"},
		"request":     {p.request, "req -noout -verify -inform DER -in"},
		"key":         {p.keyDER, "pkey -noout -check -inform DER -in"},
		"P7B":         {mustP7B(t), "pkcs7 -print_certs -noout -inform DER -in"},
		"P7B in BER":  {looseP7B(mustP7B(t)), "pkcs7 -print_certs -noout -inform DER -in"},
		"PFX":         {cheapPFX(t), pfx},
		"PFX in BER":  {toBER(cheapPFX(t)), pfx},
		"PEM":         {encodePEM(labelCertificate, p.leafDER), "x509 -noout -pubkey -in"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			peers.Need(t, "openssl")
			files := mutants(tt.data, peers.Scale(100, 1000))
			files["whole"] = tt.data
			dir := writeFiles(t, files)
			both := 0
			for name, data := range files {
				_, ours := Read(name, data, withPassword(testPassword))
				args := []string{"openssl"}
				for word := range strings.FieldsSeq(tt.command) {
					args = append(args, strings.ReplaceAll(word, "\x00", " "))
				}
				theirs := peers.Run(t, peers.Command{Args: append(args, filepath.Join(dir, name)), Dir: dir})
				taken := theirs.Exit == 0 && !strings.Contains(theirs.Stderr, "verify failure") // of which req makes no error
				switch {
				case name == "whole" && (ours != nil || !taken):
					t.Errorf("the whole file: %v; openssl: %d %s", ours, theirs.Exit, theirs.Stderr)
				case ours == nil && taken:
					both++
				case ours == nil && !listed(laxer(), what, theirs.Stderr):
					t.Errorf("%s: we take it, openssl does not: %.600s", name, theirs.Stderr)
				case ours != nil && taken && !listed(stricter(), what, ours.Error()):
					t.Errorf("%s: openssl takes it, we do not, and nobody has said why: %v", name, ours)
				}
			}
			if both == 0 {
				t.Error("nothing is taken by both")
			}
		})
	}
}

// A reason is why the two programs differ. It is recognised by what the one that refuses says.
type reason struct {
	forms string // names of forms, or of the beginning of some
	says  string // a regular expression
}

func listed(reasons []reason, form, says string) bool {
	return slices.ContainsFunc(reasons, func(r reason) bool {
		return slices.ContainsFunc(strings.Split(r.forms, ","), func(f string) bool { return strings.HasPrefix(form, f) }) &&
			regexp.MustCompile(r.says).MatchString(says)
	})
}

// stricter is why we refuse what OpenSSL takes.
func stricter() []reason {
	const parsed = "certificate,PEM,P7B,PFX" // forms that hold certificates, which are parsed whole when they are taken in
	return []reason{
		// A file is one thing: what follows its end is what an attacker, or a broken transfer, has put there.
		{"certificate,request,key,P7B,PFX", `octets follow after its end$`},
		// OpenSSL decodes a public key when it is used; that its point is on the curve (SEC 1 section 3.2.2.1) and its
		// encoding is one point (RFC 5480 section 2.2) decides whether it can be.
		{"P7B,PFX", `P256 point not on curve$|ecdsa: invalid uncompressed public key$|x509: (invalid ECDSA parameters|unsupported elliptic curve|malformed subjectPublicKey|invalid ECDSA public key)$`},
		// RFC 5280 section 4.1.1.2: both algorithm identifiers are the same.
		{parsed, `x509: inner and outer signature algorithm identifiers don't match$`},
		// RFC 5280 section 4.1.2.5: years of UTCTime and GeneralizedTime, in Zulu, with seconds.
		{parsed, `x509: malformed (UTCTime|GeneralizedTime|validity)$|x509: (unsupported time format|failed to parse)`},
		// RFC 5280 section 4.1.2.4, ITU-T X.680 section 41: the characters of a string type.
		{parsed, `x509: invalid RDNSequence(: invalid attribute value: (invalid (PrintableString|NumericString|IA5String|UTF-8 string|BMPString)|unsupported string type.*))?$`},
		// OpenSSL decodes an extension when it is asked for it; what cannot be decoded says nothing that could be held to.
		{parsed, `x509: (invalid|malformed) (authority key identifier|subject key identifier|basic constraints|key usage|extended key usages?|subject alternative names?|extensions?|extension critical field|authority info access|CRL distribution points?|certificate policies|NameConstraints extension)$|x509: SAN (dNSName|rfc822Name|uniformResourceIdentifier) is malformed$|x509: cannot parse (dnsName|IP address|rfc822Name)`},
		// RFC 5280 section 4.2: no extension twice.
		{parsed, `x509: certificate contains duplicate extension`},
		{"request", `x509: certificate request contains duplicate requested extensions$`},
		{parsed, `x509: malformed (issuer|signature|serial number|signature algorithm identifier|version)$|x509: invalid version$|x509: negative serial number$`},
		// RFC 2985 section 5.4.2: the extensions that are asked for are read when the request is.
		{"request", `parsing a request: (asn1: (structure|syntax) error|x509: (invalid|malformed|SAN))`},
		// RFC 5958 section 2 and RFC 5915 section 3: the version, and the public half beside the private one, which OpenSSL
		// computes anew without a word.
		{"key", `unknown EC private key version|its private half does not belong to the public half beside it$`},
		// An unknown type of content is not read, OpenSSL prints its number.
		{"P7B", `PKCS #7 of type OID [0-9.]+ is not supported$`},
		// ITU-T X.690 section 8.7.3: the pieces of an OCTET STRING are OCTET STRINGs.
		{"P7B,PEM,PFX", `an octet string is made of something else$`},
		// RFC 7292 section 4: without a MAC anybody could have exchanged the key. OpenSSL takes the file.
		{"PFX", `has no MAC, so nobody can tell whether it has been changed$`},
		// RFC 7292 section 4: version 3, and nothing but what is defined. OpenSSL does not look at the version.
		{"PFX", `the PFX file is damaged$`},
		// Work that a stranger's file may cost. OpenSSL works for as long as the file says.
		{"PFX,key", `more than \d+ iterations`},
	}
}

// laxer is why we take what OpenSSL refuses.
func laxer() []reason {
	return []reason{
		// The signature of a request is over the DER of its content (RFC 2986 section 4.2). We write BER as DER and verify that;
		// OpenSSL verifies the octets as they stand.
		{"request", `Certificate request self-signature verify failure`},
		// A certificate whose public key is of a kind that we do not know may be an element of somebody's chain.
		{"certificate,PEM", `Error getting public key`},
	}
}
