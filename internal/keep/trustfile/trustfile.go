// Package trustfile puts certificates that are to be trusted into the files that other systems take.
//
// A certificate that nobody knows is worth nothing, so an organisation's own root has to reach every machine that meets
// it. Each system wants it differently: Windows in its registry, Apple in a configuration profile, Debian in a directory
// followed by a command, Java in a key store of its own, Firefox by a policy. What they have in common: the bytes of the
// certificate are public, and whoever can exchange the file on its way decides whom the machine believes. So compare the
// fingerprint ([File.Fingerprints]) after it has arrived.
//
// The normal use is
//
//	file, err := trustfile.Make(trustfile.Debian, trustfile.Options{Certificates: roots, Organisation: "Example"})
//
// The same certificates always make the same bytes, whatever the time, so files can be compared and signed. Nothing
// secret is ever in them. This package does not decide what is worth being trusted, and installs nothing.
package trustfile

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postseal/internal/ground/x509cert"
)

// Platform is a system that takes certificates to trust. Its text is the word of `trust export --for`.
type Platform string

// The platforms.
const (
	PEM        Platform = "pem"         // text for everything that reads a bundle
	WindowsGPO Platform = "windows-gpo" // a PowerShell script: a group policy, the directory, or this machine
	Apple      Platform = "apple"       // a configuration profile for macOS, iOS and iPadOS
	Android    Platform = "android"     // DER as the settings take it; a ZIP when there are several
	Debian     Platform = "debian"      // a package for Debian and Ubuntu
	RHEL       Platform = "rhel"        // a shell script for RHEL, Fedora and their kin
	Java       Platform = "java"        // a key store (JKS) with trusted entries
	Firefox    Platform = "firefox"     // policies.json, or a ZIP with that and the certificates
	Postfix    Platform = "postfix"     // a bundle with the lines for main.cf
)

// Platforms are all of them, in the order in which they are explained.
func Platforms() []Platform {
	return []Platform{PEM, WindowsGPO, Apple, Android, Debian, RHEL, Java, Firefox, Postfix}
}

// UnknownPlatformError says that a word names no platform.
type UnknownPlatformError struct{ Word string }

// Error names the word and those that are known.
func (e *UnknownPlatformError) Error() string {
	var known []string
	for _, p := range Platforms() {
		known = append(known, string(p))
	}
	return fmt.Sprintf("%q is no platform; it is one of %s", e.Word, strings.Join(known, ", "))
}

// ErrNoCertificates says that there is nothing to trust.
var ErrNoCertificates = errors.New("no certificate to export")

// MaxCertificates bounds a file. An organisation has a handful of roots.
const MaxCertificates = 500

// ErrTooMany says that there are more than [MaxCertificates].
var ErrTooMany = errors.New("more certificates than any organisation has roots")

// Options are what a file is made of.
type Options struct {
	Certificates []*x509.Certificate // parsed; the same one twice counts once
	Organisation string              // a name for people; empty is "Postseal"
	// Archive asks for a ZIP where a platform has one file with and one without the certificates: see [Firefox].
	Archive bool
}

// File is what a platform takes.
type File struct {
	Name    string   // a good name for it
	Type    string   // media type, for whoever serves it over HTTP
	Data    []byte   //
	Install []string // how to install it, a sentence each
	// Fingerprints are one line for each certificate, its SHA-256 and subject, to compare at the other end.
	Fingerprints []string
}

// Sum is the SHA-256 of the file, in hex, for whoever serves it over HTTP.
func (f *File) Sum() string {
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:])
}

// Make makes the file for a platform. The error is an [*UnknownPlatformError], [ErrNoCertificates] or [ErrTooMany].
func Make(p Platform, o Options) (*File, error) {
	makers := map[Platform]func(*bundle) (*File, error){
		PEM: pemFile, WindowsGPO: windowsFile, Apple: appleFile, Android: androidFile, Debian: debianFile,
		RHEL: rhelFile, Java: javaFile, Firefox: firefoxFile, Postfix: postfixFile,
	}
	maker, ok := makers[p]
	if !ok {
		return nil, &UnknownPlatformError{string(p)}
	}
	b, err := newBundle(o)
	if err != nil {
		return nil, err
	}
	f, err := maker(b)
	if err != nil {
		return nil, fmt.Errorf("making the file for %s: %w", p, err)
	}
	for _, e := range b.entries {
		f.Fingerprints = append(f.Fingerprints, e.fingerprint+"  "+e.subject)
	}
	return f, nil
}

// A bundle is the certificates with what every platform asks of them.
type bundle struct {
	entries      []entry
	organisation string
	slug         string // organisation in the letters that names of packages and files may have
	archive      bool
	made         time.Time // notBefore of the newest: the file has no other time
	digest       string    // of all certificates, hex
}

type entry struct {
	cert        *x509.Certificate
	subject     string // for people, in one line of visible ASCII
	file        string // a file name without its extension
	fingerprint string // SHA-256, upper-case hex
}

func newBundle(o Options) (*bundle, error) {
	b := &bundle{organisation: visible(cmp.Or(o.Organisation, "Postseal")), archive: o.Archive}
	b.slug = cmp.Or(slug(o.Organisation), "organisation")
	seen := map[[32]byte]bool{}
	for _, c := range o.Certificates {
		if c == nil || len(c.Raw) == 0 {
			return nil, ErrNoCertificates
		}
		sum := sha256.Sum256(c.Raw)
		if seen[sum] {
			continue
		}
		seen[sum] = true
		subject := visible(cmp.Or(x509cert.SubjectText(c.Subject), "serial "+c.SerialNumber.Text(16)))
		b.entries = append(b.entries, entry{
			cert: c, subject: subject, fingerprint: strings.ToUpper(hex.EncodeToString(sum[:])),
			file: cmp.Or(slug(c.Subject.CommonName), "certificate") + "-" + hex.EncodeToString(sum[:4]),
		})
		if c.NotBefore.After(b.made) {
			b.made = c.NotBefore.UTC()
		}
	}
	switch {
	case len(b.entries) == 0:
		return nil, ErrNoCertificates
	case len(b.entries) > MaxCertificates:
		return nil, ErrTooMany
	}
	slices.SortFunc(b.entries, func(x, y entry) int { return strings.Compare(x.fingerprint, y.fingerprint) })
	whole := sha256.New()
	for _, e := range b.entries {
		whole.Write(e.cert.Raw)
	}
	b.digest = hex.EncodeToString(whole.Sum(nil))
	return b, nil
}

// visible makes a text of somebody else fit into one line of a script, a package or a property list: printable, without
// quotes and what else means something there.
func visible(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune("'\"`$\\<>&", r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
	return string(runes[:min(len(runes), 120)])
}

// slug keeps lower-case letters, figures and single hyphens.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 40 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

func (e entry) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.cert.Raw})
}

// text is a PEM bundle with lines of comment, which every reader passes over.
func (b *bundle) text(heading ...string) []byte {
	var out bytes.Buffer
	for _, line := range heading {
		fmt.Fprintf(&out, "# %s\n", line)
	}
	for _, e := range b.entries {
		fmt.Fprintf(&out, "# %s\n# SHA-256 %s\n%s", e.subject, e.fingerprint, e.pem())
	}
	return out.Bytes()
}

func pemFile(b *bundle) (*File, error) {
	return &File{
		Name: b.slug + ".pem", Type: "application/x-pem-file", Data: b.text("Certificates that " + b.organisation + " trusts"),
		Install: []string{"name it wherever a program asks for a CA file (curl --cacert, SSL_CERT_FILE, tls_ca_cert)"},
	}, nil
}

func postfixFile(b *bundle) (*File, error) {
	name := "/etc/postfix/" + b.slug + "-ca.pem"
	return &File{
		Name: b.slug + "-ca.pem", Type: "application/x-pem-file",
		Data: b.text("Certificates that "+b.organisation+" trusts, for Postfix. Keep this file as "+name+", then:",
			"  postconf -e smtp_tls_CAfile="+name, "  postconf -e smtpd_tls_CAfile="+name, "  postfix reload",
			"They are trusted beside those of smtp_tls_CApath. smtpd_tls_CAfile is for certificates of clients only."),
		Install: []string{
			"copy it to " + name + " (mode 0644)",
			"postconf -e smtp_tls_CAfile=" + name + " && postfix reload",
			"for certificates of clients also: postconf -e smtpd_tls_CAfile=" + name,
		},
	}, nil
}
