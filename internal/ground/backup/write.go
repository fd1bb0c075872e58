package backup

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
)

// format is the version of the file's layout.
const format = 1

// The files inside.
const (
	headerName   = "postseal-backup.json"
	configName   = "postseal.toml"
	databaseName = "postseal.db"
)

// Header says what a backup is. It is encrypted with the rest.
type Header struct {
	Format          int       `json:"format"`
	ID              string    `json:"id"`
	Organisation    string    `json:"organisation"`
	OrganisationID  string    `json:"organisationId"`
	OrganisationKey []byte    `json:"organisationKey"` // public half, Ed25519
	Server          string    `json:"server"`
	Release         string    `json:"release"` // of the program
	Schema          int64     `json:"schema"`  // version of the database
	MadeAt          time.Time `json:"madeAt"`
	RecoveryID      string    `json:"recoveryId"` // the recovery key that opens the secrets; empty for none
	Lineages        int       `json:"lineages"`
	Certificates    int       `json:"certificates"`
	Secrets         int       `json:"secrets"`
	DatabaseBytes   int64     `json:"databaseBytes"`
	DatabaseSHA256  string    `json:"databaseSha256"` // hex
	WithConfig      bool      `json:"withConfig"`     // postseal.toml is inside
}

// Recipients parses recipients of age, X25519 (age1…) or hybrid (age1pq1…).
func Recipients(texts []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range texts {
		if r, err := age.ParseX25519Recipient(text); err == nil {
			all = append(all, r)
			continue
		}
		r, err := age.ParseHybridRecipient(text)
		if err != nil {
			return nil, &RecipientError{text, err}
		}
		all = append(all, r)
	}
	return all, nil
}

// Content is what goes into a backup.
type Content struct {
	Header   Header
	Config   []byte    // of postseal.toml; nil for none
	Database io.Reader // Header.DatabaseBytes of it
}

// Write writes a backup that each of the recipients can open.
func Write(w io.Writer, c Content, to []age.Recipient) error {
	encrypted, err := age.Encrypt(w, to...)
	if err != nil {
		return fmt.Errorf("encrypting the backup: %w", err)
	}
	t := tar.NewWriter(encrypted)
	c.Header.Format, c.Header.WithConfig = format, c.Config != nil
	head, err := json.MarshalIndent(c.Header, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the backup's header: %w", err)
	}
	put := func(name string, size int64) error {
		return t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: c.Header.MadeAt, Format: tar.FormatPAX})
	}
	if err = put(headerName, int64(len(head))); err == nil {
		_, err = t.Write(head)
	}
	if err == nil && c.Config != nil {
		if err = put(configName, int64(len(c.Config))); err == nil {
			_, err = t.Write(c.Config)
		}
	}
	if err == nil {
		if err = put(databaseName, c.Header.DatabaseBytes); err == nil {
			_, err = io.Copy(t, c.Database)
		}
	}
	if err == nil {
		err = t.Close()
	}
	if err == nil {
		err = encrypted.Close() // the last chunk: without it the file is cut off
	}
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}
