package certfile

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// Bundle is one certificate for a server with all that came for it.
type Bundle struct {
	Key     *keys.Private // nil if no key came, as in the answer to a request
	KeyFrom Origin

	Leaf     *x509.Certificate
	LeafFrom Origin

	// Chain are the issuers, each after what it has issued, without the leaf and without the root: clients have the
	// root, and believe only their own.
	Chain []*x509.Certificate
	// Root is the self-signed certificate at the end of the chain; nil if it was not there. A self-signed leaf has none.
	Root *x509.Certificate
	// Completed are those of Chain and Root that came from the known issuers and not from the files.
	Completed []*x509.Certificate
	// MissingIssuer is the name (RFC 4514) of the issuer with which the chain stops because nobody has it; empty if it
	// is whole.
	MissingIssuer string

	FriendlyName string // of the key, or else of the certificate
}

// Assembly is what came out of one or several files together.
type Assembly struct {
	Bundles []Bundle // in the order of the files
	// LooseKeys are keys for which no certificate came.
	LooseKeys []Key
	// Extra are certificates that are in no bundle, such as the intermediate of another authority.
	Extra []Certificate
	// Unchecked are certificates of the files whose signature could not be checked.
	Unchecked []Unchecked
}

// Assemble puts together what several files hold. A certificate begins a bundle if its key is there; and if it is not
// that of an authority and issued no other one. Then its chain is followed by name and signature, in whatever order the
// certificates came, and completed from known. A key that belongs to no certificate, while a certificate lies beside it
// without a key, is a [*MismatchError]: the two were meant for each other.
//
// The signature of every certificate of the files is verified with its issuer if that one is in the files, known, or among
// roots, which serve for nothing else; a wrong one is a [*SignatureError].
//
// A bundle without a key is what an authority answers to a request: its caller looks among his own keys for one that
// [keys.Private.Matches]. Whether a chain is to be trusted, or has expired, is not looked at.
func Assemble(inputs []*Contents, known []*x509.Certificate, roots ...*x509.Certificate) (*Assembly, error) {
	certs, privates := merge(inputs)
	a := &Assembly{}
	p := newPaths(certs, known, roots)
	var err error
	if a.Unchecked, err = p.checkSignatures(certs); err != nil {
		return nil, err
	}

	byKey := map[string]int{} // the first key for each public key
	for i, k := range privates {
		byKey[publicID(k.Private.Public())] = i
	}
	used := map[int]bool{}
	inBundle := map[string]bool{}
	var alone []Certificate // without a key, and nobody's issuer
	for _, c := range certs {
		i, hasKey := byKey[publicID(c.PublicKey)]
		if !hasKey && (c.IsCA || p.issued(c.Certificate)) {
			continue
		}
		b := Bundle{Leaf: c.Certificate, LeafFrom: c.From, FriendlyName: c.FriendlyName}
		if hasKey {
			used[i] = true
			b.Key, b.KeyFrom = privates[i].Private, privates[i].From
			if name := privates[i].FriendlyName; name != "" {
				b.FriendlyName = name
			}
		} else {
			alone = append(alone, c)
		}
		a.Bundles = append(a.Bundles, b)
	}
	for i, k := range privates {
		if used[i] {
			continue
		}
		if c, ok := claimed(k, certs, alone); ok {
			return nil, &MismatchError{Key: k.From, Certificate: c.From}
		}
		a.LooseKeys = append(a.LooseKeys, k)
	}
	for i := range a.Bundles {
		b := &a.Bundles[i]
		p.complete(b)
		for _, c := range slices.Concat([]*x509.Certificate{b.Leaf, b.Root}, b.Chain) {
			if c != nil {
				inBundle[string(c.Raw)] = true
			}
		}
	}
	for _, c := range certs {
		if !inBundle[string(c.Raw)] {
			a.Extra = append(a.Extra, c)
		}
	}
	return a, nil
}

// claimed finds the certificate that was meant for a key that fits none: the one with the same local key id, or any
// that has no key.
func claimed(k Key, certs, alone []Certificate) (Certificate, bool) {
	if k.LocalKeyID != "" {
		for _, c := range certs {
			if c.LocalKeyID == k.LocalKeyID && c.From.File == k.From.File && c.From.Member == k.From.Member {
				return c, true
			}
		}
	}
	if len(alone) > 0 {
		return alone[0], true
	}
	return Certificate{}, false
}

// merge lists what the inputs hold, each certificate and each key once.
func merge(inputs []*Contents) (certs []Certificate, privates []Key) {
	seen := map[string]bool{}
	for _, in := range inputs {
		for _, c := range in.Certificates {
			if !seen[string(c.Raw)] {
				seen[string(c.Raw)] = true
				certs = append(certs, c)
			}
		}
		for _, k := range in.Keys {
			if id := "key " + publicID(k.Private.Public()); !seen[id] {
				seen[id] = true
				privates = append(privates, k)
			}
		}
	}
	return certs, privates
}

// publicID tells public keys apart. Empty for one that crypto/x509 does not know; nothing we hold matches it.
func publicID(pub any) string {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// issuerText is the issuer of a certificate for people.
func issuerText(c *x509.Certificate) string { return x509cert.SubjectText(c.Issuer) }
