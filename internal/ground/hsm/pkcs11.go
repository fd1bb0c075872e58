//go:build pkcs11

package hsm

import (
	"crypto"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"postseal/internal/ground/keys"
)

const (
	// sessions is how many signatures may be in the making at once. Small modules have few sessions, and others use them too.
	sessions = 8
	// waiting is how long one waits for a session.
	waiting = 10 * time.Second
)

// token is an open one.
type token struct{ context *crypto11.Context }

// open loads the library, finds the token, and logs in.
func open(o Options, pin keys.Secret) (driver, error) {
	// The library wants the PIN as a string, and keeps it as long as the token is open.
	c, err := crypto11.Configure(&crypto11.Config{Path: o.Library, TokenLabel: o.Token, Pin: string(pin), MaxSessions: sessions, PoolWaitTimeout: waiting})
	if err == nil {
		return &token{c}, nil
	}
	if code, ok := errors.AsType[pkcs11.Error](err); ok {
		switch code {
		case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED:
			return nil, fmt.Errorf("%w: %w", ErrPIN, err)
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func (t *token) generate(kind keys.Kind, r Ref) (crypto.Signer, error) {
	id, label := r.id[:], []byte(r.label)
	switch kind {
	case keys.ECDSAP256:
		return t.context.GenerateECDSAKeyPairWithLabel(id, label, elliptic.P256())
	case keys.ECDSAP384:
		return t.context.GenerateECDSAKeyPairWithLabel(id, label, elliptic.P384())
	case keys.RSA2048:
		return t.context.GenerateRSAKeyPairWithLabel(id, label, 2048)
	case keys.RSA3072:
		return t.context.GenerateRSAKeyPairWithLabel(id, label, 3072)
	case keys.RSA4096:
		return t.context.GenerateRSAKeyPairWithLabel(id, label, 4096)
	}
	return nil, ErrKind
}

func (t *token) find(r Ref) (crypto.Signer, error) {
	key, err := t.pair(r)
	if err != nil || key == nil { // a nil of their interface would not be a nil of ours
		return nil, err
	}
	return key, nil
}

// pair finds one by its id, or nil. Their FindKeyPair makes an error without a type of what is not there.
func (t *token) pair(r Ref) (crypto11.Signer, error) {
	all, err := t.context.FindKeyPairs(r.id[:], nil)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (t *token) list() ([]Found, error) {
	all, err := t.context.FindAllKeyPairs()
	if err != nil {
		return nil, err
	}
	var out []Found
	for _, key := range all {
		f := Found{Public: key.Public()}
		if a, err := t.context.GetAttribute(key, crypto11.CkaId); err == nil && a != nil {
			f.ID = hex.EncodeToString(a.Value)
		}
		if a, err := t.context.GetAttribute(key, crypto11.CkaLabel); err == nil && a != nil {
			f.Label = string(a.Value)
		}
		out = append(out, f)
	}
	return out, nil
}

func (t *token) close() error { return t.context.Close() }
