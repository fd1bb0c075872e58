package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"postseal/internal/ground/x509cert"
)

// A State says how far the look at an endpoint came.
type State string

// The states.
const (
	StateAnswers State = "answers" // there is TLS
	StateClosed  State = "closed"  // nobody listens there
	StateFails   State = "fails"   // somebody does, or should, and there is no TLS: see the findings
)

// A Result is what a stranger sees at one endpoint.
type Result struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol"` // empty when unknown
	TLS      string `json:"tls"`      // "implicit" or "starttls"
	Address  string `json:"address"`  // that answered; empty for none
	State    State  `json:"state"`
	Clear    *Clear `json:"clear,omitempty"` // what was said before TLS

	Versions    []string `json:"versions"` // that it speaks, the oldest first; the one that was chosen alone in a quick look; never nil
	Cipher      string   `json:"cipher,omitempty"`
	KeyExchange string   `json:"keyExchange,omitempty"`
	PostQuantum bool     `json:"postQuantum"`
	OCSPStapled bool     `json:"ocspStapled"`

	Certificate *x509cert.Facts `json:"certificate,omitempty"` // what a client of today gets
	Chain       []string        `json:"chain"`                 // subjects, as sent; never nil
	KeyTypes    []string        `json:"keyTypes"`              // of the certificates that it serves to different clients; never nil
	Trust       *Trust          `json:"trust,omitempty"`

	Findings []Finding `json:"findings"` // the worst first; never nil
	Verdict  Severity  `json:"verdict"`

	leaves []*x509.Certificate // one for each of KeyTypes
}

// Trust is what the chain is worth.
type Trust struct {
	Machine      x509cert.Status `json:"machine"` // by the roots of this machine
	Organisation x509cert.Status `json:"organisation,omitempty"`
	Reason       string          `json:"reason"` // of the better of both
}

// look is one look at one endpoint.
type look struct {
	prober    *Prober
	endpoint  Endpoint
	addresses []netip.AddrPort
	address   string // that answered
	own       bool   // we came from that address too
	result    *Result
}

// Endpoint looks at one endpoint. It always answers; when ctx ends first, that is a finding.
func (p *Prober) Endpoint(ctx context.Context, e Endpoint) Result {
	addresses := []netip.Addr{e.Address.Addr()}
	if !e.Address.IsValid() {
		var f *fault
		if addresses, f = p.resolve(ctx, e.Host); f != nil {
			r := newResult(e)
			r.State = StateFails
			r.add(f.code, Bad, f.text)
			r.finish()
			return *r
		}
	}
	return p.endpoint(ctx, e, addresses)
}

func newResult(e Endpoint) *Result {
	r := &Result{Host: e.Host, Port: e.Port, Protocol: e.Protocol, TLS: "implicit", Versions: []string{}, Chain: []string{}, KeyTypes: []string{}, Findings: []Finding{}}
	if e.StartTLS {
		r.TLS = "starttls"
	}
	return r
}

// endpoint looks at an endpoint whose addresses are known.
func (p *Prober) endpoint(ctx context.Context, e Endpoint, addresses []netip.Addr) Result {
	ctx, cancel := context.WithTimeout(ctx, p.total)
	defer cancel()
	l := &look{prober: p, endpoint: e, result: newResult(e)}
	for _, a := range addresses {
		port := e.Port
		if e.Address.IsValid() {
			port = e.Address.Port()
		}
		l.addresses = append(l.addresses, netip.AddrPortFrom(a, port))
	}
	l.run(ctx)
	l.result.Address = l.address
	l.result.finish()
	return *l.result
}

// run makes the connections, the one that tells most first.
func (l *look) run(ctx context.Context) {
	r := l.result
	s, f := l.shake(ctx, l.prober.everything(), "")
	r.Clear = s.clear
	if c := s.clear; c != nil && c.PlainLogin {
		if l.own {
			r.add(CodePlainLogin, Info, "takes passwords in clear from its own address; what it does with strangers is seen from another machine only")
		} else {
			r.add(CodePlainLogin, Bad, "takes passwords in clear, before TLS")
		}
	}
	if f != nil {
		l.failed(ctx, f, s)
		return
	}
	s.close()
	r.State = StateAnswers
	r.Versions = []string{tls.VersionName(s.state.Version)}
	r.Cipher, r.KeyExchange = tls.CipherSuiteName(s.state.CipherSuite), s.state.CurveID.String()
	if s.state.CurveID == 0 {
		r.KeyExchange = "RSA"
	}
	r.PostQuantum = slices.Contains([]tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}, s.state.CurveID)
	r.OCSPStapled = len(s.state.OCSPResponse) > 0
	l.take(s.chain)
	if !l.prober.quick {
		l.further(ctx, s)
	}
	l.judgeSession(s.state)
	l.judgeChain(ctx, s.chain)
}

// failed ends a look without TLS.
func (l *look) failed(ctx context.Context, f *fault, s *session) {
	r := l.result
	r.State = StateFails
	if f.code == CodeUnreachable && l.endpoint.Optional {
		r.State = StateClosed
		return
	}
	severity := Bad
	if l.endpoint.ForMail && f.code == CodeStartTLSMissing {
		severity = Warn // mail comes here without TLS, as it does at a third of the world
	}
	r.add(f.code, severity, f.text)
	if f.code == CodeTLSFailed && !l.prober.quick {
		l.old(ctx)
		if len(r.Versions) > 0 {
			r.add(CodeOnlyOldVersions, Bad, "speaks "+join(r.Versions)+" and nothing newer that a client of today accepts")
		}
	}
	if len(s.chain) > 0 {
		l.take(s.chain)
		l.judgeChain(ctx, s.chain)
	}
}

// take records a certificate that was served.
func (l *look) take(chain []*x509.Certificate) {
	r := l.result
	if len(chain) == 0 {
		return
	}
	if r.Certificate == nil {
		facts := x509cert.Inspect(chain[0])
		r.Certificate = &facts
		r.Chain = append(r.Chain, Visible(facts.Subject, 200))
		for _, c := range chain[1:] {
			r.Chain = append(r.Chain, Visible(x509cert.SubjectText(c.Subject), 200))
		}
	}
	if kind := x509cert.KeyType(chain[0].PublicKey); !slices.Contains(r.KeyTypes, kind) {
		r.KeyTypes = append(r.KeyTypes, kind)
		r.leaves = append(r.leaves, chain[0])
	}
}

// further makes the connections of a full look.
func (l *look) further(ctx context.Context, first *session) {
	r := l.result
	speaks12 := first.state.Version == tls.VersionTLS12
	for _, rsa := range []bool{true, false} {
		s, f := l.shake(ctx, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: suitesFor(rsa)}, "")
		if f != nil {
			if f.code == CodeTimedOut || f.code == CodeUnreachable {
				return // it wants no more of us, and neither do we of it
			}
			continue
		}
		s.close()
		speaks12 = true
		l.take(s.chain)
	}
	if speaks12 && first.state.Version == tls.VersionTLS13 {
		r.Versions = append([]string{"TLS 1.2"}, r.Versions...)
	}
	l.old(ctx)
	if l.injectable(ctx) {
		r.add(CodeStartTLSInjection, Bad, "answers within TLS a command that was sent in clear before it")
	}
}

// old finds out about TLS 1.0 and 1.1.
func (l *look) old(ctx context.Context) {
	r := l.result
	for _, version := range []uint16{tls.VersionTLS11, tls.VersionTLS10} {
		conn, _, done, f := l.reach(ctx, "")
		if f != nil {
			return
		}
		host := l.endpoint.Host
		if _, err := netip.ParseAddr(host); err == nil {
			host = ""
		}
		ok, err := speaks(conn, version, host)
		done()
		if err != nil && isTimeout(err) {
			return
		}
		if name := tls.VersionName(version); ok && !slices.Contains(r.Versions, name) {
			r.Versions = append([]string{name}, r.Versions...)
		}
	}
}

// unreachable says in words why there is no connection.
func (l *look) unreachable(err error) *fault {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &fault{CodeUnreachable, "nobody listens there: the connection is refused"}
	case errors.Is(err, context.Canceled):
		return &fault{CodeTimedOut, "the check was interrupted"}
	case isTimeout(err):
		return &fault{CodeUnreachable, fmt.Sprintf("no connection within %v: nothing answers", l.prober.limit)}
	case err == nil:
		return &fault{CodeUnreachable, "there is no address to connect to"}
	}
	return &fault{CodeUnreachable, "no connection: " + plain(err)}
}

func (r *Result) add(code Code, severity Severity, text string) {
	r.Findings = append(r.Findings, Finding{Code: code, Severity: severity, Port: r.Port, Text: text, Do: advice()[code]})
}

func (r *Result) finish() {
	sortFindings(r.Findings)
	r.Verdict = worst(r.Findings)
}

// Left is the time to the end of the certificate; zero without one.
func (r *Result) Left() time.Duration {
	if r.Certificate == nil {
		return 0
	}
	return time.Until(r.Certificate.NotAfter)
}

// kindOf says whether a key is of the RSA or the elliptic kind, for which clients have different demands.
func kindOf(c *x509.Certificate) string {
	switch c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return "ECDSA"
	}
	return ""
}
