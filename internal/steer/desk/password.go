package desk

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

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
