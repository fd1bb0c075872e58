package desk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"postseal/internal/ground/state"
)

// Lives of sign-in tokens (design.md, "Limits before login").
const (
	LinkLife    = 15 * time.Minute
	SessionLife = 12 * time.Hour
)

// Link is a one-time sign-in link's token.
type Link struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// NewLink makes a token for one sign-in to the pages. Who asks with a token of the API is refused with
// [ErrLinkByToken]: links are for whoever sits at the server.
func (d *Desk) NewLink(ctx context.Context, who state.Actor) (*Link, error) {
	if _, byToken := BearerOf(ctx); byToken {
		return nil, fmt.Errorf("making a sign-in link: %w", ErrLinkByToken)
	}
	link := &Link{Token: newToken()}
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		link.ExpiresAt = tx.Now().Add(LinkLife)
		tx.ActFor(d.server)
		if err := tx.AddSignIn(state.SignIn{TokenHash: hash(link.Token), Kind: state.SignInLink, Who: who.Who, ExpiresAt: link.ExpiresAt}); err != nil {
			return err
		}
		return tx.Audit("sign-in-link", who.Who, nil, map[string]time.Time{"expires": link.ExpiresAt})
	})
	if err != nil {
		return nil, fmt.Errorf("making a sign-in link: %w", err)
	}
	return link, nil
}

// SignIn takes a link's token, which thereby is used up, and returns the token of a session.
// [ErrSignInLink] when the link is not good.
func (d *Desk) SignIn(ctx context.Context, token, from string) (session string, expires time.Time, err error) {
	// Whoever tries tokens costs a look, not a write.
	if err := d.db.View(ctx, func(tx *state.Tx) error { return goodLink(tx, token) }); err != nil {
		return "", time.Time{}, err
	}
	session = newToken()
	_, err = d.db.Update(ctx, state.Actor{Who: "sign-in link", From: from}, func(tx *state.Tx) error {
		if err := goodLink(tx, token); err != nil {
			return err
		}
		link, err := tx.SignIn(hash(token), state.SignInLink)
		if err != nil {
			return err
		}
		if err := tx.RemoveSignIn(link.TokenHash); err != nil {
			return err
		}
		expires = tx.Now().Add(SessionLife)
		tx.ActFor(d.server)
		if err := tx.AddSignIn(state.SignIn{TokenHash: hash(session), Kind: state.SignInSession, Who: link.Who, ExpiresAt: expires}); err != nil {
			return err
		}
		return tx.Audit("sign-in", link.Who, nil, map[string]time.Time{"expires": expires})
	})
	return session, expires, err
}

// goodLink fails with [ErrSignInLink] unless the link can be used.
func goodLink(tx *state.Tx, token string) error {
	_, err := tx.SignIn(hash(token), state.SignInLink)
	if errors.Is(err, state.ErrNotFound) {
		return ErrSignInLink
	}
	return err
}

// Session says who a session's token belongs to, or [state.ErrNotFound].
func (d *Desk) Session(ctx context.Context, token string) (who string, err error) {
	err = d.db.View(ctx, func(tx *state.Tx) error {
		s, err := tx.SignIn(hash(token), state.SignInSession)
		who = s.Who
		return err
	})
	return who, err
}

// SignOut ends a session.
func (d *Desk) SignOut(ctx context.Context, token string, who state.Actor) error {
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(d.server)
		if err := tx.RemoveSignIn(hash(token)); err != nil {
			return err
		}
		return tx.Audit("sign-out", who.Who, nil, nil)
	})
	return err
}

// newToken returns 256 random bits, fit for a URL.
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hash is what the state keeps of a token: whoever reads the database cannot sign in with it.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
