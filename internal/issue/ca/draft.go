package ca

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// Backdate is how far back certificates begin: a client whose clock is a little behind would refuse one that begins now.
// Five minutes is the difference that Kerberos allows (RFC 4120 section 8.2).
const Backdate = 5 * time.Minute

// RevocationDate is what a list or an answer of OCSP says of what was revoked at a time. A list begins before it was made,
// as a certificate does, and names nothing that was revoked later than it begins (RFC 5280 section 5.1.2.4: thisUpdate is
// the date of the list), so this date is as far back, and a minute more for what is revoked while a list is being made.
func RevocationDate(at time.Time) time.Time { return at.Add(-Backdate - time.Minute) }

// Request is what somebody asks an authority for. Who he is, and that he may, is established.
type Request struct {
	// PublicKey is certified; the requester has proved that he holds its private half.
	PublicKey crypto.PublicKey
	// Names are domains, wildcards, addresses of the Internet and of e-mail, in the order in which they are written.
	Names []string
	// Subject is taken only by profiles that say so. Its common name must be a name of the certificate if it looks like
	// one.
	Subject pkix.Name
	// Life, if not zero, is shorter than the profile's.
	Life time.Duration
	// CRL is the http address of the list that will name the certificate if it is revoked. Empty: it names none.
	CRL string
}

// Draft is a certificate that was decided and linted, and not signed. Only [Issuer.Draft] makes one.
type Draft struct {
	Serial    string // lower-case hex, 32 digits
	Profile   string
	Names     []string // as they stand in the certificate
	Subject   string   // RFC 4514 text
	NotBefore time.Time
	NotAfter  time.Time
	KeyID     string // SHA-256 of the SubjectPublicKeyInfo, lower-case hex
	TBS       []byte // the octets to be signed

	issuer *Issuer
	read   *x509.Certificate // as the lints have read TBS; nil for a draft from the book
}

// KeyError says that a public key is not certified, and why.
type KeyError struct {
	KeyType string // the label of x509cert.KeyType
	Reason  string
}

// Error names the key's type first.
func (e *KeyError) Error() string { return fmt.Sprintf("key of type %s: %s", e.KeyType, e.Reason) }

// LifeError says that a life is not to be had.
type LifeError struct{ Reason string }

// Error says why.
func (e *LifeError) Error() string { return "life: " + e.Reason }

// ClockError says that an authority has not begun yet by the clock: it was set back, and what would be issued would have
// ended before its time when the clock is right again.
type ClockError struct{ Now, Begins time.Time }

// Error says what the clock says.
func (e *ClockError) Error() string {
	return fmt.Sprintf("the clock says %s, and the authority begins at %s: the clock was set back", e.Now.UTC().Format(time.RFC3339), e.Begins.UTC().Format(time.RFC3339))
}

// Draft decides (step 1) and writes (step 2) what a request for a profile gets at the time now. What may not be
// certified is a [*NameError], a [*KeyError], a [*LifeError] or an *x509cert.InvalidNameError or InvalidSubjectError; a
// [*ClockError] is a fault of the machine's, and a [*LintError] one of ours.
func (i *Issuer) Draft(p *Profile, r Request, now time.Time) (*Draft, error) {
	// 1 decide
	if p.o.Purpose != i.purpose {
		return nil, fmt.Errorf("profile %s belongs to the authority of %s, not of %s: %w", p.o.Name, p.o.Purpose, i.purpose, ErrIssuer)
	}
	if now.Before(i.cert.NotBefore) {
		return nil, &ClockError{Now: now, Begins: i.cert.NotBefore}
	}
	names, err := parseNames(r.Names)
	if err != nil {
		return nil, err
	}
	if err := p.checkNames(names); err != nil {
		return nil, err
	}
	if err := i.checkNames(names); err != nil {
		return nil, err
	}
	if err := p.checkKey(r.PublicKey, i); err != nil {
		return nil, err
	}
	subject, err := p.subject(r.Subject, names)
	if err != nil {
		return nil, err
	}
	notBefore := now.UTC().Truncate(time.Second).Add(-Backdate)
	notAfter, err := p.notAfter(r.Life, notBefore, i.cert.NotAfter)
	if err != nil {
		return nil, err
	}

	// 2 draft
	b := body{serial: newSerial(notBefore), signature: i.algorithm.Identifier, issuer: i.cert.RawSubject, notBefore: notBefore, notAfter: notAfter}
	if b.subject, err = asn1.Marshal(subject.ToRDNSequence()); err != nil {
		return nil, fmt.Errorf("encoding the subject: %w", err)
	}
	var keyID []byte
	if b.publicKey, keyID, err = publicKeyInfo(r.PublicKey); err != nil {
		return nil, err
	}
	if b.extensions, err = i.extensions(p, r, names, keyID); err != nil {
		return nil, err
	}
	tbs, err := b.encode()
	if err != nil {
		return nil, err
	}
	d := &Draft{Serial: hex.EncodeToString(b.serial.Bytes()), Profile: p.o.Name, Subject: x509cert.SubjectText(subject), NotBefore: notBefore, NotAfter: notAfter,
		KeyID: sum256(b.publicKey), TBS: tbs, issuer: i}
	for _, n := range names {
		d.Names = append(d.Names, n.text)
	}
	d.read, err = i.lint(tbs, expectation{names: names, usages: p.o.Usages, keyUsage: p.o.KeyUse.keyUsage(r.PublicKey), noRevocation: p.o.NoRevocation, crl: r.CRL})
	return d, err
}

// extensions are those of an end entity, RFC 5280 section 4.2.
func (i *Issuer) extensions(p *Profile, r Request, names []name, keyID []byte) ([]extension, error) {
	usages, err := extKeyUsage(p.o.Usages)
	if err != nil {
		return nil, err
	}
	list := []extension{
		{ce(arcAuthorityKeyID), false, authorityKeyID(i.keyID)},
		{ce(arcSubjectKeyID), false, build(func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyID) })},
		{ce(arcKeyUsage), true, keyUsageBits(p.o.KeyUse.keyUsage(r.PublicKey))},
		{ce(arcExtKeyUsage), false, usages},
		// Critical if and only if there is no subject, RFC 5280 section 4.2.1.6.
		{ce(arcSubjectAltName), emptySubject(p, r, names), generalNames(names)},
		{ce(arcBasicConstraints), true, basicConstraints(false, -1)},
	}
	if len(p.o.Policies) > 0 {
		value, err := policies(p.o.Policies)
		if err != nil {
			return nil, err
		}
		list = append(list, extension{ce(arcPolicies), false, value})
	}
	if p.o.NoRevocation {
		// RFC 9608 section 2: not critical, NULL; section 3: no address of a list or a responder beside it.
		list = append(list, extension{ce(arcNoRevocation), false, []byte{5, 0}})
		return list, nil
	}
	if r.CRL != "" {
		list = append(list, extension{ce(arcCRLPoints), false, crlPoint(r.CRL)})
	}
	if i.access != nil {
		list = append(list, extension{oidAuthorityInfo(), false, i.access})
	}
	return list, nil
}

func emptySubject(p *Profile, r Request, names []name) bool {
	subject, err := p.subject(r.Subject, names)
	return err == nil && len(subject.ToRDNSequence()) == 0
}

// checkKey judges the key of a request. The authority's own is refused: its holder could sign both ways.
func (p *Profile) checkKey(pub crypto.PublicKey, i *Issuer) error {
	kind, err := keys.KindOf(pub)
	if err != nil || !slices.Contains(p.o.Keys, kind) {
		return &KeyError{KeyType: x509cert.KeyType(pub), Reason: fmt.Sprintf("profile %s takes %s", p.o.Name, joined(p.o.Keys))}
	}
	if same, ok := pub.(interface{ Equal(crypto.PublicKey) bool }); ok && same.Equal(i.cert.PublicKey) {
		return &KeyError{KeyType: x509cert.KeyType(pub), Reason: "it is the authority's own"}
	}
	return i.judge.Judge(pub)
}

// subject is that of the certificate: what was asked, if the profile takes it, with the first name as common name if
// there is none; or nothing.
func (p *Profile) subject(asked pkix.Name, names []name) (pkix.Name, error) {
	given := len(asked.ToRDNSequence()) > 0
	switch {
	case given && !p.o.Subject && !onlyCommonName(asked):
		return pkix.Name{}, &NameError{Name: x509cert.SubjectText(asked), Reason: "profile " + p.o.Name + " takes no subject but a common name"}
	case given:
		if err := x509cert.CheckSubject(asked); err != nil {
			return pkix.Name{}, err
		}
		return asked, commonNameIsOurs(asked.CommonName, names, p)
	case p.o.NoCommonName:
		return pkix.Name{}, nil
	}
	const most = 64 // ub-common-name, RFC 5280 appendix A.1
	for _, n := range names {
		if n.kind != kindIP && len(n.text) <= most {
			return pkix.Name{CommonName: n.text}, nil
		}
	}
	return pkix.Name{}, nil
}

// servers reports whether what the profile issues may stand for a server.
func (p *Profile) servers() bool {
	return len(p.o.Usages) == 0 || slices.Contains(p.o.Usages, x509cert.UsageServerAuth) || slices.Contains(p.o.Usages, x509cert.UsageAny)
}

func onlyCommonName(n pkix.Name) bool {
	sequence := n.ToRDNSequence()
	return len(sequence) == 1 && len(sequence[0]) == 1 && n.CommonName != ""
}

// commonNameIsOurs: old clients take a common name for a host, so one that can be a host's must stand among the names,
// which were checked. A person's name is free where the profile lets people give a subject. It may be one word, as Korean
// names are written; that is a host's only where servers are certified, because no client looks for a host in another.
func commonNameIsOurs(commonName string, names []name, p *Profile) error {
	if commonName == "" {
		return nil
	}
	if n, err := parseName(commonName); err == nil {
		if slices.Contains(names, n) || p.o.Subject && !p.servers() && n.kind == kindDNS && !strings.Contains(n.text, ".") {
			return nil
		}
		return &NameError{Name: commonName, Reason: "a common name must be one of the names"}
	}
	if !p.o.Subject {
		return &NameError{Name: commonName, Reason: "a common name must be one of the names"}
	}
	return nil
}

// notAfter is when a certificate ends: the last second of its life, RFC 5280 section 4.1.2.5 counts both ends in. It
// never outlives its authority, or it would fail before its time.
func (p *Profile) notAfter(asked time.Duration, notBefore, issuerEnds time.Time) (time.Time, error) {
	life := p.o.Life
	switch {
	case asked < 0 || asked > life:
		return time.Time{}, &LifeError{Reason: fmt.Sprintf("%v asked, profile %s gives at most %v", asked, p.o.Name, life)}
	case asked > 0:
		life = asked.Truncate(time.Second)
	}
	if life < time.Minute {
		return time.Time{}, &LifeError{Reason: "shorter than a minute"}
	}
	end := notBefore.Add(life - time.Second)
	if end.After(issuerEnds) {
		end = issuerEnds
	}
	if !end.After(notBefore.Add(Backdate)) {
		return time.Time{}, &LifeError{Reason: "the authority itself ends on " + issuerEnds.UTC().Format(time.DateOnly)}
	}
	return end, nil
}
