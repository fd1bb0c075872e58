package admin

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// examples is a request for each act that takes one, as a program would send it. They stand in the description; a test
// reads each as the server does, so none can name a field that is not there or a value that is refused.
func examples() map[string]json.RawMessage {
	all := make(map[string]json.RawMessage)
	for act, text := range map[string]string{
		"admin/token-new":     `{"name": "monitoring", "scope": "read", "expiresIn": 7776000}`,
		"admin/token-revoke":  `{"name": "monitoring"}`,
		"audit/accept":        `{"dryRun": true}`,
		"audit/list":          `{"limit": 50, "since": "2026-11-01T00:00:00Z", "who": "root"}`,
		"audit/verify":        `{"quick": true}`,
		"backup/create":       `{}`,
		"backup/kept":         `{"id": "2f1c9f0e5b7a4d63", "file": "/mnt/backup/postseal-2026-12-01.age", "bytes": 482113}`,
		"ca/account-revoke":   `{"id": "Q2xpZW50MDE"}`,
		"ca/ari-move":         `{"profile": "server", "end": "2027-01-08T00:00:00Z", "explanation": "https://mail.example.com/why-renew"}`,
		"ca/ari-restore":      `{"id": "2b1a77f0c3d94e65"}`,
		"ca/eab-new":          `{"profile": "server", "domains": ["example.com"], "accounts": 5, "expiresIn": 604800}`,
		"ca/eab-revoke":       `{"id": "bWFpbDE"}`,
		"ca/approve":          `{"id": "7d1b2a90c4e5f683"}`,
		"ca/certificate":      `{"id": "3f9a77c10b5e2d48"}`,
		"ca/extend":           `{"domains": ["branch.example.com"], "dryRun": true}`,
		"ca/pending":          `{"all": true}`,
		"ca/profile-remove":   `{"name": "printers", "dryRun": true}`,
		"ca/profile-set":      `{"profile": {"name": "printers", "domains": ["example.com"], "life": "47d"}, "dryRun": true}`,
		"ca/profile-show":     `{"id": "server"}`,
		"ca/reject":           `{"id": "7d1b2a90c4e5f683", "reason": "nobody knows this printer"}`,
		"ca/rollover":         `{"name": "issuing-1", "dryRun": true}`,
		"ca/import":           `{"files": [{"name": "servers.p7b", "data": "MIIKBAIBAzCC"}], "root": "5c41a0d2f2b9c6ce7f6b7f4a0a4a3a5d0c9be5a2c0b5d6b9f0f5f3f3c1d2e4a6", "dryRun": true}`,
		"ca/withdraw":         `{"name": "servers-2", "dryRun": true}`,
		"ca/root-export":      `{"password": "Y29ycmVjdCBob3JzZQ==", "dryRun": true}`,
		"ca/root-remove":      `{"file": {"name": "root.pfx", "data": "MIIKBAIBAzCC"}, "password": "Y29ycmVjdCBob3JzZQ==", "dryRun": true}`,
		"ca/root-import":      `{"file": {"name": "root.pfx", "data": "MIIKBAIBAzCC"}, "password": "Y29ycmVjdCBob3JzZQ=="}`,
		"ca/certify":          `{"profile": "tls", "domains": ["printer.example.com"], "csr": {"name": "printer.csr", "data": "LS0tLS1CRUdJTg=="}}`,
		"ca/crl":              `{"name": "issuing-1", "shard": 1}`,
		"ca/zlint-accept":     `{"lint": "e_ext_san_contains_reserved_ip", "reason": "the addresses are those of our own network", "dryRun": true}`,
		"ca/line":             `{"serial": "476d687e1f738d54a08855a4a40e9ff4"}`,
		"ca/person-key":       `{"id": "kim@example.com", "password": "Y29ycmVjdCBob3JzZQ=="}`,
		"ca/person":           `{"profile": "smime-encrypt", "email": "kim@example.com", "name": "Kim Minji", "password": "Y29ycmVjdCBob3JzZQ=="}`,
		"ca/init":             `{"name": "Example Mail", "domains": ["example.com"], "dryRun": true}`,
		"ca/issue":            `{"domains": ["imap.example.com"], "kind": "ecdsa-p256", "enable": "IMAP,POP"}`,
		"ca/keep":             `{"days": 400, "dryRun": true}`,
		"ca/list":             `{"status": "issued", "name": "example.com", "limit": 100}`,
		"ca/revoke-authority": `{"name": "servers", "reason": "cACompromise", "dryRun": true}`,
		"ca/revoke":           `{"id": "imap-example-com", "reason": "superseded", "dryRun": true}`,
		"cert/activate":       `{"id": "mail-example-com"}`,
		"cert/disable":        `{"id": "mail-example-com", "listener": "imaps"}`,
		"cert/enable":         `{"id": "mail-example-com", "services": "SMTP,IMAP"}`,
		"cert/explain":        `{"listener": "imaps", "sni": "mail.example.com"}`,
		"cert/export":         `{"id": "mail-example-com", "format": "pem", "noKey": true}`,
		"cert/import":         `{"files": [{"name": "mail.pfx", "data": "MIIKBAIBAzCC"}], "password": "Y29ycmVjdCBob3JzZQ==", "lineage": "mail-example-com"}`,
		"cert/list":           `{"domain": "mail.example.com", "expiringWithin": 2592000}`,
		"cert/new":            `{"name": "Mail", "domains": ["mail.example.com"], "kinds": ["ecdsa-p256", "rsa-2048"], "services": "SMTP,IMAP"}`,
		"cert/page":           `{"status": "Valid", "limit": 100}`,
		"cert/remove":         `{"id": "mail-example-com/3", "dryRun": true}`,
		"cert/renew":          `{"id": "mail-example-com"}`,
		"cert/renew-request":  `{"id": "mail-example-com"}`,
		"cert/request":        `{"name": "Mail", "domains": ["mail.example.com", "imap.example.com"], "subject": "O=Example, C=KR"}`,
		"cert/rollback":       `{"lineage": "mail-example-com", "dryRun": true}`,
		"cert/set-internal":   `{"id": "internal-mail1-example-com"}`,
		"cert/show":           `{"id": "mail-example-com"}`,
		"check/run":           `{"hosts": ["mail.example.com", "relay.example.com:2525"], "startTLS": "smtp", "quick": true}`,
		"lineage/set":         `{"lineage": "mail-example-com", "activation": "approve"}`,
		"lineage/show":        `{"id": "mail-example-com"}`,
		"listener/set":        `{"listener": "pop3", "enabled": false}`,
		"notice/list":         `{"all": true}`,
		"plan/apply":          `{"choice": "san", "authority": "letsencrypt", "dryRun": true}`,
		"plan/authorities":    `{"features": ["acme", "wildcard"], "names": 20}`,
		"plan/calendar":       `{"past": false}`,
		"plan/show":           `{"authority": "letsencrypt"}`,
		"recovery/init":       `{"dryRun": true}`,
		"recovery/tested":     `{"id": "5c0ad3b1f2e84796"}`,
		"report/show":         `{"days": 7}`,
		"trust/add":           `{"file": {"name": "partner-ca.pem", "data": "LS0tLS1CRUdJTg=="}, "dryRun": true}`,
		"trust/distrust":      `{"issuer": "CN=Old Partner CA", "after": "2027-01-01T00:00:00Z", "dryRun": true}`,
		"trust/export":        `{"for": "windows"}`,
		"trust/remove":        `{"id": "9f86d081884c7d65", "dryRun": true}`,
	} {
		all[act] = json.RawMessage(text)
	}
	for act, a := range acts(nil) {
		if _, ok := all[act]; !ok && a.request.NumField() == 0 {
			all[act] = json.RawMessage(`{}`)
		}
	}
	return all
}

// checker is a request that knows what is wrong with it before anything is looked at.
type checker interface{ Check() error }

// TestExamplesAreTaken: each act has one, the server reads it, and what the request can check it finds right.
func TestExamplesAreTaken(t *testing.T) {
	t.Parallel()
	all := examples()
	for name, a := range acts(nil) {
		text, ok := all[name]
		if !ok {
			t.Errorf("%s has no example", name)
			continue
		}
		delete(all, name)
		request := reflect.New(a.request).Interface()
		if err := decode(text, request); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c, ok := request.(checker); ok {
			if err := c.Check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name := range all {
		t.Errorf("%s has an example, and is no act", name)
	}
}

// problems are refusals as the server words them, by the status that they come with.
func problems() map[string]any {
	all := make(map[string]any)
	for name, err := range map[string]error{
		"400 the request is wrong":            &desk.ValueError{Name: "days", Value: "0", Reason: "want 1 to 398"},
		"403 the token does not reach so far": &ScopeError{Act: "cert/new", Has: desk.ScopeRead, Needs: desk.ScopeOperate},
		"409 there is none":                   &desk.UnknownServerError{Name: "mail9.example.com"},
		"409 it is not so far":                fmt.Errorf("making a backup: %w", desk.ErrNoRecoveryKey),
		"412 the state has moved on":          fmt.Errorf("changing the state: %w", state.ErrStale),
		"500 nobody knows":                    fmt.Errorf("changing the state: %w", state.ErrOutcomeUnknown),
	} {
		all[name] = ProblemOf(err)
	}
	return all
}

// TestProblemsHaveTheStatusThatTheirExampleNames, and a hint, and a name for programs.
func TestProblemsHaveTheStatusThatTheirExampleNames(t *testing.T) {
	t.Parallel()
	for name, value := range problems() {
		p := value.(*Problem)
		if p.Name == "" || p.Hint == "" {
			t.Errorf("%s: got %+v", name, p)
		}
		var err error = p
		switch p.Name {
		case "state.ErrStale":
			err = state.ErrStale
		case "state.ErrOutcomeUnknown":
			err = state.ErrOutcomeUnknown
		case "admin.ScopeError":
			continue // is answered before the act; TestTokensReachAsFarAsTheirScope
		}
		if got := strconv.Itoa(statusOf(err, p)); !strings.HasPrefix(name, got+" ") {
			t.Errorf("%s: got status %s", name, got)
		}
	}
}
