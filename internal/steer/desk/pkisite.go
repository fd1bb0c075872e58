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
	"os"
	"strconv"
	"strings"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
)

// PKI answers what clients of our own authority ask on plain HTTP:
//
//	/pki/AUTHORITY.cer          its certificate
//	/pki/AUTHORITY.crl          its complete revocation list
//	/pki/AUTHORITY/SHARD.crl    the list that stands in a certificate
//	/pki/ocsp/AUTHORITY         answers about one certificate
//
// At most [atOnce] are answered at once, and [atOnceOfOne] of one address; others get 503 with Retry-After. What is fetched
// has an ETag and may be kept for few seconds by caches, so that a revocation is seen within five seconds through them too.
func (d *Desk) PKI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, ok := comeWhole(w, r)
		if !ok {
			return
		}
		from := neighbourhood(r)
		if !d.pki.room.enter(from, atOnce, atOnceOfOne) {
			tooMany(w)
			return
		}
		long := func() *publishedFile {
			defer d.pki.room.leave(from)
			return d.answerStranger(w, r)
		}()
		if long == nil {
			return
		}
		defer long.body.Close()
		if !d.pki.long.enter(from, longAtOnce, longAtOnceOfOne) {
			tooMany(w)
			return
		}
		defer d.pki.long.leave(from)
		// Where no deadline can be set, as without a network, there is none.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longTime(long.size)))
		long.serve(w, r)
	})
}

// answerStranger answers, or returns the file that takes long.
func (d *Desk) answerStranger(w http.ResponseWriter, r *http.Request) *publishedFile {
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
			return nil
		}
		d.pki.askedFor("ocsp/" + name)
		responder.ServeHTTP(w, r)
		return nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "want GET", http.StatusMethodNotAllowed)
		return nil
	}
	p, err := d.published(r.Context(), path)
	if err != nil {
		d.refuse(w, r, err)
		return nil
	}
	if p.size > longAnswer && r.Method == http.MethodGet {
		return p
	}
	defer p.body.Close()
	p.serve(w, r)
	return nil
}

// publishedFile is a file below /pki/ with its media type (RFC 2585 section 4).
type publishedFile struct {
	kind   string
	tag    string
	made   time.Time
	cached time.Duration // how long caches may keep it
	size   int64
	body   interface {
		io.ReadSeeker
		io.Closer
	}
}

func (p *publishedFile) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("ETag", p.tag)
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(p.cached/time.Second)))
	http.ServeContent(w, r, "", p.made, p.body)
}

func (d *Desk) published(ctx context.Context, path string) (*publishedFile, error) {
	if name, ok := strings.CutSuffix(path, ".cer"); ok {
		a, _, err := d.authorityNamed(ctx, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(a.Certificate)
		return &publishedFile{"application/pkix-cert", `"` + hex.EncodeToString(sum[:16]) + `"`, time.Time{}, listCached, int64(len(a.Certificate)), readOnly{bytes.NewReader(a.Certificate)}}, nil
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
		info, err := f.Stat()
		if err != nil {
			f.Close() // nothing was written
			return nil, err
		}
		d.pki.askedFor(listKey(name, shard))
		return &publishedFile{"application/pkix-crl", `"` + k.number + `"`, k.made, k.cached(), info.Size(), f}, nil
	}
}

// A list of a million entries has forty megabytes, and the time that a web server gives for an answer is for pages: who has a
// megabit per second would be cut off each time, and know of no revocation at all. So a long one is given the time that
// slowest octets per second need.
const slowest = 128 << 10

// giveTime lets an answer take as long as its length wants. A place is taken meanwhile; with a short list nobody can hold one
// longer than before.
func giveTime(w http.ResponseWriter, body io.Seeker) {
	size, err := body.Seek(0, io.SeekEnd)
	if _, again := body.Seek(0, io.SeekStart); err != nil || again != nil || size < longListBytes {
		return // whoever reads it says what is wrong
	}
	// What cannot set a deadline has none, or a proxy's.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2*time.Minute + time.Duration(size/slowest)*time.Second))
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
