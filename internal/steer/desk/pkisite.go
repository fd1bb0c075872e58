package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ocsp"
)

// atOnce bounds how many strangers are answered at once from below /pki/, and atOnceOfOne how many of one address (of one
// network of IPv6). An answer takes a fraction of a millisecond unless the client reads slowly, so who is turned away comes
// in a second later, and who reads slowly, or a hundred times, keeps nobody out but himself.
const (
	atOnce      = 256
	atOnceOfOne = atOnce / 4
)

// room counts who is inside. The zero value is empty.
type room struct {
	// mu guards what follows.
	mu     sync.Mutex
	inside int
	of     map[netip.Prefix]int
}

// enter reports whether there was room for one from there; then leave must be called.
func (r *room) enter(from netip.Prefix) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside >= atOnce || r.of[from] >= atOnceOfOne {
		return false
	}
	if r.of == nil {
		r.of = make(map[netip.Prefix]int)
	}
	r.inside++
	r.of[from]++
	return true
}

func (r *room) leave(from netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
	if r.of[from]--; r.of[from] == 0 {
		delete(r.of, from)
	}
}

// neighbourhood is who counts as one: an address of IPv4, or the /64 that one customer has in IPv6.
func neighbourhood(r *http.Request) netip.Prefix {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{} // no network: they are all one
	}
	addr, bits := a.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// comeWhole reads what a stranger sends along, which is a question of OCSP or nothing. It is read before he is let in: who
// sends one octet and rests would hold a place otherwise. False: he was refused.
func comeWhole(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	if r.Body == nil || r.ContentLength == 0 {
		return r, true
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Connection", "close") // or net/http waits for what was announced
		http.Error(w, "want no body", http.StatusBadRequest)
		return r, false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, ocsp.MaxRequestBytes+1)) // the responder refuses what is longer
	if err != nil {
		w.Header().Set("Connection", "close")
		http.Error(w, "the body did not come whole", http.StatusBadRequest)
		return r, false
	}
	read := r.WithContext(r.Context()) // a copy: net/http looks at the body of its own
	read.Body = io.NopCloser(bytes.NewReader(body))
	return read, true
}

// PKI answers what clients of our own authority ask on plain HTTP:
//
//	/pki/AUTHORITY.cer          its certificate
//	/pki/AUTHORITY.crl          its complete revocation list
//	/pki/AUTHORITY/SHARD.crl    the list that stands in a certificate
//	/pki/ocsp/AUTHORITY         answers about one certificate
//
// At most [atOnce] are answered at once, and [atOnceOfOne] of one address; others get 503 with Retry-After. What is fetched has an ETag and may be kept for
// few seconds by caches, so that a revocation is seen within five seconds through them too.
func (d *Desk) PKI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, ok := comeWhole(w, r)
		if !ok {
			return
		}
		from := neighbourhood(r)
		if !d.pki.room.enter(from) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many at once", http.StatusServiceUnavailable)
			return
		}
		defer d.pki.room.leave(from)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		path := strings.TrimPrefix(r.URL.Path, "/pki/")
		if rest, ok := strings.CutPrefix(path, "ocsp/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			responder, err := d.responder(r.Context(), name)
			if err == nil {
				err = d.noticeRevocations(r.Context())
			}
			if err != nil {
				d.refuse(w, r, err)
				return
			}
			d.pki.askedFor("ocsp/" + name)
			responder.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "want GET", http.StatusMethodNotAllowed)
			return
		}
		p, err := d.published(r.Context(), path)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		defer p.body.Close()
		h := w.Header()
		h.Set("Content-Type", p.kind)
		h.Set("ETag", p.tag)
		h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(p.cached/time.Second)))
		http.ServeContent(w, r, "", p.made, p.body)
	})
}

// publishedFile is a file below /pki/ with its media type (RFC 2585 section 4).
type publishedFile struct {
	kind   string
	tag    string
	made   time.Time
	cached time.Duration // how long caches may keep it
	body   interface {
		io.ReadSeeker
		io.Closer
	}
}

func (d *Desk) published(ctx context.Context, path string) (*publishedFile, error) {
	if name, ok := strings.CutSuffix(path, ".cer"); ok {
		a, _, err := d.authorityNamed(ctx, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(a.Certificate)
		return &publishedFile{"application/pkix-cert", `"` + hex.EncodeToString(sum[:16]) + `"`, time.Time{}, listCached, readOnly{bytes.NewReader(a.Certificate)}}, nil
	}
	name, ok := strings.CutSuffix(path, ".crl")
	if !ok {
		return nil, state.ErrNotFound
	}
	var shard int64
	if authority, number, ok := strings.Cut(name, "/"); ok {
		var err error
		if shard, err = strconv.ParseInt(number, 10, 64); err != nil || shard < 1 {
			return nil, state.ErrNotFound
		}
		name = authority
	}
	for again := 0; ; again++ {
		k, err := d.listOf(ctx, name, shard)
		if err != nil {
			return nil, err
		}
		f, err := os.Open(k.path)
		if errors.Is(err, os.ErrNotExist) && again < 3 {
			continue // another took its place meanwhile
		}
		if err != nil {
			return nil, err
		}
		d.pki.askedFor(listKey(name, shard))
		return &publishedFile{"application/pkix-crl", `"` + k.number + `"`, k.made, k.cached(), f}, nil
	}
}

// readOnly is a body in memory.
type readOnly struct{ *bytes.Reader }

func (readOnly) Close() error { return nil }

func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNoAuthority) || errors.Is(err, state.ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	if !errors.Is(err, ca.ErrIssuer) { // a key that is elsewhere is no fault
		d.log.ErrorContext(r.Context(), "publishing for our own authority", "path", r.URL.Path, "err", err)
	}
	w.Header().Set("Retry-After", "60")
	http.Error(w, "not now", http.StatusServiceUnavailable)
}

// askedFor remembers that something was asked for that there is; there are as many as authorities and lists, and no more.
func (p *publishing) askedFor(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == nil {
		p.asked = make(map[string]time.Time)
	}
	p.asked[what] = time.Now()
}
