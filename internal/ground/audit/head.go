package audit

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// HeadFile is the name of the file in the data directory that holds the head.
const HeadFile = "audit-head"

// MaxHeadBytes bounds a head.
const MaxHeadBytes = 4 << 10

// Errors of a head.
var (
	ErrNotAHead   = errors.New("it is not the head of an audit trail")
	ErrHeadForged = errors.New("the head of the audit trail is not signed by the organisation")
)

// Head is the end of a trail as the organisation has signed it.
type Head struct {
	Server string
	From   int64  // the first row that it speaks for: 1, unless faults before it were accepted
	Base   []byte // the hash that row From follows
	Number int64  // of the last row
	Hash   []byte // of that row
	At     time.Time
	// Signature is Ed25519, by the organisation's key, over everything above.
	Signature []byte
}

// wire is a head as a file.
type wire struct {
	Server    string `json:"server"`
	From      int64  `json:"from"`
	Base      string `json:"base"` // hex
	Number    int64  `json:"number"`
	Hash      string `json:"hash"` // hex
	At        string `json:"at"`
	Signature string `json:"signature"` // base64
}

// statement is what is signed.
func (h *Head) statement() []byte {
	s := sha256.New()
	part(s, []byte("postseal audit head 1"))
	part(s, []byte(h.Server))
	number(s, h.From)
	part(s, h.Base)
	number(s, h.Number)
	part(s, h.Hash)
	number(s, h.At.UnixMicro())
	return s.Sum(nil)
}

// Sign signs the head with the organisation's key.
func (h *Head) Sign(key crypto.Signer) error {
	signature, err := key.Sign(nil, h.statement(), crypto.Hash(0)) // RFC 8032: Ed25519 hashes by itself
	if err != nil {
		return fmt.Errorf("signing the head of the audit trail: %w", err)
	}
	h.Signature = signature
	return nil
}

// Verify fails with [ErrHeadForged] unless the organisation has signed the head.
func (h *Head) Verify(organisation ed25519.PublicKey) error {
	if len(organisation) != ed25519.PublicKeySize || !ed25519.Verify(organisation, h.statement(), h.Signature) {
		return ErrHeadForged
	}
	return nil
}

// Marshal writes the head as a file: one JSON object, so that it can be read, and copied elsewhere.
func (h *Head) Marshal() []byte {
	b, err := json.Marshal(wire{h.Server, h.From, hex.EncodeToString(h.Base), h.Number, hex.EncodeToString(h.Hash), h.At.UTC().Format(time.RFC3339Nano), base64.StdEncoding.EncodeToString(h.Signature)})
	if err != nil {
		panic("audit: internal error: " + err.Error()) // texts and numbers
	}
	return append(b, '\n')
}

// ParseHead reads what [Head.Marshal] writes, or fails with [ErrNotAHead]. It does not verify the signature.
func ParseHead(b []byte) (*Head, error) {
	h, err := parseHead(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAHead, err)
	}
	return h, nil
}

func parseHead(b []byte) (*Head, error) {
	if len(b) > MaxHeadBytes {
		return nil, fmt.Errorf("it has more than %d bytes", MaxHeadBytes)
	}
	var w wire
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	h := &Head{Server: w.Server, From: w.From, Number: w.Number}
	var errs [4]error
	h.Base, errs[0] = hex.DecodeString(w.Base)
	h.Hash, errs[1] = hex.DecodeString(w.Hash)
	h.At, errs[2] = time.Parse(time.RFC3339Nano, w.At)
	h.Signature, errs[3] = base64.StdEncoding.DecodeString(w.Signature)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if y := h.At.UTC().Year(); y < 1970 || y > 9999 {
		return nil, errors.New("its time is impossible")
	}
	if h.Server == "" || h.From < 1 || h.Number < h.From || len(h.Hash) != sha256.Size {
		return nil, errors.New("its numbers are impossible")
	}
	return h, nil
}
