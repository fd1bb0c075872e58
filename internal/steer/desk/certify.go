package desk

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// CertifyRequest asks our own authority to certify the key of a request in a file.
type CertifyRequest struct {
	Profile string     `json:"profile,omitempty"` // empty means server
	CSR     ImportFile `json:"csr"`
	Domains []string   `json:"domains,omitempty"` // with Emails: in the place of the names in the request
	Emails  []string   `json:"emails,omitempty"`
	DryRun  bool       `json:"dryRun,omitempty"` // only say whether it would be issued
}

// Certified is a certificate that was issued for a request in a file, or the request that waits for a second person.
type Certified struct {
	Serial     string    `json:"serial"`
	Thumbprint string    `json:"thumbprint"`
	Names      []string  `json:"names"`
	NotAfter   time.Time `json:"notAfter,omitzero"`
	PEM        string    `json:"pem"`               // with its issuer
	Waiting    string    `json:"waiting,omitempty"` // id of the request that waits; then there is no certificate
	Lineage    string    `json:"lineage,omitempty"` // that has it, if its key was made here for a request that was agreed to
	Enabled    string    `json:"enabled,omitempty"` // services that this lineage serves from now on
}

// Certify issues for a request in a file. Its signature proves that whoever made it holds the key (RFC 2986 section 4.2);
// who asks is whoever calls. If the profile needs a second person, the request waits for him: [Certified.Waiting].
func (d *Desk) Certify(ctx context.Context, who state.Actor, r CertifyRequest) (*Certified, error) {
	return d.certify(ctx, who, r, false)
}

func (d *Desk) certify(ctx context.Context, who state.Actor, r CertifyRequest, agreed bool) (*Certified, error) {
	if r.Profile == "" {
		r.Profile = "server"
	}
	profile, err := d.profile(ctx, r.Profile)
	if err != nil {
		return nil, err
	}
	csr, err := readCSR(r.CSR)
	if err != nil {
		return nil, err
	}
	waits := profile.NeedsApproval() && !agreed
	w := wanted{profile: profile, key: csr.PublicKey, names: append(slices.Clone(r.Domains), r.Emails...), requester: who.Who, agreed: true, dry: r.DryRun || waits}
	if len(w.names) == 0 {
		w.names = append(append(append(w.names, csr.DNSNames...), ipTexts(csr)...), csr.EmailAddresses...)
	}
	if profile.Options().Subject {
		w.subject = csr.Subject
	}
	if !w.dry {
		if left, err := d.finishLeft(ctx, who, w, csr); err != nil || left != nil {
			return left, err
		}
	}
	out, err := d.issueOne(ctx, who, w)
	switch {
	case err != nil || r.DryRun:
		return &Certified{Names: w.names}, err
	case waits:
		id, err := d.hold(ctx, who, r.Profile, w.names, heldRequest{Certify: &r})
		return &Certified{Names: w.names, Waiting: id}, err
	}
	return newCertified(out), nil
}

// finishLeft finishes what a command without a server had planned for the same request when it was killed: whoever asks
// again wants that one and no second. With a server its start has done it, and what is planned there is under way.
func (d *Desk) finishLeft(ctx context.Context, who state.Actor, w wanted, csr *x509.CertificateRequest) (*Certified, error) {
	if d.runtime.Running() {
		return nil, nil
	}
	var all []state.Issuance
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		all, err = tx.PickIssuances(state.Picked{KeyID: keyIDOf(csr.RawSubjectPublicKeyInfo)}, 100)
		return err
	})
	for _, i := range all {
		if i.Certificate != nil || i.Profile != w.profile.Name() || i.Requester != w.requester {
			continue
		}
		if err := d.FinishIssuances(ctx); err != nil {
			return nil, err
		}
		out, err := d.IssuedCertificate(ctx, i.Serial)
		if err != nil {
			return nil, err
		}
		if sameNames(out.Names, w.names) {
			return out, nil
		}
	}
	return nil, err
}

// sameNames says whether names that somebody wrote are those in a certificate, where they are in lower case, and each once.
func sameNames(in, written []string) bool {
	return len(x509cert.Missing(in, written))+len(x509cert.Missing(written, in)) == 0
}

// readCSR reads a file with one request. That its signature is that of its key, certfile has verified (RFC 2986 section 3).
func readCSR(file ImportFile) (*x509.CertificateRequest, error) {
	read, err := certfile.Read(file.Name, file.Data, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	if len(read.Requests) != 1 {
		return nil, &ValueError{"--csr", file.Name, fmt.Sprintf("want a file with one request, it has %d", len(read.Requests))}
	}
	return read.Requests[0].CertificateRequest, nil
}
