package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	_ "embed" // the list that is built in
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// The list that is built in. It names no hash that we could not verify ourselves: of the eight intermediates of
// CVE-2026-111943 we know the root above them, from the distributions' packages, and how their keys are weak. The root is
// in it by its key and by its name as an issuer, and an intermediate cross-signed elsewhere is found by its own key.
//
//go:embed distrust.json
var builtIn []byte

// Bounds of a list of distrust.
const (
	MaxDistrustBytes   = 8 << 20
	MaxDistrustEntries = 100_000
)

// ErrDistrustVersion says that a list of distrust is of a version that this program does not read.
var ErrDistrustVersion = errors.New("list of distrust of an unknown version")

// ErrDistrustNumber says that another list of distrust has the same number.
var ErrDistrustNumber = errors.New("another list of distrust with the same sequence is in use")

// ErrDistrustOlder says that a list of distrust is older than the one it shall replace.
var ErrDistrustOlder = errors.New("list of distrust is older than the one in use")

// InvalidDistrustError says what is wrong with a list of distrust.
type InvalidDistrustError struct {
	Entry  string // "keys[3]"; empty when it is the whole
	Reason string
}

// Error names the entry first.
func (e *InvalidDistrustError) Error() string {
	if e.Entry == "" {
		return "invalid list of distrust: " + e.Reason
	}
	return "invalid list of distrust: " + e.Entry + ": " + e.Reason
}

// A Distrust is a list of what must not be trusted although some authority says so. It is looked at for every
// certificate of every chain, anchors too. It is a file in JSON, so that it changes without a new program:
//
//	{"version": 1, "sequence": 7, "updated": "2026-10-21T00:00:00Z",
//	 "certificates": [{"sha256": HEX, "reason": …}],
//	 "keys":         [{"spkiSha256": HEX, "reason": …}],
//	 "issuers":      [{"issuer": "CN=…,O=…", "after": "2026-10-20T00:00:00Z", "reason": …}],
//	 "smallScalarBits": 16}
//
// An entry of issuers means the certificates of that issuer whose notBefore is at or after the date, all of them if there
// is no date. smallScalarBits distrusts every elliptic key whose private half is a number of so few bits that anybody
// can find it. The higher sequence is the newer list. The zero value distrusts nothing.
type Distrust struct {
	sequence     int64
	updated      time.Time
	certificates map[[32]byte]string
	keys         map[[32]byte]string
	issuers      map[string][]issuerRule // by name in normal form
	scalars      *keys.ScalarSearch      // nil if not wanted
}

type issuerRule struct {
	after  time.Time
	reason string
}

// distrustFile is the form on disk.
type distrustFile struct {
	Version      int           `json:"version"`
	Sequence     int64         `json:"sequence"`
	Updated      time.Time     `json:"updated"`
	Certificates []hashEntry   `json:"certificates"`
	Keys         []hashEntry   `json:"keys"`
	Issuers      []issuerEntry `json:"issuers"`
	Bits         int           `json:"smallScalarBits"`
}

type hashEntry struct {
	SHA256 string `json:"sha256"`
	SPKI   string `json:"spkiSha256"`
	Name   string `json:"name"` // for people only
	Reason string `json:"reason"`
}

type issuerEntry struct {
	Issuer string    `json:"issuer"`
	After  time.Time `json:"after"`
	Reason string    `json:"reason"`
}

// DefaultDistrust is the list that is built in. The error means that this program was built wrongly.
func DefaultDistrust() (*Distrust, error) { return ParseDistrust(builtIn) }

// ParseDistrust reads a list. It is strict: a list with a word that is not known is not read by halves. The error is an
// [*InvalidDistrustError] or [ErrDistrustVersion].
func ParseDistrust(text []byte) (*Distrust, error) {
	if len(text) > MaxDistrustBytes {
		return nil, &InvalidDistrustError{Reason: fmt.Sprintf("longer than %d MiB", MaxDistrustBytes>>20)}
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, &InvalidDistrustError{Reason: clip(err.Error())}
	}
	if version.Version != 1 {
		return nil, fmt.Errorf("%w: %d", ErrDistrustVersion, version.Version)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var f distrustFile
	if err := decoder.Decode(&f); err != nil {
		return nil, &InvalidDistrustError{Reason: clip(err.Error())}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, &InvalidDistrustError{Reason: "something stands after the list"}
	}
	if len(f.Certificates)+len(f.Keys)+len(f.Issuers) > MaxDistrustEntries {
		return nil, &InvalidDistrustError{Reason: fmt.Sprintf("more than %d entries", MaxDistrustEntries)}
	}
	return f.compile()
}

func (f *distrustFile) compile() (*Distrust, error) {
	d := &Distrust{
		sequence: f.Sequence, updated: f.Updated.UTC(), certificates: map[[32]byte]string{}, keys: map[[32]byte]string{}, issuers: map[string][]issuerRule{},
	}
	for i, e := range f.Certificates {
		if err := addHash(d.certificates, e.SHA256, e); err != nil || e.SPKI != "" {
			return nil, &InvalidDistrustError{fmt.Sprintf("certificates[%d]", i), "sha256 must be the 64 hex digits of a SHA-256"}
		}
	}
	for i, e := range f.Keys {
		if err := addHash(d.keys, e.SPKI, e); err != nil || e.SHA256 != "" {
			return nil, &InvalidDistrustError{fmt.Sprintf("keys[%d]", i), "spkiSha256 must be the 64 hex digits of a SHA-256"}
		}
	}
	for i, e := range f.Issuers {
		name, err := x509cert.ParseSubject(e.Issuer)
		if err != nil {
			return nil, &InvalidDistrustError{fmt.Sprintf("issuers[%d]", i), err.Error()}
		}
		key, err := normalOf(name)
		if err != nil {
			return nil, &InvalidDistrustError{fmt.Sprintf("issuers[%d]", i), err.Error()}
		}
		d.issuers[string(key)] = append(d.issuers[string(key)], issuerRule{e.After, because(e.Reason)})
	}
	if f.Bits < 0 || f.Bits > keys.MaxScalarBits {
		return nil, &InvalidDistrustError{"smallScalarBits", fmt.Sprintf("not between 0 and %d", keys.MaxScalarBits)}
	}
	if f.Bits > 0 {
		d.scalars = keys.NewScalarSearch(f.Bits)
	}
	return d, nil
}

func addHash(into map[[32]byte]string, digits string, e hashEntry) error {
	sum, err := hex.DecodeString(strings.ToLower(digits))
	if err != nil || len(sum) != sha256.Size {
		return errors.New("no SHA-256")
	}
	into[[32]byte(sum)] = because(e.Reason)
	return nil
}

func because(reason string) string {
	if reason == "" {
		return "it is on the list of distrust"
	}
	return clip(reason)
}

// Sequence is the number of the list; a higher one is newer.
func (d *Distrust) Sequence() int64 { return d.sequence }

// Updated is when the list was made, as it says itself; zero if it does not.
func (d *Distrust) Updated() time.Time { return d.updated }

// Len is how many certificates, keys and issuers are named.
func (d *Distrust) Len() int {
	n := len(d.certificates) + len(d.keys)
	for _, rules := range d.issuers {
		n += len(rules)
	}
	return n
}

// Replaces says whether d, which is not the same file as old, may take its place. An older list would bring back what was
// distrusted since, and of two that have one number nobody can say which is older. The error is [ErrDistrustOlder] or
// [ErrDistrustNumber].
func (d *Distrust) Replaces(old *Distrust) error {
	switch {
	case old != nil && d.sequence < old.sequence:
		return fmt.Errorf("%w: %d, not %d", ErrDistrustOlder, d.sequence, old.sequence)
	case old != nil && d.sequence == old.sequence:
		return fmt.Errorf("%w: %d", ErrDistrustNumber, d.sequence)
	}
	return nil
}

// Merge returns a list that distrusts what either distrusts: what an administrator added on top of what came.
func (d *Distrust) Merge(other *Distrust) *Distrust {
	m := &Distrust{
		sequence: max(d.sequence, other.sequence), updated: d.updated, certificates: map[[32]byte]string{}, keys: map[[32]byte]string{}, issuers: map[string][]issuerRule{},
		scalars: d.scalars,
	}
	if m.scalars == nil || other.scalars != nil && other.scalars.Bits() > m.scalars.Bits() {
		m.scalars = other.scalars
	}
	for _, from := range []*Distrust{other, d} {
		for k, v := range from.certificates {
			m.certificates[k] = v
		}
		for k, v := range from.keys {
			m.keys[k] = v
		}
		for k, v := range from.issuers {
			m.issuers[k] = append(m.issuers[k], v...)
		}
	}
	return m
}

// Names says why cert is named by the list: itself, its key, or its issuer. Empty means that it is not. It does not
// search for small scalars, and so costs two hashes: whoever made the key himself knows that it is good.
func (d *Distrust) Names(cert *x509.Certificate) string {
	if reason, ok := d.certificates[sha256.Sum256(cert.Raw)]; ok {
		return reason
	}
	if reason, ok := d.keys[sha256.Sum256(cert.RawSubjectPublicKeyInfo)]; ok {
		return reason
	}
	if len(d.issuers) > 0 {
		for _, rule := range d.issuers[string(normalName(cert.RawIssuer))] {
			if !cert.NotBefore.Before(rule.after) {
				return rule.reason
			}
		}
	}
	return ""
}

// finds says why cert is distrusted; empty means that it is not.
func (d *Distrust) finds(cert *x509.Certificate) string {
	if reason := d.Names(cert); reason != "" {
		return reason
	}
	if d.scalars != nil && d.scalars.Small(cert.PublicKey) {
		return fmt.Sprintf("its private key is a number of at most %d bits, so anybody can know it", d.scalars.Bits())
	}
	return ""
}
