package backup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"

	"postseal/internal/ground/keys"
)

const maxKeyFileBytes = 16 << 10

// The names of the lines that age takes for comments.
const (
	nameOrganisation    = "organisation"
	nameOrganisationKey = "organisation-key"
	nameMade            = "made"
	nameSealing         = "recovery-sealing-key"
)

// Owner is the organisation that a recovery key belongs to.
type Owner struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	PublicKey ed25519.PublicKey `json:"publicKey"` // the organisation key's public half
}

// Key is the offline recovery key of one organisation. It never prints itself.
type Key struct {
	Owner   Owner
	MadeAt  time.Time
	Sealing *keys.SealingKey // opens the secrets in the database

	identity func() *age.X25519Identity // opens backups; a function, so that no printer reaches it
}

// NewKey makes a recovery key.
func NewKey(owner Owner) (*Key, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("making a recovery key: %w", err)
	}
	return &Key{Owner: owner, MadeAt: time.Now().UTC().Truncate(time.Second), Sealing: keys.NewSealingKey(), identity: func() *age.X25519Identity { return identity }}, nil
}

// Identity opens backups.
func (k *Key) Identity() age.Identity { return k.identity() }

// Public returns the half that the organisation keeps.
func (k *Key) Public() Public {
	return Public{Organisation: k.Owner.ID, Recipient: k.identity().Recipient().String(), Sealing: k.Sealing.Public(), MadeAt: k.MadeAt}
}

// Public is the public half of a recovery key. Its bytes are signed by the organisation key, so that
// whoever writes to the database cannot put himself in its place.
type Public struct {
	Organisation string    `json:"organisation"` // id
	Recipient    string    `json:"recipient"`    // of age: age1…
	Sealing      []byte    `json:"sealing"`      // public half of the sealing key
	MadeAt       time.Time `json:"madeAt"`
}

// signedAs begins what is signed, so that no other statement of the organisation can be taken for it.
const signedAs = "postseal recovery key 1\n"

// Statement returns the bytes that the organisation signs.
func (p Public) Statement() ([]byte, error) {
	b, err := json.Marshal(p)
	return append([]byte(signedAs), b...), err
}

// ParseStatement reads what [Public.Statement] returned, after its signature was checked.
func ParseStatement(b []byte) (Public, error) {
	var p Public
	body, ok := bytes.CutPrefix(b, []byte(signedAs))
	if !ok {
		return p, fmt.Errorf("reading the recovery key's statement: %w", ErrNotAKey)
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("reading the recovery key's statement: %w", err)
	}
	return p, p.Check()
}

// Check reports what can be no public half.
func (p Public) Check() error {
	if _, err := age.ParseX25519Recipient(p.Recipient); err != nil {
		return &RecipientError{p.Recipient, err}
	}
	if len(p.Sealing) != sealingPublicBytes {
		return fmt.Errorf("reading a recovery key's public half: sealing key of %d bytes, want %d: %w", len(p.Sealing), sealingPublicBytes, ErrNotAKey)
	}
	return nil
}

// sealingPublicBytes is the length of the public half of a sealing key.
const sealingPublicBytes = 1216

// ID names a recovery key: sixteen hex digits of a SHA-256 over its public half.
func (p Public) ID() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", p.Recipient)
	h.Write(p.Sealing)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Marshal returns the text of the file, to be written with mode 0600 and then taken away from the machine.
func (k *Key) Marshal() keys.Secret {
	seed := k.Sealing.Seed()
	defer seed.Wipe()
	public := k.Public()
	out := keys.NewSecret(fmt.Sprintf(`# The recovery key of the Postseal organisation %q.
#
# Whoever has this file and a backup, or a copy of the database, can read every private key of the
# organisation. Keep it offline and apart from backups: a stick in a safe, or printed on paper.
# It brings the organisation back on a new machine:
#
#   postseal backup restore BACKUP --key THIS-FILE --data DIR
#   postseal recovery use THIS-FILE --data DIR
#
# Without Postseal, what is in a backup is seen with: age -d -i THIS-FILE BACKUP | tar tv
# The lines with a # are not decoration: they hold what opens the private keys.
#
# public key: %s
`, k.Owner.Name, public.Recipient))
	out = fmt.Appendf(out, "# %s: %s\n", nameOrganisation, k.Owner.ID)
	out = fmt.Appendf(out, "# %s: %s\n", nameOrganisationKey, base64.StdEncoding.EncodeToString(k.Owner.PublicKey))
	out = fmt.Appendf(out, "# %s: %s\n", nameMade, k.MadeAt.Format(time.RFC3339))
	out = fmt.Appendf(out, "# %s: ", nameSealing)
	out = base64.StdEncoding.AppendEncode(out, seed)
	return fmt.Appendf(out, "\n%s\n", k.identity().String())
}

// ParseKey reads the text of a recovery key file. An error names the line and never repeats it.
func ParseKey(data []byte) (*Key, error) {
	if len(data) > maxKeyFileBytes {
		return nil, fmt.Errorf("%w: more than %d KiB", ErrNotAKey, maxKeyFileBytes>>10)
	}
	k := new(Key)
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if err := k.parseLine(strings.TrimSpace(string(line))); err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", number, ErrNotAKey, err)
		}
	}
	switch {
	case k.identity == nil:
		return nil, fmt.Errorf("%w: it has no line AGE-SECRET-KEY-1", ErrNotAKey)
	case k.Sealing == nil || k.Owner.ID == "" || k.Owner.PublicKey == nil:
		return nil, fmt.Errorf("%w: it opens backups, but the lines with # that open private keys are missing", ErrNotAKey)
	}
	return k, nil
}

func (k *Key) parseLine(line string) error {
	if strings.HasPrefix(line, "AGE-SECRET-KEY-") {
		if k.identity != nil {
			return fmt.Errorf("a second identity")
		}
		identity, err := age.ParseX25519Identity(line)
		if err != nil {
			return fmt.Errorf("not an identity of age with X25519") // theirs may repeat the line
		}
		k.identity = func() *age.X25519Identity { return identity }
		return nil
	}
	comment, ok := strings.CutPrefix(line, "#")
	if !ok {
		if line == "" {
			return nil
		}
		return fmt.Errorf("neither a comment nor an identity")
	}
	name, value, ok := strings.Cut(strings.TrimSpace(comment), ": ")
	if !ok {
		return nil
	}
	switch name {
	case nameOrganisation:
		k.Owner.ID = value
	case nameOrganisationKey:
		b, err := base64.StdEncoding.Strict().DecodeString(value)
		if err != nil || len(b) != ed25519.PublicKeySize {
			return fmt.Errorf("%s: not %d bytes in base64", name, ed25519.PublicKeySize)
		}
		k.Owner.PublicKey = b
	case nameMade:
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fmt.Errorf("%s: not a time", name)
		}
		k.MadeAt = t
	case nameSealing:
		seed := make(keys.Secret, base64.StdEncoding.DecodedLen(len(value)))
		defer seed.Wipe()
		n, err := base64.StdEncoding.Strict().Decode(seed, []byte(value))
		if err != nil {
			return fmt.Errorf("%s: not base64", name)
		}
		if k.Sealing, err = keys.ParseSealingKey(seed[:n]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// ReadKey reads a recovery key file. One that others may read is refused with a [*keys.FileModeError].
func ReadKey(path string) (*Key, error) {
	data, err := keys.ReadSecretFile(path, maxKeyFileBytes)
	if err != nil {
		return nil, err
	}
	defer data.Wipe()
	k, err := ParseKey(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return k, nil
}

// String says which key it is without giving it away.
func (k *Key) String() string { return "[recovery key " + k.Public().ID() + "]" }
