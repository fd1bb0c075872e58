package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
)

// AnswerError says why the answer of the authority above is not taken in.
type AnswerError struct {
	Name   string // of the authority
	Reason string
}

// Error names the authority first.
func (e *AnswerError) Error() string { return fmt.Sprintf("answer for %s: %s", clip(e.Name), e.Reason) }

// UntrustedRootError says that an answer comes below a root that is not trusted here, and that nobody has named.
type UntrustedRootError struct {
	Subject string
	SHA256  string
}

// Error names the root as its owner does.
func (e *UntrustedRootError) Error() string {
	return fmt.Sprintf("the root %q is not trusted here: its SHA-256 is %s", clip(e.Subject), e.SHA256)
}

// AuthorityAnswer brings what the authority above has signed: certificates with their chain, in any of the forms of package
// certfile, or the answer of a ceremony.
type AuthorityAnswer struct {
	Doing
	Files []ImportFile `json:"files"`
	// Root is the SHA-256 of the root that stands above, in hex, by which whoever imports has compared it with what its owner
	// or the protocol of the ceremony says. It is asked for when that root is not trusted here yet: from then on it is.
	Root string `json:"root,omitempty"`
}

// Check finds what is wrong with the request itself.
func (r AuthorityAnswer) Check() error {
	if raw, err := hex.DecodeString(plainHex(r.Root)); r.Root != "" && (err != nil || len(raw) != sha256.Size) {
		return &ValueError{"--root", r.Root, "want the SHA-256 of the root's certificate, 64 hex digits"}
	}
	return nil
}

// ImportAuthority takes the answer in: requests that wait are completed, and their authorities issue from then on. What does
// not belong to a request, or what clients would not accept below, is refused, and nothing is changed.
func (d *Desk) ImportAuthority(ctx context.Context, who state.Actor, r AuthorityAnswer) (*Change, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	var answer *ceremony.Answer
	var certificates []*x509.Certificate
	for _, f := range r.Files {
		if !ceremony.IsAnswer(f.Data) {
			continue
		}
		if len(r.Files) > 1 {
			return nil, &AnswerError{Name: f.Name, Reason: "an answer of a ceremony comes alone"}
		}
		a, err := ceremony.ParseAnswer(f.Data)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", clip(f.Name), err)
		}
		answer = a
	}
	if answer == nil {
		read, err := ImportRequest{Files: r.Files}.read(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range read {
			for _, cert := range c.Certificates {
				certificates = append(certificates, cert.Certificate)
			}
		}
		if len(certificates) == 0 {
			return nil, ErrNothingToImport
		}
	}
	return d.do(ctx, who, r.Doing, func(v *view) (*Change, func(tx *state.Tx) error, error) {
		e, err := d.elsewhere(ctx)
		if err != nil {
			return nil, nil, err
		}
		a := &answering{elsewhere: e, change: newChange(v), public: d.publicKeys, now: time.Now(), compared: plainHex(r.Root), dry: r.DryRun}
		for _, anchor := range v.judge.anchors {
			a.trusted = append(a.trusted, anchor.SHA256)
		}
		a.trusted = append(a.trusted, a.compared)
		if answer != nil {
			err = a.ceremony(answer)
		} else {
			var known []*x509.Certificate
			if known, err = d.knownIssuers(ctx); err == nil {
				a.pool = slices.Concat(certificates, known, v.roots())
				err = a.foreign(certificates)
			}
		}
		if err != nil {
			return nil, nil, err
		}
		return a.change, a.store, nil
	})
}

// answering is an answer on its way into the state.
type answering struct {
	*elsewhere
	change *Change
	public *keys.PublicJudge
	now    time.Time
	pool   []*x509.Certificate // among which chains are looked for
	steps  []func(tx *state.Tx) error
	taken  int

	compared string   // SHA-256 of the root that was named; empty for none
	trusted  []string // SHA-256 of roots that may stand above: those that are trusted, and the one that was named
	dry      bool
}

func (a *answering) store(tx *state.Tx) error {
	for _, step := range a.steps {
		if err := step(tx); err != nil {
			return err
		}
	}
	return nil
}

// foreign takes in what another organisation has certified.
func (a *answering) foreign(certificates []*x509.Certificate) error {
	waits := false
	for _, q := range a.requests {
		if q.Way != state.WayForeign {
			continue
		}
		waits = true
		csr, err := x509.ParseCertificateRequest(q.Request)
		if err != nil {
			return err
		}
		var best *x509.Certificate
		for _, c := range certificates {
			if bytes.Equal(c.RawSubjectPublicKeyInfo, csr.RawSubjectPublicKeyInfo) && (best == nil || c.NotBefore.After(best.NotBefore)) {
				best = c
			}
		}
		if best == nil {
			continue
		}
		chain := a.climb(best)
		if err := a.take(q, best, chain); err != nil {
			return err
		}
		root := chain[len(chain)-1]
		if err := a.confirmed(root); err != nil {
			return err
		}
		if err := a.isNamed(root); err != nil {
			return err
		}
	}
	switch {
	case !waits:
		return fmt.Errorf("taking in an answer: %w", ErrNothingWaits)
	case a.taken == 0:
		return &AnswerError{Name: x509cert.SubjectText(certificates[0].Subject), Reason: "no request that waits has the key of a certificate in the files"}
	}
	return nil
}

// confirmed refuses a root that nobody has compared: whoever takes in an answer below it has everybody here trust it. A
// preview says so, because it is how one learns what to compare.
func (a *answering) confirmed(root *x509.Certificate) error {
	sum := x509cert.Inspect(root).SHA256
	if slices.Contains(a.trusted, sum) {
		return nil
	}
	e := &UntrustedRootError{Subject: x509cert.SubjectText(root.Subject), SHA256: sum}
	if !a.dry {
		return fmt.Errorf("taking in an answer: %w", e)
	}
	if text := e.Error() + "; compare it with what its owner or the protocol of the ceremony says, and name it: --root " + sum; !slices.Contains(a.change.Warnings, text) {
		a.change.Warnings = append(a.change.Warnings, text)
	}
	return nil
}

// isNamed refuses a root when another was named, trusted or not: whoever names one has compared it, and this is not it.
func (a *answering) isNamed(root *x509.Certificate) error {
	if sum := x509cert.Inspect(root).SHA256; a.compared != "" && a.compared != sum {
		return &AnswerError{Name: x509cert.SubjectText(root.Subject), Reason: "another root was named; this one has the SHA-256 " + sum}
	}
	return nil
}

// climb finds the chain above a certificate by names and signatures, as far as it goes.
func (a *answering) climb(c *x509.Certificate) (chain []*x509.Certificate) {
	const highest = 8
	for len(chain) < highest && !bytes.Equal(c.RawSubject, c.RawIssuer) {
		i := slices.IndexFunc(a.pool, func(above *x509.Certificate) bool {
			return bytes.Equal(above.RawSubject, c.RawIssuer) && !bytes.Equal(above.Raw, c.Raw) && above.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
		})
		if i < 0 {
			break
		}
		c = a.pool[i]
		chain = append(chain, c)
	}
	return chain
}

// take completes one request.
func (a *answering) take(q state.AuthorityRequest, cert *x509.Certificate, chain []*x509.Certificate) error {
	to := a.named(q.AuthorityID)
	warnings, err := ca.Subordinate{Purpose: ca.Purpose(to.Purpose), Certificate: cert, Chain: chain, Now: a.now}.Judge(a.public)
	if err != nil {
		return fmt.Errorf("taking in the certificate of %s: %w", to.Name, err)
	}
	if to.Certificate != nil {
		if bytes.Equal(to.Certificate, cert.Raw) {
			return &AnswerError{Name: to.Name, Reason: "it has this certificate already"}
		}
		before, err := x509cert.ParseCertificate(to.Certificate)
		if err != nil {
			return err
		}
		if !bytes.Equal(before.RawSubject, cert.RawSubject) {
			return &AnswerError{Name: to.Name, Reason: "its name is not the same octets as before, and what it issued would not be found below it"}
		}
	}
	a.change.Warnings = append(a.change.Warnings, warnings...)
	for _, d := range q.Domains {
		if len(cert.PermittedDNSDomains) > 0 && !slices.ContainsFunc(cert.PermittedDNSDomains, func(p string) bool { return p == d || strings.HasSuffix(d, "."+strings.TrimPrefix(p, ".")) }) {
			a.change.Warnings = append(a.change.Warnings, fmt.Sprintf("%s was to certify names below %s, and its certificate does not allow it", to.Name, d))
		}
	}
	root := chain[len(chain)-1]
	a.change.Notes = append(a.change.Notes, fmt.Sprintf("the authority %s issues from now on, below %s", to.Name, x509cert.SubjectText(root.Subject)))
	a.taken++
	parent := ""
	if a.root != nil {
		parent = a.root.ID
	}
	var above []byte
	for _, c := range chain {
		above = append(above, c.Raw...)
	}
	a.steps = append(a.steps, func(tx *state.Tx) error {
		for _, c := range chain {
			if err := tx.AddKnownIssuer(x509cert.Inspect(c).SHA256, c.Raw); err != nil {
				return err
			}
		}
		// Whoever takes this in says that the organisation trusts what stands above its authority.
		if err := tx.AddAnchor(state.Anchor{SHA256: x509cert.Inspect(root).SHA256, Certificate: root.Raw, Origin: state.AnchorAuthority}); err != nil {
			return err
		}
		if to.Certificate != nil {
			return recertified{authority: to, certificate: cert.Raw, chain: above, parent: parent}.store(tx, "ca import")
		}
		return beginAuthority(tx, to, q, cert.Raw, above, parent)
	})
	return nil
}

// beginAuthority puts an authority in force whose request has waited.
func beginAuthority(tx *state.Tx, a state.Authority, q state.AuthorityRequest, certificate, chain []byte, parent string) error {
	cert, err := x509cert.ParseCertificate(certificate)
	if err != nil {
		return err
	}
	id := x509cert.Inspect(cert).SHA256
	facts := map[string]any{"sha256": id}
	if q.Replaces != "" {
		if err := tx.SetAuthorityState(q.Replaces, state.AuthorityRetired); err != nil {
			return err
		}
		facts["replaces"] = q.Replaces
	}
	for _, err := range []error{
		tx.CertifyAuthority(a.ID, id, certificate, chain),
		tx.SetAuthorityParent(a.ID, parent),
		tx.AddShard(a.ID, 0),
		tx.AddKnownIssuer(id, certificate),
		tx.RemoveAuthorityRequest(a.ID),
		tx.Audit("ca import", a.Name, nil, facts),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// ceremony takes in what our own root has signed on another machine.
func (a *answering) ceremony(answer *ceremony.Answer) error {
	root, err := x509cert.ParseCertificate(answer.Root)
	if err != nil {
		return err
	}
	if err := a.acceptRoot(root); err != nil {
		return err
	}
	shard, err := acceptList(answer.List, *a.root, a.number, a.fallen)
	if err != nil {
		return err
	}
	a.steps = append(a.steps, func(tx *state.Tx) error {
		return errors.Join(tx.Publishing(shard), tx.KeepAuthorityList(a.root.ID, answer.List),
			tx.Audit("ca crl", listKey(a.root.Name, 0), nil, map[string]any{"number": shard.CRLNumber, "nextUpdate": shard.NextUpdate}))
	})
	a.change.Notes = append(a.change.Notes, "the root's revocation list holds until "+shard.NextUpdate.Format(time.DateOnly))
	for _, c := range answer.Certificates {
		i := slices.IndexFunc(a.requests, func(q state.AuthorityRequest) bool {
			return q.Way == state.WayCeremony && a.named(q.AuthorityID).Name == c.Name
		})
		if i < 0 {
			return &AnswerError{Name: c.Name, Reason: "no request of it waits"}
		}
		q := a.requests[i]
		cert, err := x509cert.ParseCertificate(c.Certificate)
		if err != nil {
			return err
		}
		if err := asAsked(q, cert); err != nil {
			return &AnswerError{Name: c.Name, Reason: err.Error()}
		}
		if err := a.take(q, cert, []*x509.Certificate{root}); err != nil {
			return err
		}
	}
	for _, q := range a.requests {
		if name := a.named(q.AuthorityID).Name; q.Way == state.WayCeremony && !slices.ContainsFunc(answer.Certificates, func(c ceremony.Certified) bool { return c.Name == name }) {
			a.change.Warnings = append(a.change.Warnings, "the request of "+name+" waits on: the answer does not hold its certificate")
		}
	}
	return nil
}

// acceptRoot holds the root of an answer against ours, or makes it ours if there is none yet.
func (a *answering) acceptRoot(root *x509.Certificate) error {
	if err := a.isNamed(root); err != nil {
		return err
	}
	sum := x509cert.Inspect(root).SHA256
	if a.root != nil {
		switch {
		case !bytes.Equal(a.root.Certificate, root.Raw):
			return &AnswerError{Name: a.root.Name, Reason: "it is signed by another root, SHA-256 " + sum}
		case a.root.SecretID != "":
			return &AnswerError{Name: a.root.Name, Reason: "the key of our root is on this server, and signs here"}
		}
		return nil
	}
	if !slices.ContainsFunc(a.requests, func(q state.AuthorityRequest) bool { return q.Way == state.WayCeremony }) {
		return fmt.Errorf("taking in an answer: %w", ErrNothingWaits)
	}
	if a.now.After(root.NotAfter) || a.public.Judge(root.PublicKey) != nil {
		return &AnswerError{Name: rootName, Reason: "the root has ended, or its key is weak"}
	}
	if err := a.confirmed(root); err != nil {
		return err
	}
	fresh := state.Authority{ID: newID(), Name: rootName, Purpose: rootName, State: state.AuthorityActive, PublicKey: root.RawSubjectPublicKeyInfo, Certificate: root.Raw}
	a.root = &fresh
	a.all = append(a.all, fresh)
	a.change.Notes = append(a.change.Notes, "the root "+x509cert.SubjectText(root.Subject)+" is trusted from now on: SHA-256 "+sum)
	a.steps = append(a.steps, func(tx *state.Tx) error {
		return errors.Join(tx.AddAuthority(fresh), tx.CertifyAuthority(fresh.ID, sum, root.Raw, nil), tx.AddShard(fresh.ID, 0), tx.SetRootKey(""),
			tx.AddAnchor(state.Anchor{SHA256: sum, Certificate: root.Raw, Origin: state.AnchorAuthority}),
			tx.Audit("ca import", fresh.Name, nil, map[string]any{"sha256": sum}))
	})
	return nil
}

// asAsked holds a certificate of our own root against the request: there nobody may leave anything out.
func asAsked(q state.AuthorityRequest, cert *x509.Certificate) error {
	csr, err := x509.ParseCertificateRequest(q.Request)
	if err != nil {
		return err
	}
	sorted := func(all []string) []string { return slices.Sorted(slices.Values(all)) }
	switch {
	case !bytes.Equal(csr.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo):
		return errors.New("its certificate is for another key")
	case !bytes.Equal(csr.RawSubject, cert.RawSubject):
		return errors.New("its certificate is for another name")
	case !slices.Equal(sorted(q.Domains), sorted(cert.PermittedDNSDomains)), !slices.Equal(sorted(q.Networks), sorted(networksOf(cert))):
		return errors.New("its certificate is for other domains or networks than were asked")
	}
	return nil
}
