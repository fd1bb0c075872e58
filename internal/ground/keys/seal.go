package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// sealVersion is the first byte of every ciphertext and of every wrapped key, and part of what they are bound to. A
// new suite or layout takes the next number.
const sealVersion = 1

const dataKeyBytes = 32 // AES-256

// ErrSealedOtherwise says that a secret does not open: it was sealed for another key, another recipient or another
// object, or it was altered.
var ErrSealedOtherwise = errors.New("sealed for another key, recipient or object, or altered")

// Object names what a sealed secret belongs to, for instance {"private-key", "42"}. Neither field may be empty. A
// secret opens only under the object that it was sealed for.
type Object struct {
	Kind string
	ID   string
}

// Sealed is a secret in the form in which it is stored. Nothing in it is secret.
type Sealed struct {
	Ciphertext []byte            // version, nonce, the secret under the data key, tag
	Wrapped    map[string][]byte // by recipient: version, the data key under the recipient's sealing key
}

// Seal encrypts plain for the object, so that each recipient in to can open it. The keys of to are the ids of the
// recipients, its values their sealing keys' public halves. A recipient without a good key is an error, not left out,
// and so is no recipient at all: nobody could open what would come out.
func Seal(obj Object, plain Secret, to map[string][]byte) (Sealed, error) {
	fail := func(err error) (Sealed, error) { return Sealed{}, fmt.Errorf("sealing %s: %w", obj, err) }
	if err := obj.check(); err != nil {
		return fail(err)
	}
	if len(to) == 0 {
		return fail(errors.New("no recipient"))
	}
	// A fresh key for each object: a server that is let into one secret learns nothing about another.
	dataKey := make(Secret, dataKeyBytes)
	defer dataKey.Wipe()
	rand.Read(dataKey) // never fails: crypto/rand ends the process instead

	s := Sealed{Wrapped: make(map[string][]byte, len(to))}
	for recipient, public := range to {
		wrapped, err := wrap(obj, dataKey, recipient, public)
		if err != nil {
			return fail(err)
		}
		s.Wrapped[recipient] = wrapped
	}
	s.Ciphertext = dataCipher(dataKey).Seal([]byte{sealVersion}, nil, plain, binding("ciphertext", obj, ""))
	return s, nil
}

// Open returns the secret of the object. ciphertext and wrapped are those of [Sealed], wrapped the one for this
// recipient, whose key k is. The error is [ErrSealedOtherwise].
func (k SealingKey) Open(obj Object, recipient string, ciphertext, wrapped []byte) (Secret, error) {
	dataKey, err := k.unwrap(obj, recipient, wrapped)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", obj, err)
	}
	defer dataKey.Wipe()
	if len(ciphertext) == 0 || ciphertext[0] != sealVersion {
		return nil, fmt.Errorf("opening %s: %w", obj, ErrSealedOtherwise)
	}
	plain, err := dataCipher(dataKey).Open(nil, nil, ciphertext[1:], binding("ciphertext", obj, ""))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", obj, ErrSealedOtherwise)
	}
	return plain, nil
}

// Rewrap wraps the data key of an object for one more recipient. It takes the wrapped key of a recipient whose key k
// is, and needs no ciphertext, which stays as it is. The error is [ErrSealedOtherwise] if wrapped does not open.
func (k SealingKey) Rewrap(obj Object, recipient string, wrapped []byte, toRecipient string, toPublic []byte) ([]byte, error) {
	dataKey, err := k.unwrap(obj, recipient, wrapped)
	if err != nil {
		return nil, fmt.Errorf("rewrapping %s for %q: %w", obj, toRecipient, err)
	}
	defer dataKey.Wipe()
	out, err := wrap(obj, dataKey, toRecipient, toPublic)
	if err != nil {
		return nil, fmt.Errorf("rewrapping %s: %w", obj, err)
	}
	return out, nil
}

func wrap(obj Object, dataKey Secret, recipient string, public []byte) ([]byte, error) {
	if recipient == "" {
		return nil, errors.New("a recipient without an id")
	}
	pub, err := sealingKEM().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("sealing key of %q: %w", recipient, err)
	}
	// RFC 9180 section 6.1: one message in a context of its own, so no counter has to be kept.
	wrapped, err := hpke.Seal(pub, sealingKDF(), sealingAEAD(), binding("data key", obj, recipient), dataKey)
	if err != nil {
		return nil, fmt.Errorf("wrapping for %q: %w", recipient, err)
	}
	return append([]byte{sealVersion}, wrapped...), nil
}

func (k SealingKey) unwrap(obj Object, recipient string, wrapped []byte) (Secret, error) {
	if len(wrapped) == 0 || wrapped[0] != sealVersion {
		return nil, fmt.Errorf("data key for %q: %w", recipient, ErrSealedOtherwise)
	}
	dataKey, err := hpke.Open(k.key().private, sealingKDF(), sealingAEAD(), binding("data key", obj, recipient), wrapped[1:])
	if err != nil || len(dataKey) != dataKeyBytes {
		return nil, fmt.Errorf("data key for %q: %w", recipient, ErrSealedOtherwise)
	}
	return dataKey, nil
}

// dataCipher returns AES-256-GCM with a random nonce of 12 bytes in front of the ciphertext. RFC 5116 section 3.1
// asks that a nonce be never used twice with one key; each of these keys encrypts one message.
func dataCipher(dataKey Secret) cipher.AEAD {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		panic("keys: internal error: data key of a wrong length: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("keys: internal error: AES has the block size that GCM wants: " + err.Error())
	}
	return aead
}

// binding returns the bytes to which a ciphertext (as additional data) or a wrapped key (as HPKE info) is bound.
// Every text has its length in front, so that {"ab", "c"} and {"a", "bc"} differ, and the first one says what the
// bytes are for, so that none can be taken for the other.
func binding(purpose string, obj Object, recipient string) []byte {
	b := []byte{sealVersion}
	for _, text := range []string{"postseal " + purpose, obj.Kind, obj.ID, recipient} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

// String returns the kind and the id, for messages.
func (obj Object) String() string { return fmt.Sprintf("%s %q", obj.Kind, obj.ID) }

func (obj Object) check() error {
	if obj.Kind == "" || obj.ID == "" {
		return errors.New("an object needs a kind and an id")
	}
	return nil
}
