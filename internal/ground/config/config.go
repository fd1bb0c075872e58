// Package config turns what an operator wrote (the file postseal.toml, flags) into checked values.
//
// Only what is needed to start stands in the file: where to listen, and limits. Everything else is
// state. The file is optional, and strict: an unknown key is an error that names it. A flag wins over
// the file, the file over the default.
//
// [Read] parses the file into [File]; [Addresses.Resolve] turns addresses into one per listener. [Keys]
// lists every key with its meaning for `postseal help config`, and a test holds it against File.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/pelletier/go-toml/v2"

	"postseal/internal/ground/fetch"
	"postseal/internal/ground/syslog"
)

// maxFileBytes bounds the configuration file.
const maxFileBytes = 1 << 20

// File is postseal.toml as written. The zero value is an empty file.
type File struct {
	Bind       string            `toml:"bind"`        // address of all listeners; empty leaves the stored ones
	PortOffset *int              `toml:"port-offset"` // added to every port; nil leaves the stored ones
	Listen     map[string]string `toml:"listen"`      // listener name = "address:port"
	Limits     Limits            `toml:"limits"`
	Revocation Revocation        `toml:"revocation"`
	Check      Check             `toml:"check"`
	Metrics    Metrics           `toml:"metrics"`
	Audit      Audit             `toml:"audit"`
	Notices    Notices           `toml:"notices"`
	ACME       ACME              `toml:"acme"`

	SecurityModule SecurityModule `toml:"security-module"`
}

// SecurityModule says where keys of our own authority may be that never leave it. The zero value names none. Package hsm
// checks what is written here.
type SecurityModule struct {
	Library string `toml:"library"`  // path of the maker's PKCS #11 library; empty means there is no module
	Token   string `toml:"token"`    // label of the token
	PINFile string `toml:"pin-file"` //
}

func (m SecurityModule) check() error {
	if m.Library == "" && (m.Token != "" || m.PINFile != "") {
		return errors.New("security-module.library is missing: the other keys of the module do nothing without it")
	}
	return nil
}

// ACME says how clients of our own authority's ACME server are answered. Package challenge checks what is written about
// validation.
type ACME struct {
	Names         []string       `toml:"names"`           // by which this server is called, beside its own
	Open          string         `toml:"open"`            // profile of accounts without a key; empty: each needs one
	OrdersPerHour int            `toml:"orders-per-hour"` // of one account; zero means 300
	Networks      []netip.Prefix `toml:"networks"`        // where validation goes, and nowhere else; empty: public and private addresses
	Resolver      string         `toml:"resolver"`        // name server of validation; empty: those of this machine
	HTTPPort      uint16         `toml:"http-port"`       // zero means 80
	TLSPort       uint16         `toml:"tls-port"`        // zero means 443
}

func (a ACME) check() error {
	if a.OrdersPerHour < 0 {
		return errors.New("acme.orders-per-hour is negative")
	}
	if _, err := netip.ParseAddrPort(a.Resolver); a.Resolver != "" && err != nil {
		return errors.New(`acme.resolver: want an address and a port, e.g. "192.0.2.53:53"`)
	}
	for _, n := range a.Networks {
		if n != n.Masked() {
			return fmt.Errorf("acme.networks: %s is no network; want %s", n, n.Masked())
		}
	}
	return nil
}

// Notices says how people and programs are told what needs them. The zero value tells nobody; what is wrong still
// stands in status. Package courier checks what is written here.
type Notices struct {
	SMTP         string         `toml:"smtp"`          // "HOST:PORT"; empty means no mail
	TLS          string         `toml:"tls"`           // "starttls", "implicit" or "none"
	From         string         `toml:"from"`          //
	To           []string       `toml:"to"`            //
	Username     string         `toml:"username"`      // empty means no login
	PasswordFile string         `toml:"password-file"` //
	Language     string         `toml:"language"`      // "en" or "ko"; empty means en
	Webhook      string         `toml:"webhook"`       // URL; empty means none
	WebhookKey   string         `toml:"webhook-key-file"`
	WebhookAllow []netip.Prefix `toml:"webhook-allow"` // addresses that are asked although they are not public
}

func (n Notices) check() error {
	switch n.Language {
	case "", "en", "ko":
	default:
		return errors.New(`notices.language: want "en" or "ko"`)
	}
	if n.SMTP == "" && (n.TLS != "" || n.From != "" || len(n.To) > 0 || n.Username != "" || n.PasswordFile != "") {
		return errors.New("notices.smtp is missing: the other keys of mail do nothing without it")
	}
	if n.Webhook == "" && (n.WebhookKey != "" || len(n.WebhookAllow) > 0) {
		return errors.New("notices.webhook is missing: its key and its addresses do nothing without it")
	}
	return nil
}

// Check says how the server looks at its own listeners.
type Check struct {
	Every *Duration `toml:"every"` // nil means a minute; zero means never
}

// minCheckEvery keeps a mistyped unit from making the server its own crowd.
const minCheckEvery = 100 * time.Millisecond

func (c Check) check() error {
	if c.Every != nil && *c.Every != 0 && time.Duration(*c.Every) < minCheckEvery {
		return fmt.Errorf("check.every is less than %v", minCheckEvery)
	}
	return nil
}

// Metrics says who may read /metrics of management beside the bearer of a token.
type Metrics struct {
	Loopback bool `toml:"loopback"` // whoever asks from this machine, unless a proxy passed it on
}

// Audit says where audit rows are sent.
type Audit struct {
	Syslog string `toml:"syslog"` // see package syslog; empty means nowhere
}

func (a Audit) check() error {
	if a.Syslog == "" {
		return nil
	}
	_, err := syslog.New(syslog.Options{Sink: a.Syslog})
	return err
}

// Revocation says how the addresses in certificates are asked whether they were revoked. The zero value asks those in
// the public network, directly.
type Revocation struct {
	Online *bool          `toml:"online"` // nil means yes; no lives on what is kept on disk
	Proxy  string         `toml:"proxy"`  // http or https URL of a web proxy; empty means none
	Allow  []netip.Prefix `toml:"allow"`  // addresses that are asked although they are not public
	Ports  []uint16       `toml:"ports"`  // ports that are asked beside 80 and 443
}

// Asks says whether anybody is asked.
func (r Revocation) Asks() bool { return r.Online == nil || *r.Online }

// Fetch returns how to ask. The caller has it from [Read], so the proxy is a URL.
func (r Revocation) Fetch() (fetch.Options, error) {
	o := fetch.Options{Allow: r.Allow, Ports: r.Ports}
	if r.Proxy == "" {
		return o, nil
	}
	var err error
	if o.Proxy, err = url.Parse(r.Proxy); err != nil {
		return o, errors.New("revocation.proxy is no URL") // what is wrong with it may be a password
	}
	return o, nil
}

func (r Revocation) check() error {
	o, err := r.Fetch()
	if err == nil {
		_, err = fetch.New(o)
	}
	return err
}

// Limits are the limits before login (design.md). Zero means the default that the key's text names.
type Limits struct {
	ConnectionsPerListener int      `toml:"connections-per-listener"`
	ConnectionsPerAddress  int      `toml:"connections-per-address"`
	LineBytes              int      `toml:"line-bytes"`
	AuthLineBytes          int      `toml:"auth-line-bytes"`
	LiteralBytes           int      `toml:"literal-bytes"`
	Commands               int      `toml:"commands"`
	BadCommands            int      `toml:"bad-commands"`
	Logins                 int      `toml:"logins"`
	BeforeLogin            Duration `toml:"before-login"`
	Command                Duration `toml:"command"`
	Drain                  Duration `toml:"drain"`
	MessageBytes           int64    `toml:"message-bytes"`
}

// Duration is a time.Duration written as "90s" or "5m".
type Duration time.Duration

// UnmarshalText reads the form of time.ParseDuration; it must not be negative.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	if v < 0 {
		return fmt.Errorf("%s is negative", text)
	}
	*d = Duration(v)
	return nil
}

// Key documents one key of the file.
type Key struct{ Name, Default, Meaning string }

// Keys returns every key that the file may have.
func Keys() []Key {
	return []Key{
		{"bind", "as set up", "IP address of all listeners"},
		{"port-offset", "as set up", "added to every port, 0 to 50000"},
		{"listen.NAME", "as set up", `"ADDRESS:PORT" of one listener, e.g. imaps = "192.0.2.1:993"`},
		{"limits.connections-per-listener", "40 % of the open files allowed", "connections that one listener holds"},
		{"limits.connections-per-address", "256", "connections that one client address (IPv6: /64) may hold on a listener"},
		{"limits.line-bytes", "8192", "one command line before login"},
		{"limits.auth-line-bytes", "12288", "one line of an AUTH exchange"},
		{"limits.literal-bytes", "4096", "one IMAP literal before login"},
		{"limits.commands", "50", "commands before login"},
		{"limits.bad-commands", "10", "commands that nobody understood, before login"},
		{"limits.logins", "3", "refused logins until the connection is closed"},
		{"limits.before-login", "1m", "IMAP and POP3: all the time before login; SMTP: until EHLO and STARTTLS are done"},
		{"limits.command", "5m", "SMTP: the time for one command"},
		{"limits.drain", "30s", "how long sessions may go on after SIGTERM"},
		{"limits.message-bytes", "52428800", "largest message that the SMTP relay takes"},
		{"revocation.online", "true", "whether the addresses in certificates are asked if they were revoked; false lives on what is on disk"},
		{"revocation.proxy", "none", `web proxy to ask through, e.g. "http://proxy.example.com:3128"; it resolves names, so it must keep strangers' addresses out of your network`},
		{"revocation.allow", "none", `addresses that are asked although they are not public, e.g. ["10.1.2.0/24"]`},
		{"revocation.ports", "none", "ports that are asked beside 80 and 443, e.g. [8080]"},
		{"check.every", "1m", "how often each listener is looked at over the wire, to see that it serves what is bound to it; 0s means never"},
		{"metrics.loopback", "false", "whether /metrics of management answers this machine without a token"},
		{"audit.syslog", "none", `collector that audit rows are sent to: "unix:/dev/log", "udp://192.0.2.1:514" or "tcp://192.0.2.1:601"`},
		{"notices.smtp", "none", `mail server that takes notices and the Monday report, e.g. "mail.example.com:587"`},
		{"notices.tls", "starttls; implicit on port 465", "starttls, implicit, or none, which is for a mail server at 127.0.0.1 or ::1"},
		{"notices.from", "none", `sender, e.g. "postseal@example.com"`},
		{"notices.to", "none", `recipients, 1 to 50, e.g. ["admin@example.com"]`},
		{"notices.username", "none", "login at the mail server"},
		{"notices.password-file", "none", "file of mode 0600 with the password; a relative path is relative to this file"},
		{"notices.language", "en", "language of mail: en or ko"},
		{"notices.webhook", "none", "address that gets notices as JSON by POST"},
		{"notices.webhook-key-file", "none", "file of mode 0600 with the key of the signature (HMAC-SHA256); a relative path is relative to this file"},
		{"notices.webhook-allow", "none", `addresses of the web hook that are asked although they are not public, e.g. ["10.1.2.0/24"]`},
		{"acme.names", "none", `names by which ACME clients call this server beside its own, e.g. ["pki.example.com"]`},
		{"acme.open", "none", "profile of accounts that show no key; without it each needs one, from: postseal ca eab new"},
		{"acme.orders-per-hour", "300", "orders of one account"},
		{"acme.networks", "public and private addresses", `addresses that validation connects to, these and no other, e.g. ["10.0.0.0/8"]; loopback only if it is among them`},
		{"acme.resolver", "those of this machine", `name server that validation asks, e.g. "192.0.2.53:53"`},
		{"acme.http-port", "80", "port of http-01, for trying it out"},
		{"acme.tls-port", "443", "port of tls-alpn-01, for trying it out"},
		{"security-module.library", "none", `path of the PKCS #11 library of a security module, e.g. "/usr/lib/softhsm/libsofthsm2.so"; only in a program built with: make pkcs11`},
		{"security-module.token", "none", "label of the token in it"},
		{"security-module.pin-file", "none", "file of mode 0600 with the token's PIN; a relative path is relative to this file"},
	}
}

// FileError reports a configuration file that cannot be used.
type FileError struct {
	Path string
	Line int // 0 when not known
	Err  error
}

func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("reading the configuration %s, line %d: %v", e.Path, e.Line, e.Err)
	}
	return fmt.Sprintf("reading the configuration %s: %v", e.Path, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// Read reads the file at path. A file that does not exist is an empty one unless required is set; every
// other fault is a [*FileError].
func Read(path string, required bool) (File, error) {
	var file File
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return file, nil
	}
	if err != nil {
		return file, &FileError{Path: path, Err: err}
	}
	if info.Size() > maxFileBytes || !info.Mode().IsRegular() {
		return file, &FileError{Path: path, Err: fmt.Errorf("not a regular file of at most %d bytes", maxFileBytes)}
	}
	f, err := os.Open(path)
	if err != nil {
		return file, &FileError{Path: path, Err: err}
	}
	defer f.Close()
	if err := toml.NewDecoder(f).DisallowUnknownFields().Decode(&file); err != nil {
		return File{}, fileError(path, err)
	}
	if err := errors.Join(file.Limits.check(), file.Revocation.check(), file.Check.check(), file.Audit.check(), file.Notices.check(), file.ACME.check(), file.SecurityModule.check()); err != nil {
		return File{}, &FileError{Path: path, Err: err}
	}
	return file, nil
}

// fileError finds the line and the key in what the TOML decoder says.
func fileError(path string, err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		first := strict.Errors[0]
		line, _ := first.Position()
		return &FileError{Path: path, Line: line, Err: unknownKey(first.Key())}
	}
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := decode.Position()
		return &FileError{Path: path, Line: line, Err: errors.New(decode.Error())}
	}
	return &FileError{Path: path, Err: err}
}

func (l Limits) check() error {
	for name, n := range map[string]int64{
		"connections-per-listener": int64(l.ConnectionsPerListener),
		"connections-per-address":  int64(l.ConnectionsPerAddress),
		"line-bytes":               int64(l.LineBytes),
		"auth-line-bytes":          int64(l.AuthLineBytes),
		"literal-bytes":            int64(l.LiteralBytes),
		"commands":                 int64(l.Commands),
		"bad-commands":             int64(l.BadCommands),
		"logins":                   int64(l.Logins),
		"message-bytes":            l.MessageBytes,
	} {
		if n < 0 {
			return fmt.Errorf("limits.%s is negative", name)
		}
	}
	return nil
}
