package desk

import (
	"cmp"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
)

// Profiles of people.
const (
	profileSign    = "smime-sign"
	profileEncrypt = "smime-encrypt"
	profileUser    = "user"
)

// maxPeople bounds how many people are published at once.
const maxPeople = 100_000

// PersonRequest asks for a certificate of a person, with its key, in a file that the person's mail program takes.
type PersonRequest struct {
	Profile  string   `json:"profile"`                 // smime-sign, smime-encrypt or user
	Email    string   `json:"email"`                   //
	Name     string   `json:"name,omitempty"`          // of the person; empty means the address
	Kind     string   `json:"kind,omitempty"`          // of the key; empty means rsa-2048, which every mail program knows
	Format   string   `json:"format,omitempty"`        // of the PFX: "modern" (also when empty) or "windows2016"
	Password Password `json:"password"`                // of the PFX
	Short    bool     `json:"shortPassword,omitempty"` // a password of fewer than eight characters is meant
	DryRun   bool     `json:"dryRun,omitempty"`        // only say whether it would be issued
}

// Check finds what is wrong with the request itself.
func (r PersonRequest) Check() error {
	if !slices.Contains([]string{profileSign, profileEncrypt, profileUser}, r.Profile) {
		return &ValueError{"--profile", r.Profile, "want smime-sign, smime-encrypt or user"}
	}
	if r.Name != "" {
		if err := checkText("--name", r.Name, 64); err != nil { // ub-common-name, RFC 5280 appendix A.1
			return err
		}
	}
	if r.Kind != "" {
		if _, err := keys.ParseKind(r.Kind); err != nil {
			return err
		}
	}
	return checkPFXFormat(r.Format)
}

// checkPFXFormat refuses a format that there is not before anything is issued: a certificate whose file cannot be written is
// revoked at once, and stands on the list for its life.
func checkPFXFormat(format string) error {
	switch p := certfile.Profile(strings.ToLower(format)); p {
	case "", certfile.ProfileModern, certfile.ProfileWindows2016:
		return nil
	default:
		return fmt.Errorf("profile %q: %w", clip(string(p)), certfile.ErrUnknownProfile)
	}
}

// useOf says what a certificate of a person does, behind the name in the file.
func useOf(profile string) string {
	return map[string]string{profileSign: "signature", profileEncrypt: "encryption", profileUser: "sign-in"}[profile]
}

// PersonFile is a certificate of a person with its key.
type PersonFile struct {
	Serial       string    `json:"serial"`
	FriendlyName string    `json:"friendlyName"` // in the file: what Windows and mail programs show
	NotAfter     time.Time `json:"notAfter"`
	Data         []byte    `json:"data"` // PFX
}

// IssuePerson makes a key, certifies it for a person, and hands both out in a PFX. A key of smime-encrypt is kept, sealed,
// with the plan: whoever loses the file would lose every letter to it, so [Desk.PersonKey] hands it out again. A key that
// signs or signs in is kept until it is written down that it has left, and nowhere afterwards: a signature that two could
// have made proves nothing. What cannot be handed out is revoked, now or at the next start: its owner does not have it, and
// others would encrypt for it.
func (d *Desk) IssuePerson(ctx context.Context, who state.Actor, r PersonRequest) (*PersonFile, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if !r.DryRun {
		if err := CheckFilePassword(r.Password, r.Short); err != nil {
			return nil, err
		}
	}
	profile, err := d.profile(ctx, r.Profile)
	if err != nil {
		return nil, err
	}
	kind := keys.RSA2048
	if r.Kind != "" {
		kind, _ = keys.ParseKind(r.Kind) // it was checked
	}
	key, err := keys.Generate(kind)
	if err != nil {
		return nil, err
	}
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	s := v.sealer()
	if _, err := s.seal(state.SecretMemberKey, key); err != nil {
		return nil, err
	}
	w := wanted{profile: profile, key: key.Public(), names: []string{r.Email}, subject: pkix.Name{CommonName: cmp.Or(r.Name, r.Email)}, requester: who.Who, secret: &s.made[0], dry: r.DryRun}
	if r.Profile == profileEncrypt && !r.DryRun {
		w.planned = keeping(key, s.recipients)
	}
	out, err := d.issueOne(ctx, who, w)
	if step, ok := errors.AsType[*ca.StepError](err); ok {
		return nil, errors.Join(err, d.giveUpKey(context.WithoutCancel(ctx), step.Serial))
	}
	if err != nil {
		return nil, err
	}
	if r.DryRun {
		return &PersonFile{FriendlyName: cmp.Or(r.Name, r.Email) + " (" + useOf(r.Profile) + ")"}, nil
	}
	f, err := d.handOut(ctx, who, r, out, key)
	if err != nil {
		return nil, errors.Join(err, d.giveUpKey(context.WithoutCancel(ctx), out.serial))
	}
	return f, nil
}

// handOut writes the file of a person, and then down that it leaves; the key is not kept any more.
func (d *Desk) handOut(ctx context.Context, who state.Actor, r PersonRequest, out *issued, key *keys.Private) (*PersonFile, error) {
	f, err := personFile(personParts{cmp.Or(r.Name, r.Email), r.Profile, key, out}, r.Format, r.Password)
	if err != nil {
		return nil, err
	}
	// A private key leaves.
	err = d.db.Append(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.DropKey(f.Serial); err != nil {
			return err
		}
		return tx.Audit("ca person", f.Serial, nil, map[string]string{"email": r.Email, "profile": r.Profile})
	})
	if errors.Is(err, state.ErrOutcomeUnknown) {
		// If it was written down, nothing takes the certificate back: without its file nobody could use it.
		written := false
		again := d.db.View(context.WithoutCancel(ctx), func(tx *state.Tx) error {
			i, err := tx.Issuance(f.Serial)
			written = err == nil && i.SecretID == ""
			return err
		})
		if err = errors.Join(err, again); written {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// giveUpKey revokes a certificate whose key was to be handed out and was not, and forgets the key. One that was never planned
// is nothing to give up. What cannot be done now, the next start does.
func (d *Desk) giveUpKey(ctx context.Context, serial string) error {
	err := d.db.Append(ctx, starter(), func(tx *state.Tx) error {
		tx.ActFor(d.server)
		i, err := tx.Issuance(serial)
		if errors.Is(err, state.ErrNotFound) || err == nil && i.SecretID == "" {
			return errNothingToDo
		}
		if err != nil {
			return err
		}
		return giveUpIn(tx, i, "it could not be handed out")
	})
	d.pki.forget(serial)
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

// giveUpIn is the same within a transaction.
func giveUpIn(tx *state.Tx, i state.Issuance, why string) error {
	if err := tx.DropKey(i.Serial); err != nil {
		return err
	}
	// What would be kept for decrypting is for letters that nobody can have written, and holds its line in the book.
	if err := tx.DropPersonKey(i.Serial); err != nil {
		return err
	}
	if i.RevokedAt.IsZero() {
		if err := tx.Revoke(i.Serial, int(crl.CessationOfOperation)); err != nil {
			return err
		}
	}
	return tx.Audit("ca give up", i.Serial, nil, map[string]any{"requester": i.Requester, "reason": why})
}

// personParts are what a file for a person is made of.
type personParts struct {
	name    string
	profile string
	key     *keys.Private
	issued  *issued
}

func personFile(p personParts, format string, password Password) (*PersonFile, error) {
	cert := p.issued.certificate
	f := &PersonFile{Serial: p.issued.serial, NotAfter: cert.NotAfter.UTC()}
	f.FriendlyName = fmt.Sprintf("%s (%s, %s)", p.name, useOf(p.profile), f.NotAfter.Format("2006"))
	chain, err := x509.ParseCertificates(p.issued.chain.der)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer of %s: %w", f.Serial, err)
	}
	b := certfile.Bundle{Key: p.key, Leaf: cert, Chain: chain, FriendlyName: f.FriendlyName}
	f.Data, err = certfile.PFX(b, certfile.PFXOptions{Profile: certfile.Profile(strings.ToLower(format)), Password: password.Secret(), FriendlyName: f.FriendlyName})
	return f, err
}

// PersonView is a person as others may know him: the newest certificates that are good now. All of it is public.
type PersonView struct {
	Email   string   `json:"email"`
	Name    string   `json:"name"`
	Sign    []byte   `json:"sign,omitempty"`    // DER
	Encrypt []byte   `json:"encrypt,omitempty"` // DER
	Chain   [][]byte `json:"chain"`             // DER of those above
}

// People lists those whom our own authority has certified for S/MIME, in the order of their addresses.
func (d *Desk) People(ctx context.Context) ([]PersonView, error) {
	all, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	people := make(map[string]*PersonView)
	err = d.db.View(ctx, func(tx *state.Tx) error {
		for _, profile := range []string{profileSign, profileEncrypt} {
			q := state.BookQuery{Profiles: []string{profile}, Status: state.BookIssued, Limit: maxBook}
			for n := 0; n < maxPeople; n += maxBook {
				lines, err := tx.Book(q)
				if err != nil {
					return err
				}
				for _, l := range lines {
					if err := d.meet(tx, people, l, all); err != nil {
						return err
					}
				}
				if len(lines) < maxBook {
					break
				}
				last := lines[len(lines)-1]
				q.After = state.BookPlace{PlannedAt: last.PlannedAt, Serial: last.Serial}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := []PersonView{}
	for _, p := range people {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b PersonView) int { return strings.Compare(a.Email, b.Email) })
	return out, nil
}

// meet adds a line of the book to those whom it names. Lines come the newest first, and the newest counts.
func (d *Desk) meet(tx *state.Tx, people map[string]*PersonView, l state.Issuance, all []state.Authority) error {
	whole, err := tx.Issuance(l.Serial)
	if err != nil {
		return err
	}
	if whole.SecretID != "" {
		return nil // nobody has its key yet
	}
	cert, err := x509cert.ParseCertificate(whole.Certificate)
	if err != nil {
		return fmt.Errorf("reading certificate %s: %w", l.Serial, err)
	}
	for _, email := range cert.EmailAddresses {
		email = strings.ToLower(email)
		p := people[email]
		if p == nil {
			p = &PersonView{Email: email, Name: cert.Subject.CommonName, Chain: [][]byte{}}
			people[email] = p
		}
		slot := &p.Sign
		if l.Profile == profileEncrypt {
			slot = &p.Encrypt
		}
		if *slot != nil {
			continue
		}
		*slot = whole.Certificate
		if i := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == l.AuthorityID }); i >= 0 && len(p.Chain) == 0 {
			p.Chain = append(p.Chain, all[i].Certificate)
		}
	}
	return nil
}
