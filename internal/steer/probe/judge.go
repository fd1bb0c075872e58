package probe

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trust"
)

// judgeSession says what is wrong with versions, cipher and key exchange.
func (l *look) judgeSession(state tls.ConnectionState) {
	r := l.result
	old := slices.DeleteFunc(slices.Clone(r.Versions), func(v string) bool { return v == "TLS 1.2" || v == "TLS 1.3" })
	switch {
	case len(old) == len(r.Versions):
		r.add(CodeOnlyOldVersions, Bad, "speaks "+join(old)+" and nothing newer")
	case len(old) > 0:
		r.add(CodeOldVersion, Warn, "still speaks "+join(old))
	}
	if state.Version == tls.VersionTLS12 {
		r.add(CodeNoTLS13, Info, "does not speak TLS 1.3")
	}
	if name, weak := l.prober.weak[state.CipherSuite]; weak {
		r.add(CodeWeakCipher, Warn, "chooses "+name+" before anything better that was offered")
	}
	if !r.PostQuantum {
		r.add(CodeNotPostQuantum, Info, "its key exchange "+r.KeyExchange+" is not post-quantum")
	}
}

// judgeChain says what is wrong with the certificates that were sent.
func (l *look) judgeChain(ctx context.Context, chain []*x509.Certificate) {
	if len(chain) == 0 {
		return
	}
	r := l.result
	l.judgeNames(chain[0])
	for _, leaf := range r.leaves {
		l.judgeDates(leaf)
	}
	path := l.judgeOrder(chain)
	l.judgeStrength(path)
	l.judgeTrust(ctx, chain, path)
	if len(l.endpoint.Want) > 0 && !slices.Contains(l.endpoint.Want, r.Certificate.Thumbprint) {
		r.add(CodeServedNotBound, Bad, fmt.Sprintf("serves %s of %s, which is not what is bound here", r.Certificate.Thumbprint, Visible(r.Certificate.Subject, 80)))
	}
	if !l.prober.quick && len(r.leaves) == 1 && kindOf(chain[0]) == "ECDSA" && slices.Contains(r.Versions, "TLS 1.2") {
		r.add(CodeOnlyECDSA, Info, "has no RSA certificate for clients that cannot use "+r.KeyTypes[0])
	}
}

// bad is the severity of what keeps clients away: mail from other organisations mostly comes in all the same.
func (l *look) bad() Severity {
	if l.endpoint.ForMail {
		return Warn
	}
	return Bad
}

func (l *look) judgeNames(leaf *x509.Certificate) {
	r, host := l.result, l.endpoint.Host
	reason := trust.CheckName(leaf, host)
	_, err := netip.ParseAddr(host)
	switch {
	case reason == "":
	case err == nil:
		r.add(CodeAskedByAddress, Info, "was asked by its address, so only a client that knows the name can compare it: "+reason)
	default:
		r.add(CodeWrongName, l.bad(), reason)
	}
	var missing []string
	for _, name := range l.endpoint.Names {
		if trust.CheckName(leaf, name) != "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		r.add(CodeNamesMissing, Info, "the certificate lacks "+join(missing))
	}
}

// soonShare is the part of its life at whose beginning an end is near; soonMost bounds it. Who renews by itself does so
// with a third left.
const (
	soonShare = 6
	soonMost  = 30 * day
	day       = 24 * time.Hour
)

func (l *look) judgeDates(leaf *x509.Certificate) {
	r, now := l.result, time.Now()
	what := "the certificate"
	if len(r.leaves) > 1 {
		what = "the " + x509cert.KeyType(leaf.PublicKey) + " certificate"
	}
	left := leaf.NotAfter.Sub(now)
	switch date := leaf.NotAfter.UTC().Format(time.DateOnly); {
	case left < 0:
		r.add(CodeExpired, l.bad(), fmt.Sprintf("%s ended on %s, %s ago", what, date, days(-left)))
	case now.Before(leaf.NotBefore):
		r.add(CodeNotYetValid, l.bad(), fmt.Sprintf("%s is not valid before %s, %s from now", what, leaf.NotBefore.UTC().Format(time.DateOnly), days(leaf.NotBefore.Sub(now))))
	case left < min(soonMost, leaf.NotAfter.Sub(leaf.NotBefore)/soonShare):
		r.add(CodeEndsSoon, Warn, fmt.Sprintf("%s ends on %s, in %s", what, date, days(left)))
	}
}

// judgeOrder returns the path through what was sent, and says what is wrong with its order. RFC 8446 section 4.4.2:
// each certificate should certify the one before it, and the root may be left out.
func (l *look) judgeOrder(chain []*x509.Certificate) []*x509.Certificate {
	r := l.result
	path, places := []*x509.Certificate{chain[0]}, []int{0}
	for {
		child := path[len(path)-1]
		if isSelfIssued(child) {
			break
		}
		next := slices.IndexFunc(chain, func(c *x509.Certificate) bool {
			return string(c.RawSubject) == string(child.RawIssuer) && !slices.ContainsFunc(path, c.Equal) &&
				(len(child.AuthorityKeyId) == 0 || len(c.SubjectKeyId) == 0 || string(child.AuthorityKeyId) == string(c.SubjectKeyId))
		})
		if next < 0 {
			break
		}
		path, places = append(path, chain[next]), append(places, next)
	}
	if !slices.IsSorted(places) {
		r.add(CodeChainOrder, Warn, "sends its chain out of order: some clients find no way through it")
	}
	if extra := len(chain) - len(path); extra > 0 {
		r.add(CodeChainExtra, Info, fmt.Sprintf("sends %s that do not belong to its chain", count(extra, "certificate")))
	}
	if last := path[len(path)-1]; len(path) > 1 && isSelfIssued(last) {
		r.add(CodeRootSent, Info, "sends the root "+quoted(x509cert.SubjectText(last.Subject))+" along")
	}
	return path
}

func isSelfIssued(c *x509.Certificate) bool { return string(c.RawSubject) == string(c.RawIssuer) }

// minRSABits is what the CA/Browser Forum asks for since 2014.
const minRSABits = 2048

func (l *look) judgeStrength(path []*x509.Certificate) {
	r := l.result
	for i, c := range path {
		what := "the certificate"
		if i > 0 {
			what = "the issuer " + quoted(x509cert.SubjectText(c.Subject))
		}
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABits {
			r.add(CodeWeakKey, Bad, fmt.Sprintf("%s has an RSA key of %d bits, which can be broken", what, key.N.BitLen()))
		}
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
			if !isSelfIssued(c) { // nobody relies on the signature of a root
				r.add(CodeWeakSignature, Bad, what+" is signed with "+c.SignatureAlgorithm.String()+", which can be forged")
			}
		}
	}
}

// judgeTrust says what the chain is worth to strangers and to the organisation.
func (l *look) judgeTrust(ctx context.Context, chain, path []*x509.Certificate) {
	if l.prober.machine == nil {
		return
	}
	r := l.result
	// Dates and names have their own findings, and a certificate that has ended must not hide that nobody knows its root.
	question := trust.Question{Leaf: chain[0], Intermediates: chain[1:], Purpose: x509cert.UsageServerAuth, Mode: l.prober.revocation}
	machine := l.prober.machine.Verify(ctx, question)
	r.Trust = &Trust{Machine: machine.Status, Reason: machine.Reason}
	verdict := machine
	if machine.Status != x509cert.StatusValid && l.prober.organisation != nil {
		ours := l.prober.organisation.Verify(ctx, question)
		r.Trust.Organisation = ours.Status
		if !hasFault(ours, x509cert.StatusUntrusted) {
			verdict = ours
			r.Trust.Reason = ours.Reason
			if hasFault(machine, x509cert.StatusUntrusted) {
				r.add(CodeOrganisationOnly, Info, "is trusted by this organisation and not by the roots of this machine")
			}
		}
	}
	for _, f := range verdict.Faults {
		l.judgeFault(f, path)
	}
	if verdict.Unchecked != "" {
		r.add(CodeRevocationUnknown, Info, "whether it is revoked is not known: "+Visible(verdict.Unchecked, 200))
	}
}

func hasFault(v trust.Verdict, s x509cert.Status) bool {
	return slices.ContainsFunc(v.Faults, func(f trust.Fault) bool { return f.Status == s })
}

func (l *look) judgeFault(f trust.Fault, path []*x509.Certificate) {
	r := l.result
	leaf, last := path[0], path[len(path)-1]
	switch f.Status {
	case x509cert.StatusUntrusted:
		switch {
		case isSelfIssued(leaf):
			r.add(CodeSelfSigned, l.bad(), "is self-signed: no client knows it")
		case !isSelfIssued(last):
			r.add(CodeChainIncomplete, l.bad(), "sends no certificate of "+quoted(x509cert.SubjectText(last.Issuer))+", which signed "+quoted(x509cert.SubjectText(last.Subject))+" and is not known here")
		default:
			r.add(CodeUntrusted, l.bad(), f.Reason)
		}
	case x509cert.StatusRevoked:
		r.add(CodeRevoked, Bad, f.Reason)
	case x509cert.StatusRevocationCheckFailure:
		r.add(CodeRevocationUnknown, Warn, f.Reason)
	case x509cert.StatusDateInvalid:
		if now := time.Now(); now.Before(leaf.NotAfter) && !now.Before(leaf.NotBefore) { // it is the issuer's
			r.add(CodeExpired, l.bad(), f.Reason)
		}
	case x509cert.StatusInvalid:
		if !slices.ContainsFunc(r.Findings, func(g Finding) bool { return g.Code == CodeWeakSignature || g.Code == CodeWeakKey }) {
			r.add(CodeInvalidCertificate, Bad, f.Reason)
		}
	}
}

// days says a length of time as people do.
func days(d time.Duration) string {
	if n := int(d / day); n > 0 {
		return count(n, "day")
	}
	return "less than a day"
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// join makes "a, b and c".
func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
