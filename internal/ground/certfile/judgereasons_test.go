package certfile

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"postseal/internal/ground/keys"
	"postseal/internal/peers"
)

// says recognises an error by what crypto/x509 or we say; crypto/x509 has no types for it.
func says(texts ...string) func(error) bool {
	return func(err error) bool {
		for _, text := range texts {
			if strings.Contains(err.Error(), text) {
				return true
			}
		}
		return false
	}
}

func behindItsEnd() peers.Difference {
	return peers.Difference{Name: "octets behind its end", Why: "of two files in one, the second would be lost without a word", Refused: says("octets follow after its end")}
}

// ofCertificates are the reasons that each form with certificates in it shares. Nothing in a certificate is guessed: what it
// says decides who is trusted, and two readers must not read two things.
func ofCertificates() []peers.Difference {
	return []peers.Difference{
		{Name: "an extension twice", Why: "which of the two counts, would be a guess", RFC: "RFC 5280 section 4.2", Refused: says("certificate contains duplicate extension")},
		{Name: "a malformed keyUsage", Why: "OpenSSL looks at it when it verifies, we when we read", RFC: "RFC 5280 section 4.2.1.3", Refused: says("invalid key usage")},
		{Name: "a malformed extendedKeyUsage", Why: "as keyUsage", RFC: "RFC 5280 section 4.2.1.12", Refused: says("invalid extended key usages")},
		{Name: "a malformed basicConstraints", Why: "as keyUsage", RFC: "RFC 5280 section 4.2.1.9", Refused: says("invalid basic constraints")},
		{Name: "a malformed nameConstraints", Why: "as keyUsage; one that is empty constrains nothing and means something", RFC: "RFC 5280 section 4.2.1.10",
			Refused: says("invalid NameConstraints extension", "empty name constraints extension", "failed to parse dnsName constraint", "invalid constraint value")},
		{Name: "a malformed subjectAltName", Why: "as keyUsage", RFC: "RFC 5280 section 4.2.1.6", Refused: says("invalid subject alternative name", "SAN dNSName is malformed")},
		{Name: "a malformed certificatePolicies", Why: "as keyUsage", RFC: "RFC 5280 section 4.2.1.4", Refused: says("invalid certificate policies")},
		{Name: "a malformed cRLDistributionPoints", Why: "as keyUsage", RFC: "RFC 5280 section 4.2.1.13", Refused: says("invalid CRL distribution point")},
		{Name: "a malformed authorityInfoAccess", Why: "as keyUsage", RFC: "RFC 5280 section 4.2.2.1", Refused: says("invalid authority info access")},
		{Name: "a malformed key identifier", Why: "as keyUsage", RFC: "RFC 5280 section 4.2.1.2", Refused: says("invalid subject key identifier")},
		{Name: "a truth that is neither yes nor no", Why: "DER has one octet for each", RFC: "RFC 5280 section 4.2", Refused: says("malformed extension critical field")},
		{Name: "a time that is none", Why: "month 13, or a time without seconds, which two readers read in two ways", RFC: "RFC 5280 section 4.1.2.5", Refused: says("malformed UTCTime", "malformed GeneralizedTime")},
		{Name: "two signature algorithms", Why: "the one inside is signed, the one outside is used", RFC: "RFC 5280 section 4.1.1.2", Refused: says("inner and outer signature algorithm identifiers don't match")},
		{Name: "a malformed name", Why: "other characters than its type has, or none of the types: who compares names must read the same", RFC: "RFC 5280 section 4.1.2.4", Refused: says("invalid RDNSequence")},
		{Name: "a signature of another number of bits", Why: "signatures are whole octets", RFC: "RFC 5280 section 4.1.1.3", Refused: says("malformed signature")},
		{Name: "a structure that says it has no parts", Why: "OpenSSL does not look at this bit", RFC: "RFC 5280 section 4.1", Refused: says("malformed issuer")},
		{Name: "a negative serial number", Why: "a number that one program shows as another", RFC: "RFC 5280 section 4.1.2.2", Refused: says("negative serial number")},
	}
}

// unread are the parts of a certificate that OpenSSL and Java decode only when they use them.
func unread() []peers.Difference {
	return []peers.Difference{
		{Name: "a public key that is no point of its curve", Why: "OpenSSL and Java look at the key of a certificate in a bundle when they use it", RFC: "RFC 5480 section 2.2",
			Refused: says("point not on curve", "point encoding", "invalid uncompressed public key")},
		{Name: "a curve that we do not know", Why: "nobody here could verify its signatures, and half a chain is no chain", RFC: "RFC 5480 section 2.1.1", Refused: says("unsupported elliptic curve", "invalid ECDSA parameters")},
		{Name: "a version that does not exist", Why: "what it would mean, nobody has said", RFC: "RFC 5280 section 4.1.2.1", Refused: says("malformed version", "invalid version")},
		{Name: "malformed extensions of policies", Why: "as certificatePolicies", RFC: "RFC 5280 section 4.2.1.5", Refused: says("invalid policy mappings extension")},
		badPieces(),
	}
}

// badPieces is for forms that may be in BER.
func badPieces() peers.Difference {
	return peers.Difference{Name: "an octet string made of something else", Why: "ITU-T X.690 section 8.7.3.2: the pieces of an octet string are octet strings",
		Refused: says("an octet string is made of something else")}
}

// unknownKey is a certificate for a key that nobody can use, which may stand in a chain beside others.
func unknownKey() peers.Difference {
	return peers.Difference{Name: "a key of an algorithm that nobody knows", Why: "it is shown as such, serves nobody, and must not keep the others in the file from being read", Taken: func(f peers.Mutant) bool {
		c, err := cheapRead(f.Data)
		return err == nil && len(c.Certificates) > 0 && c.Certificates[0].PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm
	}}
}

func ofRequests() []peers.Difference {
	return []peers.Difference{
		{Name: "a request without attributes", Why: "the field may be empty and not absent", RFC: "RFC 2986 section 4.1", Refused: says("asn1: syntax error: sequence truncated")},
		{Name: "a signature over something else than DER", Why: "what is signed is the DER encoding, whatever came", RFC: "RFC 2986 section 4.2", Refused: says("verifying a request: x509: ECDSA verification failure")},
		{Name: "requested extensions that cannot be read", Why: "OpenSSL passes over them, and the names that were asked for are lost", RFC: "RFC 2985 section 5.4.2",
			Refused: says("it is cut off", "tags don't match", "sequence tag mismatch", "zero length OBJECT IDENTIFIER", "an element too many")},
		{Name: "an extension requested twice", Why: "which of the two counts, would be a guess", RFC: "RFC 5280 section 4.2", Refused: says("duplicate requested extensions")},
		{Name: "a subject with other characters than its type has", Why: "as in certificates", RFC: "RFC 5280 section 4.1.2.4", Refused: says("PrintableString contains invalid character", "NumericString contains invalid character")},
		{Name: "requested names that are malformed", Why: "as in certificates", RFC: "RFC 5280 section 4.2.1.6", Refused: says("invalid subject alternative name", "SAN dNSName is malformed")},
		{Name: "a public key in the hybrid form", Why: "it must not be used", RFC: "RFC 5480 section 2.2", Refused: says("invalid uncompressed public key")},
	}
}

func aroundRequests() []peers.Difference {
	return []peers.Difference{
		behindItsEnd(),
		{Name: "a signature of an algorithm that we do not know", Why: "it cannot be verified, and a request is worth its signature", RFC: "RFC 2986 section 3", Refused: says("algorithm unimplemented")},
		{Name: "a request in BER, signed as DER", Why: "what is signed is the DER encoding; OpenSSL verifies the octets that came", RFC: "RFC 2986 section 4.2", Taken: func(f peers.Mutant) bool {
			return strings.Contains(f.Name, "has an indefinite length") || strings.Contains(f.Name, "has a length that is too long") || strings.HasSuffix(f.Name, "is in pieces")
		}},
	}
}

// rare are reasons that only many files need.
func rare() []peers.Difference {
	return []peers.Difference{
		badPieces(),
		{Name: "a private key with something behind it", Why: "as in a file of its own", RFC: "RFC 5958 section 2", Refused: says("an element too many")},
		{Name: "a PFX of another version", Why: "OpenSSL does not look at it; there is one version of it in use", RFC: "RFC 7292 section 4", Refused: says("the PFX file is damaged")},
		{Name: "a frame without its mark", Why: "a SEQUENCE or SET that says that it has no parts, or none where one must be", Refused: says("a structure that is neither", "in the PFX file is damaged", "PKCS #7 is damaged", "malformed extension")},
		{Name: "white space in base64", Why: "OpenSSL knows no vertical tab and no form feed", RFC: "RFC 7468 section 3", Taken: func(f peers.Mutant) bool {
			return bytes.ContainsAny(f.Data, "\v\f") && bytes.HasPrefix(f.Data, []byte("-----"))
		}},
		{Name: "other kinds of certificates in a P7B", Why: "they are passed over, as the standard has it", RFC: "RFC 5652 section 10.2.2", Taken: func(f peers.Mutant) bool { return strings.Contains(f.Name, "(tag 0xa0) has a NULL at its end") }},
		{Name: "frames in BER", Why: "a PFX or P7B may be in BER, with longer lengths than it needs, and a NULL beside a hash says nothing", RFC: "RFC 7292 section 4", Taken: func(f peers.Mutant) bool {
			return strings.Contains(f.Name, "has a length that is too long") || strings.HasPrefix(f.Name, "element 18 ")
		}},
	}
}

func isWeak(err error) bool {
	_, weak := errors.AsType[*keys.WeakKeyError](err)
	return weak
}

func ofKeys() []peers.Difference {
	return []peers.Difference{
		{Name: "a private key beside another public key", Why: "OpenSSL computes the public half anew; one octet damaged makes another key of it", RFC: "RFC 5915 section 3", Refused: isWeak},
		{Name: "a private key with something behind it", Why: "a second public key would be taken without a word", RFC: "RFC 5958 section 2", Refused: says("an element too many")},
		{Name: "a private key of another version", Why: "there is one version of it", RFC: "RFC 5915 section 3", Refused: says("unknown EC private key version")},
		keyInside(),
	}
}

func keyInside() peers.Difference {
	return peers.Difference{Name: "a private key that is no DER", Why: "the key inside is in DER; no program is known to write it otherwise", RFC: "RFC 5915 section 3", Refused: says("failed to parse EC private key: asn1:")}
}

func twoValues() peers.Difference {
	return peers.Difference{Name: "two values of an attribute that has one", Why: "OpenSSL takes the first; which of them is meant, would be a guess", RFC: "RFC 2985 section 5.5",
		Refused: says("an attribute of a bag in the PFX file is damaged")}
}

func unknownSafe() peers.Difference {
	return peers.Difference{Name: "a safe of a type that we do not know", Why: "OpenSSL passes over it, and with it over the key", RFC: "RFC 7292 section 4.1", Refused: func(err error) bool {
		_, unsupported := errors.AsType[*UnsupportedError](err)
		return unsupported && says("a safe of type")(err)
	}}
}

func inSafes() []peers.Difference {
	return []peers.Difference{
		behindItsEnd(), unknownSafe(), twoValues(), keyInside(),
		{Name: "a private key beside another public key", Why: "as in a file of its own", RFC: "RFC 5915 section 3", Refused: isWeak},
		{Name: "a private key whose public half is empty", Why: "it is half a key", RFC: "RFC 5915 section 3", Refused: says("ecdsa: invalid public key encoding")},
		{Name: "a certificate in BER in a bag", Why: "in a bag it is in DER; in a file of its own it may be in BER", RFC: "RFC 7292 section 4.2.3", Refused: says("malformed tbs certificate", "malformed extension", "malformed validity",
			"malformed version", "malformed parameters", "invalid RDNSequence", "malformed OID", "malformed public key algorithm identifier", "malformed spki", "malformed serial number", "malformed certificate", "trailing data")},
		{Name: "a PFX of nothing but bags that we pass over", Why: "OpenSSL says yes and gives nothing; with nothing in it, a file is of no use", Refused: says("none of its kind in it")},
		{Name: "an attribute of another type", Why: "a friendly name that is no BMPString is passed over like every attribute that we do not know", RFC: "RFC 2985 section 5.5.1", Taken: unlabelled},
	}
}

// unlabelled is a file with a name or an identifier that was not read.
func unlabelled(f peers.Mutant) bool {
	c, err := cheapRead(f.Data)
	return err == nil && len(c.Certificates) == 1 && len(c.Keys) == 1 &&
		(c.Certificates[0].FriendlyName == "" || c.Keys[0].FriendlyName == "" || c.Certificates[0].LocalKeyID == "" || c.Keys[0].LocalKeyID == "")
}

func inEncryptedSafes() []peers.Difference {
	return []peers.Difference{
		behindItsEnd(),
		unknownSafe(), twoValues(),
		{Name: "a PFX of nothing but bags that we pass over", Why: "as above", Refused: says("none of its kind in it")},
		{Name: "an attribute of another type", Why: "as above", RFC: "RFC 2985 section 5.5.1", Taken: unlabelled},
		{Name: "parameters in BER", Why: "a PFX may be in BER; OpenSSL wants the parameters of its hash in DER", RFC: "RFC 7292 section 4", Taken: func(f peers.Mutant) bool { return strings.Contains(f.Name, "has a length that is too long") }},
	}
}

func ofPFX() []peers.Difference {
	return []peers.Difference{
		behindItsEnd(),
		{Name: "a MAC of less than one iteration", Why: "OpenSSL makes one of it", RFC: "RFC 7292 section 4", Refused: says("the MAC of the PFX file is damaged")},
	}
}

func ofPEM() []peers.Difference {
	return []peers.Difference{
		behindItsEnd(),
		{Name: "octets in base64 that are none", Why: "OpenSSL passes over some; a text damaged there is damaged", RFC: "RFC 7468 section 3", Refused: says("is not base64")},
		{Name: "an END without a BEGIN", Why: "OpenSSL reads the first block and looks no further; a text that was cut in two is no whole chain", RFC: "RFC 7468 section 2", Refused: says("an END without a BEGIN before it")},
		{Name: "BEGIN and END without a line of their own", Why: "web forms lose line ends", RFC: "RFC 7468 section 2", Taken: func(f peers.Mutant) bool { return strings.HasSuffix(f.Name, "without its end") }},
	}
}

func ofP7B() []peers.Difference {
	return []peers.Difference{
		behindItsEnd(),
		{Name: "a P7B without certificates", Why: "with nothing in it, a file is of no use", Refused: says("none of its kind in it")},
	}
}

func ofJKS() []peers.Difference {
	return []peers.Difference{
		{Name: "an alias that cannot be read", Why: "it is shown with a mark in its place; keys and certificates are whole", Taken: func(f peers.Mutant) bool {
			entries, _, err := (&reader{contents: &Contents{}}).parseJKS(f.Data, Origin{})
			return err == nil && len(entries) == 1 && !utf8.ValidString(entries[0].alias)
		}},
	}
}

// TestDifferencesAreTold: who wonders why a file is refused finds the reason in docs/deviations.md.
func TestDifferencesAreTold(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/deviations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]peers.Difference{ofCertificates(), unread(), {unknownKey(), badPieces()}, ofRequests(), aroundRequests(), ofKeys(), inSafes(), inEncryptedSafes(), ofPFX(), ofPEM(), ofP7B(), ofJKS(), rare()} {
		for _, d := range list {
			if !strings.Contains(string(text), "| "+d.Name+" |") {
				t.Errorf("docs/deviations.md has no row\n| %s | %s | %s |", d.Name, d.Why, d.RFC)
			}
		}
	}
}
