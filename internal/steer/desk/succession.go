package desk

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
)

// ErrNoSuccession: nothing here can say that the certificate in force follows the one that was asked about.
var ErrNoSuccession = errors.New("no key of that certificate is here")

// ErrSuccessionNonce: whoever asks what follows a certificate must show that he asks now.
var ErrSuccessionNonce = errors.New("want a nonce of 64 hex digits")

// Succession says that the certificates which management serves follow an earlier one, signed with the earlier
// one's key. A program far away has pinned that certificate, and so believes it: it asks after each renewal.
// The signature is over a number that the asker has drawn: an answer that somebody has kept, about a certificate that
// was replaced since because its key was stolen, is worth nothing to him.
type Succession struct {
	Certificate []byte   `json:"certificate"` // DER of the earlier one
	Fingerprint []string `json:"fingerprints"`
	Signature   []byte   `json:"signature"` // over [SuccessionText]; ECDSA in ASN.1, RSA-PSS, or Ed25519
}

// SuccessionText is what a succession signs. As in TLS (RFC 8446 section 4.4.3) it begins with 64 spaces and its
// purpose, so that no signature of a handshake can be taken for it, nor it for one.
func SuccessionText(nonce, from string, to []string) []byte {
	return []byte(strings.Repeat(" ", 64) + "Postseal management succession v2\x00" + nonce + "\x00" + from + "\x00" + strings.Join(to, "\x00"))
}

// NewSuccessionNonce draws the number for one question.
func NewSuccessionNonce() string {
	var b [sha256.Size]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return hex.EncodeToString(b[:])
}

// FingerprintView is by what a program elsewhere knows this server.
type FingerprintView struct {
	Fingerprints []string `json:"fingerprints"` // SHA-256 of the certificates that management serves by default, in hex; none while it has none
}

// Fingerprints says by what a program elsewhere knows this server.
func (d *Desk) Fingerprints(ctx context.Context) (*FingerprintView, error) {
	v, err := d.view(ctx)
	if err != nil {
		return nil, err
	}
	return &FingerprintView{v.managementFingerprints()}, nil
}

func (v *view) managementFingerprints() []string {
	all := []string{}
	l, ok := v.defaultOf(listener.Management)
	if !ok {
		return all
	}
	g, _ := l.Current()
	for _, m := range g.Members {
		all = append(all, fingerprint(m.Certificate))
	}
	return all
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Succession finds the certificate of a fingerprint and lets its key say what is served now. Anybody may ask:
// the answer is as public as the certificates. nonce is from [NewSuccessionNonce].
func (d *Desk) Succession(ctx context.Context, from, nonce string) (*Succession, error) {
	if b, err := hex.DecodeString(nonce); err != nil || len(b) != sha256.Size {
		return nil, ErrSuccessionNonce
	}
	var answer *Succession
	d.settling.Lock() // guards the opened keys
	defer d.settling.Unlock()
	err := d.db.View(ctx, func(tx *state.Tx) error {
		v, err := d.look(tx)
		if err != nil {
			return err
		}
		to := v.managementFingerprints()
		m, ok := v.memberOf(from)
		if !ok || m.SecretID == "" || len(to) == 0 {
			return ErrNoSuccession
		}
		held := d.signers[m.SecretID]
		key, err := d.signer(tx, m.SecretID)
		if err != nil {
			return err
		}
		if held == nil {
			delete(d.signers, m.SecretID) // it serves nothing
		}
		answer = &Succession{Certificate: m.Certificate, Fingerprint: to}
		answer.Signature, err = signText(key, SuccessionText(nonce, from, to))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("following the certificate %s: %w", clip(from), err)
	}
	return answer, nil
}

// memberOf finds the certificate of a fingerprint.
func (v *view) memberOf(sha256 string) (state.Member, bool) {
	for _, l := range v.lineages {
		for _, g := range l.Generations {
			for _, m := range g.Members {
				if m.Certificate != nil && fingerprint(m.Certificate) == sha256 {
					return m, true
				}
			}
		}
	}
	return state.Member{}, false
}

func signText(key crypto.Signer, text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	switch key.Public().(type) {
	case ed25519.PublicKey:
		return key.Sign(rand.Reader, text, crypto.Hash(0))
	case *rsa.PublicKey:
		return key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// Follows says whether a succession answers the question with this nonce, is signed with the key of the certificate whose
// SHA-256 is from, and names to among its successors.
func (s *Succession) Follows(nonce, from, to string) bool {
	if fingerprint(s.Certificate) != from || !slices.Contains(s.Fingerprint, to) {
		return false
	}
	cert, err := x509.ParseCertificate(s.Certificate)
	if err != nil {
		return false
	}
	text := SuccessionText(nonce, from, s.Fingerprint)
	sum := sha256.Sum256(text)
	switch key := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], s.Signature)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], s.Signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, text, s.Signature)
	}
	return false
}
