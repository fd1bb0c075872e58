package desk

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/trustfile"
)

// ErrNothingToTrust: the organisation trusts nothing beyond the system's store, so there is nothing to give to others.
var ErrNothingToTrust = errors.New("there is no certificate to export")

// TrustFileRequest asks for what the organisation trusts, as another system takes it.
type TrustFileRequest struct {
	For trustfile.Platform `json:"for"`
	// Lineages are IDs of self-signed certificates of our own that are to be trusted too.
	Lineages []string `json:"lineages,omitempty"`
	Archive  bool     `json:"archive,omitempty"` // see trustfile.Options
}

// TrustFile is a file for another system.
type TrustFile struct {
	Name         string   `json:"name"` // a good name for it
	Type         string   `json:"type"` // media type
	Data         []byte   `json:"data"`
	Install      []string `json:"install"`      // how, a sentence each
	Fingerprints []string `json:"fingerprints"` // SHA-256 and subject of each certificate, to compare at the other end
	Warnings     []string `json:"warnings"`
}

// ErrTrustItsAuthority: what another has signed is trusted through its authority, which is what to give to others.
var ErrTrustItsAuthority = errors.New("it is not self-signed, so its authority is what clients must trust")

// TrustFile makes a file of the anchors that were added here and of self-signed certificates of our own. What is expired
// or distrusted is left out, with a warning.
func (d *Desk) TrustFile(ctx context.Context, r TrustFileRequest) (*TrustFile, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	out := &TrustFile{Warnings: []string{}}
	distrust, err := v.judge.distrust()
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	take := func(der []byte, now time.Time) error {
		cert, err := x509cert.ParseCertificate(der)
		if err != nil {
			return err
		}
		why := distrust.Names(cert)
		if now.After(cert.NotAfter) {
			why = "it ended on " + cert.NotAfter.Format(time.DateOnly)
		}
		if why != "" {
			out.Warnings = append(out.Warnings, "left out "+x509cert.SubjectText(cert.Subject)+": "+why)
			return nil
		}
		certificates = append(certificates, cert)
		return nil
	}
	now := time.Now()
	for _, a := range v.judge.anchors {
		if err := take(a.Certificate, now); err != nil {
			return nil, fmt.Errorf("reading anchor %s: %w", a.SHA256, err)
		}
	}
	for _, id := range r.Lineages {
		members, err := v.selfSigned(id)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if err := take(m.Certificate, now); err != nil {
				return nil, fmt.Errorf("reading %s: %w", m.Thumbprint, err)
			}
		}
	}
	if len(certificates) == 0 && slices.Contains(trustfile.Platforms(), r.For) {
		return nil, fmt.Errorf("exporting what is trusted: %w", ErrNothingToTrust)
	}
	f, err := trustfile.Make(r.For, trustfile.Options{Certificates: certificates, Organisation: v.org.Name, Archive: r.Archive})
	if err != nil {
		return nil, err
	}
	out.Name, out.Type, out.Data, out.Install, out.Fingerprints = f.Name, f.Type, bytes.Clone(f.Data), f.Install, f.Fingerprints
	return out, nil
}

// selfSigned returns the members of the generation that id means, all of which must be self-signed.
func (v *view) selfSigned(id string) ([]state.Member, error) {
	f, err := v.find(id)
	if err != nil {
		return nil, err
	}
	for _, m := range f.generation.Members {
		if m.Certificate == nil {
			return nil, fmt.Errorf("exporting %s: %w", m.Thumbprint, ErrTrustItsAuthority)
		}
		cert, err := x509cert.ParseCertificate(m.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", m.Thumbprint, err)
		}
		if !x509cert.Inspect(cert).SelfSigned {
			return nil, fmt.Errorf("exporting %s: %w", m.Thumbprint, ErrTrustItsAuthority)
		}
	}
	return f.generation.Members, nil
}
