package trust

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"postseal/internal/ground/x509cert"
)

// An Anchor is a certificate that is trusted because we say so.
type Anchor struct {
	Cert *x509.Certificate
	From x509cert.RootType // where it came from; shown as rootType of what it vouches for
	// Direct anchors are trusted byte for byte and for themselves alone: they vouch for nobody, and being self-signed or
	// without names is no fault of theirs. The organisation's published certificates are such.
	Direct bool
}

// ErrNoSystemStore says that no root store of the system was found.
var ErrNoSystemStore = errors.New("no root store found on this system")

// MaxStoreBytes bounds a file of the system's root store. Real ones have a quarter of a megabyte.
const MaxStoreBytes = 8 << 20

// systemStores are the files in which the distributions keep all their roots, the first that exists is read.
func systemStores() []string {
	if file := os.Getenv("SSL_CERT_FILE"); file != "" { // as OpenSSL and crypto/x509 do
		return []string{file}
	}
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL, Fedora
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/var/lib/ca-certificates/ca-bundle.pem", // SUSE
		"/etc/ssl/cert.pem",
	}
}

// SystemAnchors reads the root store of the system. It is read once, at start; whoever wants later changes calls it
// again and makes a new [Verifier]. crypto/x509 has the same roots but does not tell which. The error is
// [ErrNoSystemStore] or that of the file.
func SystemAnchors() ([]Anchor, error) {
	for _, path := range systemStores() {
		anchors, err := readStore(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the root store %s: %w", path, err)
		}
		return anchors, nil
	}
	return nil, ErrNoSystemStore
}

func readStore(path string) ([]Anchor, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxStoreBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxStoreBytes {
		return nil, fmt.Errorf("longer than %d MiB", MaxStoreBytes>>20)
	}
	var anchors []Anchor
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return anchors, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		// A root that cannot be read can vouch for nobody; the others are as good as before.
		if cert, err := x509cert.ParseCertificate(block.Bytes); err == nil {
			anchors = append(anchors, Anchor{Cert: cert, From: x509cert.RootThirdParty})
		}
	}
}

// An anchorage is a set of anchors, prepared for building chains. It never changes.
type anchorage struct {
	direct          map[string]Anchor // by DER
	all             map[string]Anchor // by DER; those that vouch for others
	strict, lenient *x509.CertPool    // of copies, see [stripped]
	original        map[*x509.Certificate]*x509.Certificate
}

func newAnchorage(anchors []Anchor) *anchorage {
	a := &anchorage{
		direct: map[string]Anchor{}, all: map[string]Anchor{},
		strict: x509.NewCertPool(), lenient: x509.NewCertPool(),
		original: map[*x509.Certificate]*x509.Certificate{},
	}
	// The word that a person reads first wins when an anchor came from several places: ours before the system's.
	sorted := slices.Clone(anchors)
	slices.SortStableFunc(sorted, func(x, y Anchor) int { return order(x.From) - order(y.From) })
	for _, anchor := range sorted {
		key := string(anchor.Cert.Raw)
		into := a.all
		if anchor.Direct {
			into = a.direct
		}
		if _, there := into[key]; there {
			continue
		}
		into[key] = anchor
		if !anchor.Direct {
			a.add(a.strict, stripped(anchor.Cert, strict), anchor.Cert)
			a.add(a.lenient, stripped(anchor.Cert, lenient), anchor.Cert)
		}
	}
	return a
}

func (a *anchorage) add(pool *x509.CertPool, copied, original *x509.Certificate) {
	pool.AddCert(copied)
	a.original[copied] = original
}

func order(t x509cert.RootType) int {
	return slices.Index([]x509cert.RootType{
		x509cert.RootEnterprise, x509cert.RootRegistry, x509cert.RootGroupPolicy, x509cert.RootNone, x509cert.RootThirdParty,
	}, t)
}
