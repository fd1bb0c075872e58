package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"unicode/utf8"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/keys"
)

// Password is a password on its way through the API. No print shows it; its JSON does, because that is how it
// crosses the socket, so it must stand in requests only, never in answers or audit rows.
type Password struct {
	// secret is a function because fmt would print the octets of anything it can reach through a field.
	secret func() keys.Secret
}

// NewPassword makes a Password of a secret; nil is no password.
func NewPassword(s keys.Secret) Password {
	if s == nil {
		return Password{}
	}
	return Password{func() keys.Secret { return s }}
}

// Secret returns the password, nil for none.
func (p Password) Secret() keys.Secret {
	if p.secret == nil {
		return nil
	}
	return p.secret()
}

// IsZero says that there is none, for omitzero.
func (p Password) IsZero() bool { return p.secret == nil }

// Format prints nothing of it, whatever the verb.
func (Password) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "[password]") // fmt.State has nowhere to report to
}

// LogValue prints nothing of it.
func (Password) LogValue() slog.Value { return slog.StringValue("[password]") }

// MarshalJSON writes it for the API.
func (p Password) MarshalJSON() ([]byte, error) { return json.Marshal(p.Secret().Bytes()) }

// UnmarshalJSON reads it from the API.
func (p *Password) UnmarshalJSON(text []byte) error {
	var raw []byte
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	*p = NewPassword(keys.Secret(raw))
	return nil
}

// minPasswordCharacters is what a file with a private key is sealed with at least: whoever has the file tries passwords as
// fast as his machines go, and nobody sees it.
const minPasswordCharacters = 8

// ErrShortPassword: a password for a file with a private key would be guessed.
var ErrShortPassword = errors.New("the password of the file has fewer than 8 characters")

// CheckFilePassword holds the password of a file with a private key against what it must be; with short, whoever asks knows
// that it is short.
func CheckFilePassword(p Password, short bool) error {
	switch n := utf8.RuneCount(p.Secret().Bytes()); {
	case n == 0:
		return certfile.ErrExportPassword
	case n < minPasswordCharacters && !short:
		return ErrShortPassword
	}
	return nil
}
