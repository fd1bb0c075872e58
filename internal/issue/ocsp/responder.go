package ocsp

import (
	"bytes"
	"container/list"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	// Freshness is how long an answer holds. Clients ask again after it; a revocation is known to whoever asks anew at
	// once, because [Responder.Forget] throws the kept answer away.
	Freshness = time.Hour
	// Cacheable is how long caches between us and clients may keep an answer: a revocation is to be known everywhere
	// within five seconds, and whoever revokes in another process has one of them.
	Cacheable = 4 * time.Second
	// keep is how many answers are kept; each has about 1 KiB.
	keep = 16 << 10
	// staleBefore: a kept answer is given for this part of its freshness and made anew afterwards.
	staleBefore = Freshness / 2
)

// Source knows what was issued and revoked. Answer must say [Unknown] of a serial that the authority did not issue.
type Source interface {
	Answer(ctx context.Context, authority string, serial []byte) (Answer, error)
}

// Responder answers questions about the certificates of one authority over HTTP. Its methods may be called from many
// goroutines.
type Responder struct {
	authority string
	source    Source
	log       *slog.Logger
	hashes    map[crypto.Hash][2][]byte // name and key of the issuer

	kind, public []string // values of Content-Type and Cache-Control, never changed

	// mu guards signer and what is kept. It is not held while anything is asked or signed.
	mu     sync.Mutex
	signer *Signer
	kept   map[string]*list.Element // of *answered, by the CertID as it came
	order  list.List                // the oldest first
	forgot uint64                   // counts Forget: an answer that was asked for before it is not kept
}

type answered struct {
	id     string
	serial string
	raw    []byte
	made   time.Time
	// What is sent with it, made once.
	length, modified, expires, tag []string
}

// newAnswered wraps an answer that was made for one question.
func newAnswered(id CertID, raw []byte, made time.Time) *answered {
	return &answered{id: string(id.raw), serial: string(id.Serial), raw: raw, made: made, length: []string{strconv.Itoa(len(raw))},
		modified: []string{made.UTC().Format(http.TimeFormat)}, expires: []string{made.Add(Freshness).UTC().Format(http.TimeFormat)}, tag: []string{`"` + hex.EncodeToString(digest(crypto.SHA256, raw)[:16]) + `"`}}
}

// NewResponder makes a responder for the authority of that name, which its source knows it by.
func NewResponder(authority string, issuer *x509.Certificate, signer *Signer, source Source, log *slog.Logger) (*Responder, error) {
	bits, err := keyBits(issuer)
	if err != nil {
		return nil, err
	}
	r := &Responder{authority: authority, signer: signer, source: source, log: log, hashes: map[crypto.Hash][2][]byte{}, kept: map[string]*list.Element{},
		kind: []string{"application/ocsp-response"}, public: []string{fmt.Sprintf("max-age=%d, public, no-transform, must-revalidate", int(Cacheable/time.Second))}}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		r.hashes[h] = [2][]byte{digest(h, issuer.RawSubject), digest(h, bits)}
	}
	return r, nil
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b) // a hash never fails
	return d.Sum(nil)
}

// SetSigner puts another signer in force, for the next answer.
func (r *Responder) SetSigner(s *Signer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signer = s
	r.forgetAll()
}

// ForgetAll throws all kept answers away: something was revoked, and nobody has said what.
func (r *Responder) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetAll()
}

// Forget throws the kept answers about a serial away: it was just revoked.
func (r *Responder) Forget(serial []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgot++
	for id, e := range r.kept {
		if e.Value.(*answered).serial == string(serial) {
			r.order.Remove(e)
			delete(r.kept, id)
		}
	}
}

func (r *Responder) forgetAll() {
	r.forgot++
	r.kept = map[string]*list.Element{}
	r.order.Init()
}

// ServeHTTP answers GET with the question in the address (RFC 6960 appendix A.1) and POST with it in the body.
func (r *Responder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var raw []byte
	switch request.Method {
	case http.MethodGet, http.MethodHead:
		var ok bool
		if raw, ok = fromPath(request.URL); !ok {
			r.refuse(w, malformedRequest)
			return
		}
	case http.MethodPost:
		if request.Header.Get("Content-Type") != "application/ocsp-request" {
			http.Error(w, "want application/ocsp-request", http.StatusUnsupportedMediaType)
			return
		}
		var err error
		if raw, err = io.ReadAll(http.MaxBytesReader(w, request.Body, MaxRequestBytes)); err != nil {
			r.refuse(w, malformedRequest)
			return
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "want GET or POST", http.StatusMethodNotAllowed)
		return
	}
	a, refusal, cacheable := r.answer(request.Context(), raw)
	if a == nil {
		r.refuse(w, refusal)
		return
	}
	// The names are as net/http spells them; the values are shared by all who are given this answer, and never changed.
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = r.kind, a.length
	if request.Method != http.MethodPost && cacheable {
		// RFC 5019 section 5: caches may keep it, though not as long as it holds, so that no client gets one at its end.
		h["Last-Modified"], h["Expires"], h["Etag"], h["Cache-Control"] = a.modified, a.expires, a.tag, r.public
	} else {
		h.Set("Cache-Control", "no-store")
	}
	if request.Method != http.MethodHead {
		w.Write(a.raw) // the client is gone when this fails
	}
}

// fromPath reads the base64 of a question from the end of an address. Clients escape it, or do not; a proxy may have made
// one slash of two.
func fromPath(u *url.URL) ([]byte, bool) {
	path := u.EscapedPath()
	if len(path) > 2*MaxRequestBytes {
		return nil, false
	}
	text, err := url.PathUnescape(path)
	if err != nil {
		return nil, false
	}
	// Base64 has slashes of its own, so it is not known where it begins; every OCSPRequest begins with SEQUENCE, which is
	// M in base64. It begins at the first M behind a slash unless a directory begins so: an address of four thousand such
	// directories is not read four thousand times.
	const most = 8
	for i, tried := 0, 0; i < len(text) && tried < most; i++ {
		if text[i] != 'M' || i > 0 && text[i-1] != '/' {
			continue
		}
		tried++
		raw, err := base64.StdEncoding.DecodeString(text[i:])
		if err == nil {
			return raw, true
		}
	}
	return nil, false
}

// refuse sends an answer that is not signed. It is not kept by anybody.
func (r *Responder) refuse(w http.ResponseWriter, raw []byte) {
	w.Header().Set("Content-Type", "application/ocsp-response")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(raw) // the client is gone when this fails
}

// answer returns the answer to send, or else a refusal.
func (r *Responder) answer(ctx context.Context, raw []byte) (a *answered, refusal []byte, cacheable bool) {
	q, err := ParseRequest(raw)
	if err != nil {
		return nil, malformedRequest, false
	}
	for _, id := range q.Questions {
		if !r.ours(id) {
			return nil, unauthorized, false // RFC 5019 section 2.2.3
		}
	}
	cacheable = q.Nonce == nil && len(q.Questions) == 1
	now := time.Now().UTC().Truncate(time.Second)
	r.mu.Lock()
	signer, forgot := r.signer, r.forgot
	if e, ok := r.kept[string(q.Questions[0].raw)]; ok && cacheable {
		if k := e.Value.(*answered); now.Sub(k.made) < staleBefore && !now.Before(k.made) {
			r.mu.Unlock()
			return k, nil, true
		}
	}
	r.mu.Unlock()
	if signer == nil {
		return nil, tryLater, false
	}
	var answers []Answer
	for _, id := range q.Questions {
		a, err := r.source.Answer(ctx, r.authority, id.Serial)
		if err != nil {
			r.log.ErrorContext(ctx, "OCSP answer not known", "authority", r.authority, "serial", hex.EncodeToString(id.Serial), "err", err)
			return nil, tryLater, false
		}
		answers = append(answers, a)
	}
	answer, err := signer.sign(q.Questions, answers, q.Nonce, now, now.Add(Freshness))
	if err != nil {
		r.log.ErrorContext(ctx, "OCSP answer not signed", "authority", r.authority, "err", err)
		return nil, internalError, false
	}
	// What we do not know is asked about by strangers with numbers that they make up: they must not fill the room.
	a = newAnswered(q.Questions[0], answer, now)
	if cacheable && answers[0].Status != Unknown {
		r.remember(a, forgot)
	}
	return a, nil, cacheable
}

func (r *Responder) ours(id CertID) bool {
	h, ok := r.hashes[id.Hash]
	return ok && bytes.Equal(h[0], id.IssuerNameHash) && bytes.Equal(h[1], id.IssuerKeyHash)
}

// remember keeps an answer, unless something was revoked since it was asked for.
func (r *Responder) remember(a *answered, forgot uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forgot != forgot {
		return
	}
	if old, ok := r.kept[a.id]; ok {
		r.order.Remove(old)
	}
	r.kept[a.id] = r.order.PushBack(a)
	for r.order.Len() > keep {
		oldest := r.order.Front()
		r.order.Remove(oldest)
		delete(r.kept, oldest.Value.(*answered).id)
	}
}
