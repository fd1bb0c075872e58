package acmeserver

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

const (
	nonceLife = time.Hour
	// nonceWindow is how many nonces back one is still good. Whoever takes more of them than this makes others ask for a
	// fresh one, and no more than that.
	nonceWindow = 1 << 18
	nonceBytes  = 8 + 8 + 16
)

// nonces makes and takes nonces. Each is a number with its time under a key that lives as long as the process: nobody else
// can make one, and another server's is none of ours. A window of bits remembers which numbers were used, so the memory
// is 32 KiB whatever strangers do. RFC 8555 section 6.5: a nonce is accepted at most once.
type nonces struct {
	key [32]byte

	// mu guards what follows.
	mu   sync.Mutex
	next uint64
	used [nonceWindow / 64]uint64 // bit number mod nonceWindow: the number, or the one a window before, was used
}

func newNonces() *nonces {
	n := &nonces{}
	rand.Read(n.key[:]) // never fails, crypto/rand
	return n
}

// fresh returns one more.
func (n *nonces) fresh() string {
	n.mu.Lock()
	number := n.next
	n.next++
	at := number % nonceWindow
	n.used[at/64] &^= 1 << (at % 64) // what was a window before is out of it now
	n.mu.Unlock()
	b := make([]byte, 16, nonceBytes)
	binary.BigEndian.PutUint64(b, number)
	binary.BigEndian.PutUint64(b[8:], uint64(time.Now().Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, n.tag(b)...))
}

// made says whether a nonce is one of ours, and young. It may have been used.
func (n *nonces) made(nonce string) (number uint64, ok bool) {
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceBytes) {
		return 0, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || !hmac.Equal(b[16:], n.tag(b[:16])) {
		return 0, false
	}
	age := time.Now().Unix() - int64(binary.BigEndian.Uint64(b[8:16]))
	limit := int64(nonceLife / time.Second)
	return binary.BigEndian.Uint64(b), age <= limit && age >= -limit // the clock may have been set back
}

// use takes a number, once.
func (n *nonces) use(number uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if number >= n.next || n.next-number > nonceWindow {
		return false
	}
	at := number % nonceWindow
	bit := uint64(1) << (at % 64)
	if n.used[at/64]&bit != 0 {
		return false
	}
	n.used[at/64] |= bit
	return true
}

func (n *nonces) tag(b []byte) []byte {
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write(b)
	return mac.Sum(nil)[:16]
}
