package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"filippo.io/age"

	"postseal/internal/ground/keys"
)

const (
	maxHeaderBytes = 64 << 10
	maxConfigBytes = 1 << 20
)

// Archive is an open backup. Its database must be read to the end: only then is it known to be whole.
type Archive struct {
	Header Header
	Config []byte // of postseal.toml; nil for none

	source *endSeen
	plain  io.Reader
	tar    *tar.Reader
}

// Open opens a backup with any of the identities and reads its header. The errors are [ErrNotABackup],
// [ErrOtherKey], [ErrTruncated], [ErrAltered] and [*NewerError].
func Open(r io.Reader, identities ...age.Identity) (*Archive, error) {
	source := &endSeen{r: r}
	plain, err := age.Decrypt(source, identities...)
	if err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
			return nil, ErrOtherKey
		}
		if source.fault != nil {
			return nil, source.fault
		}
		return nil, fmt.Errorf("%w: %w", ErrNotABackup, err)
	}
	a := &Archive{source: source, plain: &judging{plain, source}}
	a.tar = tar.NewReader(a.plain)
	head, err := a.file(headerName, maxHeaderBytes)
	if err != nil {
		return nil, err
	}
	// The format first: whatever a newer one says otherwise cannot be understood.
	var version struct {
		Format  int    `json:"format"`
		Release string `json:"release"`
	}
	if err := json.Unmarshal(head, &version); err != nil {
		return nil, fmt.Errorf("reading its header: %w: %w", ErrNotABackup, err)
	}
	if version.Format > format {
		return nil, &NewerError{Release: strings.Map(seen, version.Release), Format: version.Format}
	}
	if err := json.Unmarshal(head, &a.Header); err != nil || a.Header.Format < 1 || !a.Header.printable() {
		return nil, fmt.Errorf("reading its header: %w", ErrNotABackup)
	}
	if a.Header.WithConfig {
		a.Config, err = a.file(configName, maxConfigBytes)
	}
	return a, err
}

// unseen says whether a character moves the cursor, turns the line round, or cannot be seen.
func unseen(r rune) bool { return !unicode.IsGraphic(r) || r == '\u2028' || r == '\u2029' }

// seen replaces such a character.
func seen(r rune) rune {
	if unseen(r) {
		return '?'
	}
	return r
}

// printable says whether the texts can be shown: a terminal shows them before it is known whose backup it is, and anybody
// can write one who knows the public half of the key.
func (h *Header) printable() bool {
	for _, text := range []string{h.ID, h.Organisation, h.OrganisationID, h.Server, h.Release, h.RecoveryID, h.DatabaseSHA256} {
		if strings.ContainsFunc(text, unseen) {
			return false
		}
	}
	return true
}

// file reads the next file, which must have that name.
func (a *Archive) file(name string, limit int64) ([]byte, error) {
	if _, err := a.next(name); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(a.tar, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("reading %s: %w: longer than %d bytes", name, ErrNotABackup, limit)
	}
	return b, nil
}

// next goes to the next file, which must have that name, and returns its size.
func (a *Archive) next(name string) (size int64, err error) {
	h, err := a.tar.Next()
	switch {
	case err != nil && a.source.fault != nil:
		return 0, fmt.Errorf("looking for %s: %w", name, a.source.fault)
	case errors.Is(err, ErrTruncated), errors.Is(err, ErrAltered):
		return 0, fmt.Errorf("looking for %s: %w", name, err)
	case err != nil:
		return 0, fmt.Errorf("looking for %s: %w", name, ErrNotABackup)
	case h.Name != name || h.Typeflag != tar.TypeReg:
		return 0, fmt.Errorf("looking for %s: %w", name, ErrNotABackup)
	}
	// A sparse file is as long as it says, whatever came. archive/tar reads those of GNU and, by such records, of PAX.
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return 0, fmt.Errorf("looking for %s: %w: it has holes", name, ErrNotABackup)
		}
	}
	return h.Size, nil
}

// Database writes the database to w, and is nil only if it is whole, to the last byte of the file.
func (a *Archive) Database(w io.Writer) error {
	size, err := a.next(databaseName)
	if err != nil {
		return err
	}
	if size != a.Header.DatabaseBytes {
		return fmt.Errorf("reading the database: %w: it does not fit the header", ErrAltered)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), a.tar)
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	if n != a.Header.DatabaseBytes || hex.EncodeToString(sum.Sum(nil)) != a.Header.DatabaseSHA256 {
		return fmt.Errorf("reading the database: %w: it does not fit the header", ErrAltered)
	}
	// What comes after it must be the end, or the last chunk of age was never checked.
	if _, err := io.Copy(io.Discard, a.plain); err != nil {
		return fmt.Errorf("reading to the end: %w", err)
	}
	return nil
}

// endSeen remembers how its reader ended, because age does not tell a file that is cut off from one that
// was altered.
type endSeen struct {
	r     io.Reader
	ended bool
	fault error // of the reader itself
}

func (s *endSeen) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if errors.Is(err, io.EOF) {
		s.ended = true
	} else if err != nil {
		s.fault = err
	}
	return n, err
}

// judging names the errors of decryption.
type judging struct {
	plain  io.Reader
	source *endSeen
}

func (j *judging) Read(p []byte) (int, error) {
	n, err := j.plain.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return n, err
	case j.source.fault != nil:
		return n, j.source.fault
	case j.source.ended:
		return n, ErrTruncated
	}
	return n, ErrAltered
}

// Outer looks at a backup without a key: is it a file of age, and for how many recipients of which kind?
// More cannot be seen from outside.
func Outer(r io.Reader) (recipients []string, err error) {
	head, err := age.ExtractHeader(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotABackup, err)
	}
	for line := range bytes.Lines(head) {
		if stanza, ok := bytes.CutPrefix(line, []byte("-> ")); ok {
			kind, _, _ := strings.Cut(strings.TrimSpace(string(stanza)), " ")
			recipients = append(recipients, kind)
		}
	}
	return recipients, nil
}

// ReadIdentities reads what opens a backup: a recovery key, which is returned too, or any identities of
// age, which open backups that were written for them and no private keys.
func ReadIdentities(path string) ([]age.Identity, *Key, error) {
	data, err := keys.ReadSecretFile(path, maxKeyFileBytes)
	if err != nil {
		return nil, nil, err
	}
	defer data.Wipe()
	return ParseIdentities(path, data)
}

// ParseIdentities is [ReadIdentities] of bytes that were read already.
func ParseIdentities(name string, data []byte) ([]age.Identity, *Key, error) {
	if k, err := ParseKey(data); err == nil {
		return []age.Identity{k.Identity()}, k, nil
	}
	identities, err := age.ParseIdentities(bytes.NewReader(data))
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w: no identity of age either", name, ErrNotAKey)
	}
	return identities, nil, nil
}
