package keys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const maxSealingFileBytes = 16 << 10

// The names of the three lines.
const (
	nameServer       = "server"
	nameOrganisation = "organisation"
	nameSealingKey   = "sealing-key"
)

const sealingFileComment = `# The sealing key of one Postseal server.
#
# With this file and a copy of the database anybody can read the keys of this server.
# Keep it to yourself (mode 0600), and keep it apart from the database and its backups:
# it belongs into no backup. Without it this server cannot open its own keys any more.
#
# server        the id of this server
# organisation  the public key of the organisation: it says who is one of its servers
# sealing-key   the secret
`

// SealingFile is the content of a sealing key file: who this server is, whom it believes, and what it opens its
// secrets with. All three are there, or the file is refused.
type SealingFile struct {
	Server       string            // id of the server, never empty
	Organisation ed25519.PublicKey // verifies who is a server of the organisation
	Key          *SealingKey
}

// Marshal returns the text of the file, to be written with mode 0600. The file must be complete; Marshal panics if it
// is not, because a sealing key that is written wrongly is lost.
func (f SealingFile) Marshal() Secret {
	if f.Server == "" || len(f.Organisation) != ed25519.PublicKeySize || f.Key == nil {
		panic("keys: internal error: writing an incomplete sealing key file")
	}
	seed := f.Key.Seed()
	defer seed.Wipe()
	out := NewSecret(sealingFileComment)
	// A host name stays as it is; escaping anything else keeps the value on one line.
	out = fmt.Appendf(out, "%s: %s\n", nameServer, url.PathEscape(f.Server))
	out = fmt.Appendf(out, "%s: %s\n", nameOrganisation, base64.StdEncoding.EncodeToString(f.Organisation))
	out = fmt.Appendf(out, "%s: ", nameSealingKey)
	out = base64.StdEncoding.AppendEncode(out, seed)
	return append(out, '\n')
}

// ParseSealingFile reads the text of a sealing key file. An error names the line; it never repeats what stands there.
func ParseSealingFile(data []byte) (*SealingFile, error) {
	if len(data) > maxSealingFileBytes {
		return nil, fmt.Errorf("sealing key file of more than %d KiB", maxSealingFileBytes>>10)
	}
	var f SealingFile
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := f.parseLine(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	var missing []string
	if f.Server == "" {
		missing = append(missing, nameServer)
	}
	if f.Organisation == nil {
		missing = append(missing, nameOrganisation)
	}
	if f.Key == nil {
		missing = append(missing, nameSealingKey)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("after line %d: no line for %s", number, strings.Join(missing, ", "))
	}
	return &f, nil
}

func (f *SealingFile) parseLine(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return errors.New("not of the form name: value")
	}
	value = bytes.TrimSpace(value)
	switch string(name) {
	case nameServer:
		return f.parseServer(string(value))
	case nameOrganisation:
		if f.Organisation != nil {
			return errors.New(nameOrganisation + " stands here a second time")
		}
		key, err := decodeKey(value, ed25519.PublicKeySize)
		if err != nil {
			return fmt.Errorf("%s: %w", nameOrganisation, err)
		}
		f.Organisation = ed25519.PublicKey(key)
		return nil
	case nameSealingKey:
		if f.Key != nil {
			return errors.New(nameSealingKey + " stands here a second time")
		}
		seed, err := decodeKey(value, sealingSeedBytes)
		if err != nil {
			return fmt.Errorf("%s: %w", nameSealingKey, err)
		}
		defer seed.Wipe()
		f.Key, err = ParseSealingKey(seed)
		return err
	}
	return errors.New("unknown name, want " + nameServer + ", " + nameOrganisation + " or " + nameSealingKey)
}

func (f *SealingFile) parseServer(value string) error {
	if f.Server != "" {
		return errors.New(nameServer + " stands here a second time")
	}
	server, err := url.PathUnescape(value)
	if err != nil || server == "" {
		return errors.New(nameServer + ": not an id")
	}
	f.Server = server
	return nil
}

// decodeKey decodes the one base64 text (RFC 4648 section 4) of a key of that length.
func decodeKey(value []byte, length int) (Secret, error) {
	if want := base64.StdEncoding.EncodedLen(length); len(value) != want {
		return nil, fmt.Errorf("%d characters, want %d of base64", len(value), want)
	}
	key := make(Secret, base64.StdEncoding.DecodedLen(len(value)))
	// Strict: a key has one text, so that comparing files compares keys.
	n, err := base64.StdEncoding.Strict().Decode(key, value)
	if err != nil || n != length {
		return nil, fmt.Errorf("not %d bytes in base64", length)
	}
	return key[:n], nil
}

// ReadSealingFile reads a sealing key file. A file that its group or others may read or write is refused with a
// [*FileModeError]; one that is not there is [io/fs.ErrNotExist].
func ReadSealingFile(path string) (*SealingFile, error) {
	data, err := ReadSecretFile(path, maxSealingFileBytes)
	if err != nil {
		return nil, err
	}
	defer data.Wipe()
	f, err := ParseSealingFile(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return f, nil
}
