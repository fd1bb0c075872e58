package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/signed"
)

// IssuerOptions describe an authority that can sign; [NewIssuer] turns them into an Issuer.
type IssuerOptions struct {
	Purpose     Purpose
	Certificate *x509.Certificate
	Signer      crypto.Signer // nil: its key is elsewhere, and it signs nothing here
	// OCSP and Issuers are http addresses that go into each certificate: of the responder, and of this authority's own
	// certificate (RFC 5280 section 4.2.2.1). Empty ones are left out.
	OCSP, Issuers string
}

// Issuer is an authority that can sign. Only [NewIssuer] makes one. It never changes.
type Issuer struct {
	purpose   Purpose
	cert      *x509.Certificate
	signer    crypto.Signer
	algorithm signed.Algorithm
	keyID     []byte
	access    []byte // AuthorityInfoAccess, nil without addresses
	domains   []string
	networks  []netip.Prefix
	judge     *keys.PublicJudge
}

// ErrIssuer says that a certificate and a key cannot be an authority here.
var ErrIssuer = errors.New("not an authority that can issue")

// NewIssuer checks that the certificate is an authority's and that the key belongs to it. The error wraps [ErrIssuer].
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	bad := func(reason string) (*Issuer, error) {
		return nil, fmt.Errorf("authority for %s: %s: %w", o.Purpose, reason, ErrIssuer)
	}
	c := o.Certificate
	switch {
	case c == nil:
		return bad("there is no certificate")
	case !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0:
		return bad("its certificate is not an authority's")
	case len(c.SubjectKeyId) == 0:
		return bad("its certificate has no key identifier")
	case o.Signer == nil:
		return bad("its key is not on this server")
	}
	pub, ok := o.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(c.PublicKey) {
		return bad("its key belongs to another certificate")
	}
	a, err := signed.AlgorithmOf(c.PublicKey)
	if err != nil {
		return bad(err.Error())
	}
	i := &Issuer{purpose: o.Purpose, cert: c, signer: o.Signer, algorithm: a, keyID: c.SubjectKeyId, domains: c.PermittedDNSDomains, judge: keys.NewQuickPublicJudge()}
	for _, url := range []string{o.OCSP, o.Issuers} {
		if url != "" && !strings.HasPrefix(url, "http://") {
			// RFC 5280 section 8: asking over https may itself need the answer.
			return bad(fmt.Sprintf("address %q is not http", clip(url)))
		}
	}
	if o.OCSP != "" || o.Issuers != "" {
		i.access = authorityInfo(o.OCSP, o.Issuers)
	}
	for _, n := range c.PermittedIPRanges {
		addr, ok := netip.AddrFromSlice(n.IP)
		ones, bits := n.Mask.Size()
		if !ok || bits == 0 {
			return bad("a network in its constraints cannot be read")
		}
		i.networks = append(i.networks, netip.PrefixFrom(addr, ones))
	}
	return i, nil
}

// Certificate is the authority's own.
func (i *Issuer) Certificate() *x509.Certificate { return i.cert }

// Signer signs with the authority's key: its revocation lists too.
func (i *Issuer) Signer() crypto.Signer { return i.signer }

// Purpose is what the authority is for.
func (i *Issuer) Purpose() Purpose { return i.purpose }

// checkNames holds names against the constraints in the authority's own certificate: what it signs beyond them no client
// accepts (RFC 5280 section 4.2.1.10).
func (i *Issuer) checkNames(names []name) error {
	constrained := len(i.cert.PermittedDNSDomains)+len(i.cert.PermittedEmailAddresses)+len(i.cert.PermittedIPRanges)+len(i.cert.ExcludedIPRanges) > 0
	for _, n := range names {
		inside := !constrained
		if n.kind == kindIP {
			for _, network := range i.networks {
				inside = inside || network.Contains(n.ip.Unmap())
			}
		}
		for _, d := range i.domains {
			inside = inside || n.kind != kindIP && under(n.domain(), strings.TrimPrefix(strings.ToLower(d), "."))
		}
		if !inside {
			return &NameError{Name: n.text, Reason: "outside the constraints of the authority " + x509cert.SubjectText(i.cert.Subject)}
		}
	}
	return nil
}

// sign makes the certificate of the octets tbs.
func (i *Issuer) sign(tbs []byte) ([]byte, error) {
	signature, err := i.algorithm.Sign(i.signer, tbs)
	if err != nil {
		return nil, err
	}
	return i.algorithm.Assemble(tbs, signature)
}

// readBack compares a certificate with the draft that was to be signed, and verifies its signature; only then is it one
// of ours. What the lints have read need not be read again: it is of the same octets, or this fails.
func (i *Issuer) readBack(raw []byte, d *Draft) (*x509.Certificate, error) {
	cert := d.read
	if cert == nil {
		var err error
		if cert, err = x509cert.ParseCertificate(raw); err != nil {
			return nil, err
		}
	}
	tbs, signature, err := i.algorithm.Split(raw)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(tbs, d.TBS) || !bytes.Equal(tbs, cert.RawTBSCertificate) {
		return nil, errors.New("what was signed is not what was to be signed")
	}
	// Not CheckSignatureFrom, which wants our own certificate to be good; that was established.
	if err := i.cert.CheckSignature(i.algorithm.X509, tbs, signature); err != nil {
		return nil, fmt.Errorf("the signature is not ours: %w", err)
	}
	out := *cert // whose signature was none, if the lints have read it
	out.Raw, out.RawTBSCertificate, out.Signature = raw, tbs, signature
	return &out, nil
}
