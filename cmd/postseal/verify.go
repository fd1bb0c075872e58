package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/revocation"
	"postseal/internal/keep/trust"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// verifying are the flags of trust verify.
type verifying struct {
	chain, roots, at, name, purpose, revocation, profile, batch string
	crls                                                        []string
	maxDepth                                                    int // -1: as many as there are
}

// verified is the JSON of trust verify.
type verified struct {
	Status    x509cert.Status   `json:"status"`
	Reason    string            `json:"reason"`
	RootType  x509cert.RootType `json:"rootType"`
	Chain     []string          `json:"chain"` // subjects, the certificate's own first
	Lints     []string          `json:"lints"`
	Unchecked string            `json:"unchecked,omitempty"` // why nobody could say whether it is revoked
}

func (a *app) trustVerifyCommand() *cobra.Command {
	var v verifying
	c := &cobra.Command{
		Use: "verify [LEAF]", Short: "Say what a certificate is worth, and why",
		Long: "Say what a certificate is worth: its status, the reason, and the chain. It is judged by the roots of this machine and, if the data directory\n" +
			"holds an organisation, by what that trusts and distrusts; none is needed. --roots replaces the roots, not the distrust. Nobody is asked:\n" +
			"revocation is looked up in the lists of --crl, and without them the answer says that it was not checked. Exit status 0 only for Valid.\n" +
			"--batch reads a question per line, an object of JSON, and answers each with a line.",
		Example: "  postseal trust verify server.pem --chain intermediates.pem --name mail.example.com --purpose serverAuth",
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (v.batch != "") || len(args) > 1 {
				return &usageError{fmt.Errorf("%s wants one file with a certificate, or --batch", cmd.CommandPath())}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&v.chain, "chain", "", "`FILE` with intermediates, in any order")
	f.StringVar(&v.roots, "roots", "", "`FILE` with the roots to trust instead of ours")
	f.StringArrayVar(&v.crls, "crl", nil, "`FILE` with a revocation list; repeatable")
	f.StringVar(&v.at, "at", "", "`TIME` for which to judge (default now)")
	f.StringVar(&v.name, "name", "", "`HOST`, IP address or mail address that it must be for")
	f.StringVar(&v.purpose, "purpose", "", "serverAuth, clientAuth, emailProtection or any: the `PURPOSE` (default any)")
	f.StringVar(&v.revocation, "revocation", "", "off, soft or hard: `HOW` to look at revocation in the lists of --crl (default soft)")
	f.StringVar(&v.profile, "profile", "", "rfc5280 or webpki: whose `RULES` decide (default rfc5280)")
	f.IntVar(&v.maxDepth, "max-depth", -1, "`NUMBER` of intermediates that are allowed between it and its anchor (default: any)")
	f.StringVar(&v.batch, "batch", "", "`FILE` with a question per line; - is standard input")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if v.batch != "" {
			return a.verifyBatch(cmd, v.batch)
		}
		return a.verify(cmd, v, args[0])
	}
	return c
}

func (a *app) verifyBatch(cmd *cobra.Command, name string) error {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return &usageError{fmt.Errorf("--batch: %w", err)}
		}
		defer f.Close()
		in = f
	}
	verifier, err := a.ourVerifier(cmd.Context())
	if err != nil {
		return err
	}
	return verifier.VerifyBatch(cmd.Context(), in, a.out)
}

// ourVerifier trusts what this machine trusts, and if the data directory holds an organisation, what that trusts and
// distrusts. Without one it makes none. A machine without a root store trusts nothing of its own.
func (a *app) ourVerifier(ctx context.Context) (*trust.Verifier, error) {
	anchors, err := trust.SystemAnchors()
	if err != nil && !errors.Is(err, trust.ErrNoSystemStore) {
		return nil, err
	}
	var ours desk.Beliefs
	_, err = os.Stat(filepath.Join(a.data, state.FileName))
	switch {
	case err == nil || a.far.remote != "":
		// What cannot be asked now is not left out in silence: the answer would be another's.
		if ours, err = call[desk.Beliefs](ctx, a, "trust/beliefs", admin.Nothing{}); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("looking for an organisation: %w", err)
	}
	return ours.Verifier(anchors, unasked{})
}

// unasked is the [trust.Revocation] of a question without lists.
type unasked struct{}

// Check says that nobody was asked.
func (unasked) Check(context.Context, trust.Link) trust.Finding {
	return trust.Finding{State: trust.StateUnknown, Why: "no revocation list was given (--crl), and this command asks nobody"}
}

func (a *app) verify(cmd *cobra.Command, v verifying, leaf string) error {
	q, err := v.question()
	if err != nil {
		return err
	}
	certificates, err := a.certificatesIn(leaf)
	if err != nil {
		return err
	}
	if len(certificates) == 0 {
		return fmt.Errorf("reading %s: it holds no certificate", leaf)
	}
	q.Leaf, q.Intermediates = certificates[0], certificates[1:]
	if v.chain != "" {
		chain, err := a.certificatesIn(v.chain)
		if err != nil {
			return err
		}
		q.Intermediates = append(q.Intermediates, chain...)
	}
	if v.roots != "" {
		if q.Roots, err = a.certificatesIn(v.roots); err != nil {
			return err
		}
		if q.Roots == nil {
			q.Roots = []*x509.Certificate{} // trust nothing, rather than what this machine trusts
		}
	}
	if len(v.crls) > 0 {
		if q.Revocation, err = a.listsIn(v.crls); err != nil {
			return err
		}
	}
	verifier, err := a.ourVerifier(cmd.Context())
	if err != nil {
		return err
	}
	return a.printVerdict(verifier.Verify(cmd.Context(), *q))
}

// question checks the words of the flags.
func (v verifying) question() (*trust.Question, error) {
	q := &trust.Question{Name: v.name}
	if v.maxDepth >= 0 {
		q.MaxDepth = &v.maxDepth
	}
	var err error
	if v.at != "" {
		if q.At, err = parseTime(v.at); err != nil {
			return nil, &usageError{fmt.Errorf("--at: %w", err)}
		}
	}
	if q.Purpose, err = trust.ParsePurpose(v.purpose); err != nil {
		return nil, err
	}
	if q.Mode, err = trust.ParseMode(v.revocation); err != nil {
		return nil, err
	}
	q.Profile, err = trust.ParseProfile(v.profile)
	return q, err
}

// certificatesIn reads the certificates of a file.
func (a *app) certificatesIn(name string) ([]*x509.Certificate, error) {
	file, err := a.readImport(name)
	if err != nil {
		return nil, err
	}
	c, err := certfile.Read(file.Name, file.Data, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for _, cert := range c.Certificates {
		all = append(all, cert.Certificate)
	}
	return all, nil
}

// listsIn reads revocation lists.
func (a *app) listsIn(names []string) (*trust.CRLs, error) {
	var lists [][]byte
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading a revocation list: %w", err)
		}
		data, err := io.ReadAll(io.LimitReader(f, revocation.MaxCRLBytes+1))
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if len(data) <= certfile.MaxBytes {
			if c, err := certfile.Read(name, data, certfile.ReadOptions{}); err == nil && len(c.CRLs) > 0 {
				for _, list := range c.CRLs {
					lists = append(lists, list.DER)
				}
				continue
			}
		}
		lists = append(lists, data)
	}
	return trust.NewCRLs(lists...), nil
}

func (a *app) printVerdict(v trust.Verdict) error {
	out := verified{Status: v.Status, Reason: v.Reason, RootType: v.RootType, Chain: []string{}, Lints: []string{}, Unchecked: v.Unchecked}
	for _, cert := range v.Chain {
		out.Chain = append(out.Chain, x509cert.SubjectText(cert.Subject))
	}
	for _, l := range v.Lints {
		out.Lints = append(out.Lints, l.Rule+": "+l.Text)
	}
	if a.json {
		if err := a.printJSON(out); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "%s: %s\n", out.Status, out.Reason)
		if out.Unchecked != "" {
			fmt.Fprintf(a.out, "not checked: %s\n", out.Unchecked)
		}
		for i, subject := range out.Chain {
			fmt.Fprintf(a.out, "%*s%s\n", 2*(i+1), "", subject)
		}
		for _, l := range out.Lints {
			fmt.Fprintf(a.out, "lint: %s\n", l)
		}
	}
	if v.Status != x509cert.StatusValid {
		return errNotValid
	}
	return nil
}

// errNotValid asks for exit status 1, without a word: the output has said it.
var errNotValid = errors.New("not valid")
