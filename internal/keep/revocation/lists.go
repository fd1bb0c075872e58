package revocation

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
)

// Lists are lists of revoked certificates that are at hand: what `trust verify --crl` is given. They ask nobody.
type Lists struct {
	lists []list
}

// FromCRLs reads lists. Each of crls is one list in DER, or PEM text with any number of them. The error wraps a
// [*MalformedError] and says which one it is, counted from 1.
func FromCRLs(crls [][]byte) (*Lists, error) {
	l := &Lists{}
	for i, b := range crls {
		if err := l.Add(fmt.Sprintf("%d", i+1), b); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Add reads one list in DER, or PEM text with any number of them, under the name that findings call it by. It must not
// be called while the lists are in use. Nothing is added when it returns an error.
func (l *Lists) Add(name string, b []byte) error {
	var parsed []list
	add := func(der []byte) error {
		c, err := ParseCRL(der)
		if err != nil {
			return &ListError{Source: name, Cause: err}
		}
		parsed = append(parsed, list{CRL: c, source: name, stale: true})
		return nil
	}
	if !bytes.Contains(b, []byte("-----BEGIN ")) || len(b) > 0 && b[0] == 0x30 {
		if err := add(b); err != nil {
			return err
		}
	} else {
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "X509 CRL" {
				continue // text around it, or the certificates that came with it
			}
			if err := add(block.Bytes); err != nil {
				return err
			}
		}
		if len(parsed) == 0 {
			return &ListError{Source: name, Cause: &MalformedError{What: "list", Cause: errors.New("the PEM text holds no X509 CRL")}}
		}
	}
	l.lists = append(l.lists, parsed...)
	return nil
}

// Len is how many lists there are.
func (l *Lists) Len() int { return len(l.lists) }

// Check answers q from the lists. The error is that of ctx, or that q is incomplete; what is wrong with the lists is
// in the finding.
func (l *Lists) Check(ctx context.Context, q Query) (Finding, error) {
	return evaluate(ctx, q, l.lists)
}
