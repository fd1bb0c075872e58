package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
)

// ErrKeyNotKept: a certificate is there, and its key is not: it signs, or its owner made the key himself.
var ErrKeyNotKept = errors.New("its key is not kept here")

// PersonKeyRequest asks for the kept key of a person once more.
type PersonKeyRequest struct {
	ID       string   `json:"id"`                      // the serial of a certificate of smime-encrypt, or the person's address, which means the newest
	Format   string   `json:"format,omitempty"`        // as of [PersonRequest]
	Password Password `json:"password"`                // of the PFX
	Short    bool     `json:"shortPassword,omitempty"` // as of [PersonRequest]
}

// Check finds what is wrong with the request itself.
func (r PersonKeyRequest) Check() error {
	if strings.TrimSpace(r.ID) == "" || len(r.ID) > 320 {
		return &ValueError{"ID", r.ID, "want a serial, or an e-mail address"}
	}
	if err := checkPFXFormat(r.Format); err != nil {
		return err
	}
	return CheckFilePassword(r.Password, r.Short)
}

// keeping seals a key of a person, and returns what stores it in the commit that plans its certificate: there is never a
// certificate to which letters are written and whose key went with a crash.
func keeping(key *keys.Private, recipients map[string][]byte) func(tx *state.Tx, serial string) error {
	return func(tx *state.Tx, serial string) error {
		id := state.PersonKeyID(serial) // the seal is bound to it, so a key cannot be passed off as that of another certificate
		plain := key.PKCS8()
		defer plain.Wipe()
		sealed, err := keys.Seal(keys.Object{Kind: state.SecretPersonKey, ID: id}, plain, recipients)
		if err != nil {
			return fmt.Errorf("sealing the key of a person: %w", err)
		}
		return tx.AddSecret(state.Secret{ID: id, Kind: state.SecretPersonKey, Ciphertext: sealed.Ciphertext, Wrapped: sealed.Wrapped})
	}
}

// PersonKey hands out the key of a person that is kept, with its certificate, in a PFX. The certificate may have ended or be
// revoked: the letters to it are still there. The audit row is written before the key leaves.
func (d *Desk) PersonKey(ctx context.Context, who state.Actor, r PersonKeyRequest) (*PersonFile, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	all, _, err := d.authorities(ctx)
	if err != nil {
		return nil, err
	}
	var line state.Issuance
	var secret state.Secret
	err = d.db.View(ctx, func(tx *state.Tx) (err error) {
		if line, err = d.keptLine(tx, strings.TrimSpace(r.ID)); err != nil {
			return err
		}
		secret, err = tx.Secret(state.PersonKeyID(line.Serial), d.server)
		if errors.Is(err, state.ErrNotFound) || line.Certificate == nil {
			err = fmt.Errorf("exporting the key of certificate %s: %w", line.Serial, ErrKeyNotKept)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(a state.Authority) bool { return a.ID == line.AuthorityID })
	cert, err := x509cert.ParseCertificate(line.Certificate)
	if err != nil || i < 0 {
		return nil, fmt.Errorf("reading certificate %s: %w", line.Serial, err)
	}
	// It is opened anew each time and not kept open: it serves nothing here.
	plain, err := d.sealing.Key.Open(keys.Object{Kind: secret.Kind, ID: secret.ID}, d.server, secret.Ciphertext, secret.Wrapped[d.server])
	if err != nil {
		return nil, err
	}
	defer plain.Wipe()
	key, err := keys.ParsePKCS8(plain)
	if err != nil {
		return nil, err
	}
	f, err := personFile(personParts{cert.Subject.CommonName, line.Profile, key, &issued{line.Serial, cert, chainBelow(all[i])}}, r.Format, r.Password)
	if err != nil {
		return nil, err
	}
	if err := d.db.Append(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		return tx.Audit("ca person-key", line.Serial, nil, map[string]any{"emails": cert.EmailAddresses})
	}); err != nil {
		return nil, err
	}
	return f, nil
}

// keptLine finds the line that an ID means: of an address the newest certificate whose key is kept.
func (d *Desk) keptLine(tx *state.Tx, id string) (state.Issuance, error) {
	if strings.Contains(id, "@") {
		return d.newestKept(tx, strings.ToLower(id))
	}
	line, err := tx.Issuance(strings.ToLower(strings.ReplaceAll(id, ":", "")))
	if errors.Is(err, state.ErrNotFound) {
		err = &UnknownIssuedError{ID: id}
	}
	return line, err
}

// newestKept finds the newest certificate of exactly this address whose key is kept. The book also finds what begins with
// a name and a dot, which for kim@example.com is kim.minji@example.com: somebody else, whose key must not leave in her
// place. One that was never recorded, or whose key its owner made, hides no older one.
func (d *Desk) newestKept(tx *state.Tx, email string) (state.Issuance, error) {
	q := state.BookQuery{Name: email, Profiles: []string{profileEncrypt}, Limit: maxBook}
	var missing error = &UnknownIssuedError{ID: email}
	for {
		lines, err := tx.Book(q)
		if err != nil {
			return state.Issuance{}, err
		}
		for _, l := range lines {
			if !slices.ContainsFunc(l.Names, func(name string) bool { return strings.EqualFold(name, email) }) {
				continue
			}
			missing = fmt.Errorf("exporting a key of %s: %w", email, ErrKeyNotKept)
			_, err := tx.Secret(state.PersonKeyID(l.Serial), d.server)
			if errors.Is(err, state.ErrNotFound) || err == nil && l.RecordedAt.IsZero() {
				continue
			}
			if err != nil {
				return state.Issuance{}, err
			}
			return tx.Issuance(l.Serial) // with its certificate, which the book leaves out
		}
		if len(lines) < q.Limit {
			return state.Issuance{}, missing
		}
		last := lines[len(lines)-1]
		q.After = state.BookPlace{PlannedAt: last.PlannedAt, Serial: last.Serial}
	}
}
