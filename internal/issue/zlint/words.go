package zlint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Program is the name of the program that reads, beside ours.
const Program = "postseal-zlint"

// Protocol is what both sides speak. A child says it first, in a [Hello].
const Protocol = 1

// Hello is the first line of a child.
type Hello struct {
	Program  string `json:"program"`
	Protocol int    `json:"protocol"`
}

// Kind says what is to be read.
type Kind byte

// What there is to read.
const (
	Certificate Kind = 'C'
	List        Kind = 'L' // a revocation list
)

const (
	// MaxBytes bounds what is given to a child. A revocation list of so many octets has some 25,000 entries; that of a
	// shard has 10,000 at most.
	MaxBytes = 1 << 20
	// MaxFindings is how many things a child finds in one.
	MaxFindings = 500
	// MaxDetailBytes bounds what it says about each.
	MaxDetailBytes = 300
	maxAnswerBytes = 1 << 20
)

// Finding is what one lint says.
type Finding struct {
	Lint     string `json:"lint"`
	Severity string `json:"severity"` // warn, error or fatal
	Details  string `json:"details,omitempty"`
}

// Answer is what a child says of one thing that it was given.
type Answer struct {
	Findings []Finding `json:"findings"`
	// Unreadable says why zlint could make nothing of it; empty: it could.
	Unreadable string `json:"unreadable,omitempty"`
}

// errTooLarge says that something is larger than [MaxBytes].
var errTooLarge = errors.New("too large for zlint")

const headerBytes = 5

// WriteItem writes one thing to be read: its kind, its length in four octets, itself.
func WriteItem(w io.Writer, k Kind, der []byte) error {
	if len(der) > MaxBytes {
		return errTooLarge
	}
	frame := make([]byte, 0, headerBytes+len(der))
	frame = append(frame, byte(k))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(der)))
	_, err := w.Write(append(frame, der...))
	return err
}

// ReadItem reads one; [io.EOF] means that there is no more.
func ReadItem(r io.Reader) (Kind, []byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err // EOF only before the first octet
	}
	k, n := Kind(header[0]), binary.BigEndian.Uint32(header[1:])
	switch {
	case k != Certificate && k != List:
		return 0, nil, fmt.Errorf("reading what to look at: there is no kind %q", byte(k))
	case n > MaxBytes:
		return 0, nil, fmt.Errorf("reading what to look at: %w", errTooLarge)
	}
	der := make([]byte, n)
	if _, err := io.ReadFull(r, der); err != nil {
		return 0, nil, fmt.Errorf("reading what to look at: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	return k, der, nil
}
