package trial

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"postseal/internal/ground/keys"
)

// loginDelay is what a wrong password costs. It is short, since a newcomer mistypes, and still makes guessing
// a password of 100 random bits pointless; the front ends limit connections besides.
const loginDelay = 500 * time.Millisecond

// errLogin is all that a client is told: not whether the name or the password was wrong.
var errLogin = errors.New("wrong name or password")

// account is the one user. It never changes.
type account struct {
	address string // as given: "trial@example.test"
	domain  string
	// compare returns 1 if a password is the right one. It holds the secret where fmt cannot reach it: a verb
	// that does not suit makes fmt print the octets of a Secret in a field, even behind a pointer.
	compare func(password []byte) int
}

func newAccount(address string, password keys.Secret) (*account, error) {
	local, domain, ok := strings.Cut(address, "@")
	notPlain := func(r rune) bool { return r <= ' ' || r > '~' }
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || strings.ContainsFunc(address, notPlain) {
		return nil, fmt.Errorf("trial account %q: not an address of the form name@domain", address)
	}
	if err := checkPassword(password); err != nil {
		return nil, fmt.Errorf("trial account %q: %w", address, err)
	}
	own := keys.NewSecret(password)
	return &account{address: address, domain: domain, compare: func(given []byte) int { return same(given, own.Bytes()) }}, nil
}

// login returns nil, or errLogin after a little while. ctx cuts the wait short.
func (a *account) login(ctx context.Context, user, password string) error {
	// Digests are of one length, so the comparison takes the same time whatever was sent. Both are compared
	// before anything is decided.
	sameUser := same([]byte(strings.ToLower(user)), []byte(strings.ToLower(a.address)))
	samePassword := a.compare([]byte(password))
	if sameUser&samePassword == 1 {
		return nil
	}
	timer := time.NewTimer(loginDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return errLogin
}

func same(got, want []byte) int {
	g, w := sha256.Sum256(got), sha256.Sum256(want)
	return subtle.ConstantTimeCompare(g[:], w[:])
}

// owns reports whether mail to address goes into the mailbox.
func (a *account) owns(address string) bool {
	// RFC 5321 section 4.5.1: postmaster must be accepted at every domain that is served, in any case. Only
	// the domain is without case by the standard; nobody means another person by Trial@.
	return strings.EqualFold(address, a.address) || strings.EqualFold(address, "postmaster@"+a.domain)
}

// serves reports whether the domain of address is ours.
func (a *account) serves(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at >= 0 && strings.EqualFold(address[at+1:], a.domain)
}
