package desk

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
)

// Scope is how far a token reaches. Each includes those before it.
type Scope string

// The scopes.
const (
	ScopeRead    Scope = "read"    // looks
	ScopeOperate Scope = "operate" // certificates: make, renew, activate, enable
	ScopeAdmin   Scope = "admin"   // private keys, trust, tokens, sign-in links, listeners, recovery
)

// Scopes are all of them, the narrowest first.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeOperate, ScopeAdmin} }

// Allows says whether a scope reaches as far as wanted. One that is not known reaches nowhere, and one that is
// not known is reached by nobody.
func (s Scope) Allows(wanted Scope) bool {
	have, want := slices.Index(Scopes(), s), slices.Index(Scopes(), wanted)
	return have >= 0 && want >= 0 && have >= want
}

// Lives of a token. It must end: one that nobody remembers is a key under the mat. The longest is that of the
// longest public certificate there was, so that nobody's yearly habits break.
const (
	TokenLife    = 90 * 24 * time.Hour
	MaxTokenLife = 398 * 24 * time.Hour
)

// tokenEnding is how long before its end a token is a reminder in status.
const tokenEnding = 14 * 24 * time.Hour

// TokenPrefix begins every token, so that people and scanners of repositories know one when they see it.
const TokenPrefix = "postseal_"

// tokenBytes is the length of a whole token: the prefix, and 256 bits in base64url.
const tokenBytes = len(TokenPrefix) + 43

// usedEvery is how exactly the last use of a token is kept: each keeping is a write.
const usedEvery = 5 * time.Minute

// Errors of tokens.
var (
	// ErrTokenName: a token's name is not one.
	ErrTokenName = errors.New("a token's name has 1 to 40 of the letters a-z, digits, dots, hyphens and underlines")
	// ErrTokenLife: a token would live too long, or not at all.
	ErrTokenLife = errors.New("a token lives one hour to 398 days")
	// ErrTokenOutlives: a token would outlive the token that makes it, and so have no end.
	ErrTokenOutlives = errors.New("a token made with a token must not outlive it")
	// ErrLinkByToken: a sign-in link asked for with a token. The session it becomes would have no end but its own, whatever
	// becomes of the token.
	ErrLinkByToken = errors.New("a sign-in link is not made with a token")
	// ErrTokenInvalid: a token that never was, or was revoked.
	ErrTokenInvalid = errors.New("the token is not known: it was revoked, or is of another organisation")
	// ErrTokenExpired: a token whose time is over.
	ErrTokenExpired = errors.New("the token has expired")
)

// UnknownScopeError reports a scope that there is not.
type UnknownScopeError struct{ Scope string }

func (e *UnknownScopeError) Error() string {
	return fmt.Sprintf("scope %q: there is no such scope", clip(e.Scope))
}

// TokenExistsError reports a name that a token has already.
type TokenExistsError struct{ Name string }

func (e *TokenExistsError) Error() string {
	return fmt.Sprintf("making the token %q: there is one of that name", e.Name)
}

// UnknownTokenError reports a name that no token has.
type UnknownTokenError struct{ Name string }

func (e *UnknownTokenError) Error() string {
	return fmt.Sprintf("token %q: there is none of that name", clip(e.Name))
}

// TokenRequest asks for a token of the API.
type TokenRequest struct {
	Name      string `json:"name"`                // unique; audit rows name it
	Scope     Scope  `json:"scope,omitempty"`     // empty means read
	ExpiresIn int64  `json:"expiresIn,omitempty"` // seconds; 0 means 90 days, at most 398 days
}

// TokenNameRequest names a token.
type TokenNameRequest struct {
	Name string `json:"name"`
}

// Token is a new token. It is shown this once: the state keeps a hash of it.
type Token struct {
	Name         string    `json:"name"`
	Token        string    `json:"token"`
	Scope        Scope     `json:"scope"`
	ExpiresAt    time.Time `json:"expiresAt"`
	Fingerprints []string  `json:"fingerprints"` // SHA-256 of the certificates that management serves, for --fingerprint
}

// TokenView is a token as lists show it.
type TokenView struct {
	Name      string    `json:"name"`
	Scope     Scope     `json:"scope"`
	MadeBy    string    `json:"madeBy"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	UsedAt    time.Time `json:"usedAt,omitzero"` // absent: never; kept to five minutes
	Expired   bool      `json:"expired"`
}

var tokenName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

// Check fails when a request can be seen to be wrong without looking at the state.
func (r TokenRequest) Check() error {
	if !tokenName.MatchString(r.Name) {
		return fmt.Errorf("making the token %q: %w", clip(r.Name), ErrTokenName)
	}
	if r.Scope != "" && !slices.Contains(Scopes(), r.Scope) {
		return &UnknownScopeError{Scope: string(r.Scope)}
	}
	if s := r.ExpiresIn; s != 0 && (s < int64(time.Hour/time.Second) || s > int64(MaxTokenLife/time.Second)) {
		return fmt.Errorf("making the token %q: %w", r.Name, ErrTokenLife)
	}
	return nil
}

// NewToken makes a token of the API.
func (d *Desk) NewToken(ctx context.Context, who state.Actor, r TokenRequest) (*Token, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Scope == "" {
		r.Scope = ScopeRead
	}
	life := time.Duration(r.ExpiresIn) * time.Second
	if life == 0 {
		life = TokenLife
	}
	token := &Token{Name: r.Name, Token: TokenPrefix + newToken(), Scope: r.Scope}
	maker, byToken := BearerOf(ctx)
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		all, err := tx.Tokens()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(t state.Token) bool { return t.Name == r.Name }) {
			return &TokenExistsError{Name: r.Name}
		}
		token.ExpiresAt = tx.Now().Add(life)
		if byToken && token.ExpiresAt.After(maker.ExpiresAt) {
			return fmt.Errorf("making the token %q: %w, which ends at %s", r.Name, ErrTokenOutlives, maker.ExpiresAt.Format(time.RFC3339))
		}
		tx.ActFor(d.server)
		if err := tx.AddToken(state.Token{Name: r.Name, Hash: hash(token.Token), Scope: string(r.Scope), MadeBy: who.Who, ExpiresAt: token.ExpiresAt}); err != nil {
			return err
		}
		return tx.Audit("token-new", r.Name, nil, map[string]any{"scope": r.Scope, "expires": token.ExpiresAt})
	})
	if err != nil {
		return nil, err
	}
	known, err := d.Fingerprints(ctx)
	if err != nil {
		return nil, err
	}
	token.Fingerprints = known.Fingerprints
	return token, nil
}

// Tokens lists the tokens, the one that ends first first.
func (d *Desk) Tokens(ctx context.Context) ([]TokenView, error) {
	views := []TokenView{}
	err := d.db.View(ctx, func(tx *state.Tx) error {
		all, err := tx.Tokens()
		for _, t := range all {
			views = append(views, TokenView{Name: t.Name, Scope: Scope(t.Scope), MadeBy: t.MadeBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
				UsedAt: t.UsedAt, Expired: !tx.Now().Before(t.ExpiresAt)})
		}
		return err
	})
	slices.SortFunc(views, func(a, b TokenView) int {
		if n := a.ExpiresAt.Compare(b.ExpiresAt); n != 0 {
			return n
		}
		return strings.Compare(a.Name, b.Name)
	})
	return views, err
}

// RevokeToken makes a token worthless, from the next request on.
func (d *Desk) RevokeToken(ctx context.Context, who state.Actor, r TokenNameRequest) (*TokenView, error) {
	var view TokenView
	_, err := d.db.Update(ctx, who, func(tx *state.Tx) error {
		all, err := tx.Tokens()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(t state.Token) bool { return t.Name == r.Name })
		if i < 0 {
			return &UnknownTokenError{Name: r.Name}
		}
		t := all[i]
		view = TokenView{Name: t.Name, Scope: Scope(t.Scope), MadeBy: t.MadeBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
			UsedAt: t.UsedAt, Expired: !tx.Now().Before(t.ExpiresAt)}
		tx.ActFor(d.server)
		if err := tx.RemoveToken(t.Name); err != nil {
			return err
		}
		return tx.Audit("token-revoke", t.Name, map[string]any{"scope": t.Scope, "expires": t.ExpiresAt}, nil)
	})
	if err != nil {
		return nil, err
	}
	return &view, nil
}

// Bearer is who shows a token.
type Bearer struct {
	Name      string
	Scope     Scope
	ExpiresAt time.Time
}

type bearerKey struct{}

// WithBearer says that what follows is asked by the bearer of a token.
func WithBearer(ctx context.Context, b Bearer) context.Context {
	return context.WithValue(ctx, bearerKey{}, b)
}

// BearerOf returns the bearer of a token that asks, if it is one.
func BearerOf(ctx context.Context) (Bearer, bool) {
	b, ok := ctx.Value(bearerKey{}).(Bearer)
	return b, ok
}

// Bearer finds out who shows a token: [ErrTokenInvalid] for one that is not known, [ErrTokenExpired] for one
// whose time is over. The state is asked by the token's hash, so how long that takes tells nothing about tokens
// that are near.
func (d *Desk) Bearer(ctx context.Context, token string) (Bearer, error) {
	if len(token) != tokenBytes || !strings.HasPrefix(token, TokenPrefix) {
		return Bearer{}, ErrTokenInvalid
	}
	var t state.Token
	var now time.Time
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		now = tx.Now()
		t, err = tx.TokenByHash(hash(token))
		return err
	})
	switch {
	case errors.Is(err, state.ErrNotFound):
		return Bearer{}, ErrTokenInvalid
	case err != nil:
		return Bearer{}, err
	case !now.Before(t.ExpiresAt):
		return Bearer{}, fmt.Errorf("token %q: %w", t.Name, ErrTokenExpired)
	}
	if now.Sub(t.UsedAt) >= usedEvery {
		// That a use was not written down must not fail it.
		if err := d.db.Keep(ctx, func(tx *state.Tx) error { return tx.TokenUsed(t.Hash) }); err != nil {
			d.log.WarnContext(ctx, "keeping the last use of a token", "token", t.Name, "err", err)
		}
	}
	return Bearer{Name: t.Name, Scope: Scope(t.Scope), ExpiresAt: t.ExpiresAt}, nil
}

// tokenEndings reminds of tokens that end soon or have ended: the program that uses one will be refused.
func tokenEndings(tokens []TokenView) []health.Condition {
	var all []health.Condition
	for _, t := range tokens {
		left := time.Until(t.ExpiresAt)
		if left >= tokenEnding {
			continue
		}
		c := health.Condition{Code: health.CodeTokenEnding, Severity: health.Information, Object: t.Name}
		c.Text = fmt.Sprintf("the token %q ends on %s", t.Name, t.ExpiresAt.Format(time.DateOnly))
		if left <= 0 {
			c.Text = fmt.Sprintf("the token %q ended on %s", t.Name, t.ExpiresAt.Format(time.DateOnly))
		}
		all = append(all, c)
	}
	return all
}
