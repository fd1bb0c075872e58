package desk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// ErrNotExportable: the private key of that lineage does not leave in a file.
var ErrNotExportable = errors.New("its private key is not exportable")

// ErrRequestFormat: a request has no certificate yet, and leaves as PKCS #10 only.
var ErrRequestFormat = errors.New("it is a request without its answer, and a request is PEM or DER")

// Formats of an export.
const (
	FormatPFX = "pfx"
	FormatPEM = "pem"
	FormatDER = "der"
	FormatP7B = "p7b"
)

// ExportRequest asks for a certificate as a file.
type ExportRequest struct {
	ID       string   `json:"id"`
	Format   string   `json:"format,omitempty"`  // one of the formats; empty means pfx
	Profile  string   `json:"profile,omitempty"` // of a pfx: "modern" (also when empty) or "windows2016"
	NoChain  bool     `json:"noChain,omitempty"`
	NoKey    bool     `json:"noKey,omitempty"`   // pem: the certificate and its chain only
	Password Password `json:"password,omitzero"` // pfx needs one; pem encrypts the key with it
	Confirm  bool     `json:"confirm,omitempty"` // the user knows that a private key leaves
	DryRun   bool     `json:"dryRun,omitempty"`  // only check
}

// Exported is a certificate as a file.
type Exported struct {
	Data   []byte `json:"data"`
	Secret bool   `json:"secret"` // it holds a private key
	What   string `json:"what"`   // in words
	// Others are the other members of the generation, which a file for one certificate does not hold.
	Others []string `json:"others"`
}

// Export writes a certificate as a file: with its private key when the format holds one, which must be
// exportable. A pending request is written as PKCS #10, in PEM, or in DER if that is asked for. The export of
// a key is in the audit trail.
func (d *Desk) Export(ctx context.Context, who state.Actor, r ExportRequest) (*Exported, error) {
	asked := r.Format
	if r.Format == "" {
		r.Format = FormatPFX
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	f, err := v.find(r.ID)
	if err != nil {
		return nil, err
	}
	out := &Exported{What: fmt.Sprintf("%q %s", f.lineage.FriendlyName, f.member.Thumbprint), Others: []string{}}
	for _, m := range f.generation.Members {
		if m.Thumbprint != f.member.Thumbprint {
			out.Others = append(out.Others, fmt.Sprintf("the %s member, %s", m.Algorithm, m.Thumbprint))
		}
	}
	if f.member.Certificate == nil {
		if asked == FormatPFX || asked == FormatP7B {
			return nil, fmt.Errorf("exporting %s as %s: %w", f.member.Thumbprint, asked, ErrRequestFormat)
		}
		out.What = "request " + out.What
		out.Data = f.member.Request
		if r.Format != FormatDER {
			out.Data = certfile.RequestPEM(f.member.Request)
		}
		return out, nil
	}
	out.Secret = r.Format == FormatPFX || r.Format == FormatPEM && !r.NoKey
	b := certfile.Bundle{FriendlyName: f.lineage.FriendlyName}
	if b.Leaf, err = x509cert.ParseCertificate(f.member.Certificate); err != nil {
		return nil, fmt.Errorf("exporting %s: %w", f.member.Thumbprint, err)
	}
	if b.Chain, err = chainOf(f.member); err != nil {
		return nil, fmt.Errorf("exporting %s: %w", f.member.Thumbprint, err)
	}
	if out.Secret {
		if b.Key, err = d.releaseKey(ctx, who, f, r); err != nil {
			return nil, fmt.Errorf("exporting %s: %w", f.member.Thumbprint, err)
		}
	}
	if r.DryRun {
		return out, nil
	}
	if out.Data, err = r.write(b); err != nil {
		return nil, fmt.Errorf("exporting %s: %w", f.member.Thumbprint, err)
	}
	return out, nil
}

// releaseKey opens a private key that leaves, once everything is checked, and writes down that it does.
func (d *Desk) releaseKey(ctx context.Context, who state.Actor, f found, r ExportRequest) (*keys.Private, error) {
	switch {
	case !f.lineage.Exportable:
		return nil, ErrNotExportable
	case f.member.SecretID == "":
		return nil, ErrNoPrivateKey
	case r.Format == FormatPFX && len(r.Password.Secret()) == 0:
		return nil, certfile.ErrExportPassword
	case r.DryRun:
		return nil, nil
	case !r.Confirm:
		return nil, ErrConfirmation
	}
	if _, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		return tx.Audit("export", f.lineage.Name, nil, map[string]string{"thumbprint": f.member.Thumbprint, "format": r.Format})
	}); err != nil {
		return nil, err
	}
	return d.key(ctx, f.member.SecretID)
}

// key opens a private key.
func (d *Desk) key(ctx context.Context, secretID string) (key *keys.Private, err error) {
	d.settling.Lock()
	defer d.settling.Unlock()
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		key, err = d.signer(tx, secretID)
		return err
	})
	return key, err
}

// chainOf parses the issuers stored with a member.
func chainOf(m state.Member) ([]*x509.Certificate, error) {
	if len(m.Chain) == 0 {
		return nil, nil
	}
	return x509.ParseCertificates(m.Chain)
}

// write writes a bundle in the format that is asked for.
func (r ExportRequest) write(b certfile.Bundle) ([]byte, error) {
	switch r.Format {
	case FormatPEM:
		return certfile.PEM(b, certfile.PEMOptions{Password: r.Password.Secret(), NoKey: r.NoKey, NoChain: r.NoChain})
	case FormatDER:
		return certfile.DER(b), nil
	case FormatP7B:
		if r.NoChain {
			b.Chain = nil
		}
		return certfile.P7BPEM(b)
	}
	return certfile.PFX(b, certfile.PFXOptions{Profile: certfile.Profile(strings.ToLower(r.Profile)), Password: r.Password.Secret(), FriendlyName: b.FriendlyName, NoChain: r.NoChain})
}
