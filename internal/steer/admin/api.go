// Package admin is the management API and its client.
//
// The API is JSON over HTTP: POST /api/v1/NOUN/VERB with a request object, answered with one JSON
// document, or with a [Problem]. It is served on a Unix socket in the data directory, to root and the
// directory's owner, and to nobody else; the command line speaks it. When no server runs, the command
// line opens the state itself and calls the same handler without a socket ([Local]), so that a command
// does the same either way.
//
// Programs elsewhere speak the same API over HTTPS on the management listener, with a token of a scope and an
// end ([Remote], [DialRemote]); the description of it (OpenAPI 3.1) is at /api/v1/openapi.json, and numbers for
// Prometheus are at /metrics.
//
// Package pages calls it the same way, with the name of whoever is signed in, so that a page can do nothing
// that a command cannot. All of it ends in package desk.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"runtime"
	"slices"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/hint"
)

const (
	// maxRequestBytes bounds a request.
	maxRequestBytes = 1 << 20
	// maxFilesBytes bounds one that brings files, in base64.
	maxFilesBytes = 64 << 20
)

// Problem is the answer to a request that was refused or failed.
type Problem struct {
	Text  string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Name  string `json:"name,omitempty"`  // of the error, for programs: "certfile.PasswordMissingError"
	Usage bool   `json:"usage,omitempty"` // the request itself was wrong: the command line exits with 2
}

func (p *Problem) Error() string { return p.Text }

// ProblemOf makes a Problem of an error, with its hint.
func ProblemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	h := hint.For(err)
	return &Problem{Text: err.Error(), Hint: h.Text, Name: h.Name, Usage: h.Usage}
}

// act is one act of the API: what it does, who may ask for it, and what goes in and comes out.
type act struct {
	scope           desk.Scope // that a token needs; empty is nobody's with a token, and a test fails
	request, answer reflect.Type
	method          string // of the desk, for the description of the API; a name without a type's for others
	run             func(ctx context.Context, who state.Actor, request []byte) (any, error)
}

// acting makes an act of a method of the desk. It has no scope yet: see operating and administering.
func acting[Request, Answer any](f func(context.Context, state.Actor, Request) (Answer, error)) act {
	return act{request: reflect.TypeFor[Request](), answer: reflect.TypeFor[Answer](), method: runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name(),
		run: func(ctx context.Context, who state.Actor, body []byte) (any, error) {
			var request Request
			if err := decode(body, &request); err != nil {
				return nil, err
			}
			return f(ctx, who, request)
		}}
}

// operating makes an act that changes which certificates serve, and hands no key or access to anybody.
func operating[Request, Answer any](f func(context.Context, state.Actor, Request) (Answer, error)) act {
	a := acting(f)
	a.scope = desk.ScopeOperate
	return a
}

// administering makes an act that lets keys out, changes whom we trust, or who may act and where.
func administering[Request, Answer any](f func(context.Context, state.Actor, Request) (Answer, error)) act {
	a := acting(f)
	a.scope = desk.ScopeAdmin
	return a
}

// looking makes an act of a method that changes nothing.
func looking[Request, Answer any](f func(context.Context, Request) (Answer, error)) act {
	a := acting(func(ctx context.Context, _ state.Actor, r Request) (Answer, error) { return f(ctx, r) })
	a.scope, a.method = desk.ScopeRead, runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return a
}

// Named asks for one thing by its name or ID.
type Named struct {
	ID string `json:"id"`
}

// Nothing is the request of an act that needs none.
type Nothing struct{}

// acts is the whole API.
func acts(d *desk.Desk) map[string]act {
	return map[string]act{
		"cert/list":           looking(d.Certificates),
		"cert/page":           looking(d.Page),
		"cert/show":           looking(func(ctx context.Context, r Named) (*desk.CertificateDetail, error) { return d.Certificate(ctx, r.ID) }),
		"cert/new":            operating(d.New),
		"cert/enable":         operating(d.Enable),
		"cert/disable":        operating(d.Disable),
		"cert/remove":         operating(d.Remove),
		"cert/set-internal":   administering(d.SetInternal), // it is trusted directly
		"cert/request":        operating(d.Ask),
		"cert/import":         operating(d.Import),
		"cert/export":         administering(d.Export),
		"cert/renew":          operating(d.Renew),
		"cert/activate":       operating(d.Activate),
		"cert/rollback":       operating(d.Rollback),
		"cert/explain":        looking(d.Explain),
		"cert/opening":        looking(func(ctx context.Context, _ Nothing) (*desk.Opening, error) { return d.Opening(ctx) }),
		"lineage/list":        looking(func(ctx context.Context, _ Nothing) ([]desk.LineageView, error) { return d.Lineages(ctx) }),
		"lineage/show":        looking(func(ctx context.Context, r Named) (*desk.LineageView, error) { return d.Lineage(ctx, r.ID) }),
		"lineage/set":         operating(d.SetLineage),
		"listener/list":       looking(func(ctx context.Context, _ Nothing) ([]desk.ListenerView, error) { return d.Listeners(ctx) }),
		"listener/set":        administering(d.SetListener),
		"service/list":        looking(func(ctx context.Context, _ Nothing) ([]desk.ServiceView, error) { return d.Services(ctx) }),
		"status/show":         looking(func(ctx context.Context, _ Nothing) (*desk.Status, error) { return d.Status(ctx) }),
		"plan/show":           looking(d.Plan),
		"plan/calendar":       looking(d.Calendar),
		"plan/authorities":    looking(d.Authorities),
		"plan/apply":          operating(d.ApplyPlan),
		"trust/list":          looking(func(ctx context.Context, _ Nothing) (*desk.TrustView, error) { return d.Trust(ctx) }),
		"trust/beliefs":       looking(func(ctx context.Context, _ Nothing) (*desk.Beliefs, error) { return d.Beliefs(ctx) }),
		"trust/export":        looking(d.TrustFile),
		"trust/add":           administering(d.AddAnchors),
		"trust/remove":        administering(d.ForgetTrust),
		"trust/distrust":      administering(d.AddDistrust),
		"admin/token-new":     administering(d.NewToken),
		"admin/token-list":    looking(func(ctx context.Context, _ Nothing) ([]desk.TokenView, error) { return d.Tokens(ctx) }),
		"admin/fingerprint":   looking(func(ctx context.Context, _ Nothing) (*desk.FingerprintView, error) { return d.Fingerprints(ctx) }),
		"admin/token-revoke":  administering(d.RevokeToken),
		"cert/renew-request":  operating(d.RenewByRequest),
		"ca/init":             administering(d.InitAuthority),
		"ca/issue":            operating(d.Issue),
		"ca/certify":          administering(d.Certify), // for a key that the caller brings
		"ca/revoke":           administering(d.Revoke),
		"ca/revoke-authority": administering(d.RevokeAuthority),
		"ca/extend":           administering(d.Extend),
		"ca/rollover":         administering(d.Rollover),
		"ca/module":           looking(func(ctx context.Context, _ Nothing) (*desk.ModuleView, error) { return d.SecurityModule(ctx) }),
		"ca/requests":         looking(func(ctx context.Context, _ Nothing) (*desk.WaitingRequests, error) { return d.AuthorityRequests(ctx) }),
		"ca/import":           administering(d.ImportAuthority),
		"ca/withdraw":         administering(d.Withdraw),
		"ca/root-export":      administering(d.ExportRoot), // a private key leaves
		"ca/root-remove":      administering(d.RemoveRoot),
		"ca/root-import":      administering(d.ImportRoot),
		"ca/profile-list":     looking(func(ctx context.Context, _ Nothing) ([]desk.ProfileView, error) { return d.CAProfiles(ctx) }),
		"ca/profile-show":     looking(func(ctx context.Context, r Named) (*desk.ProfileView, error) { return d.CAProfile(ctx, r.ID) }),
		"ca/profile-set":      administering(d.SetCAProfile),
		"ca/profile-remove":   administering(d.RemoveCAProfile),
		"ca/pending":          looking(d.Pending),
		"ca/approve":          administering(d.Approve),
		"ca/reject":           administering(d.Reject),
		"ca/certificate":      looking(func(ctx context.Context, r Named) (*desk.Certified, error) { return d.IssuedCertificate(ctx, r.ID) }),
		"ca/crl":              looking(d.RevocationList),
		"ca/list":             looking(d.Issued),
		"ca/health":           looking(func(ctx context.Context, _ Nothing) (*desk.PKIHealth, error) { return d.PKIHealth(ctx) }),
		"ca/zlint-accept":     administering(d.AcceptZLint),
		"ca/line":             looking(d.IssuedLine),
		"ca/person":           administering(d.IssuePerson), // a private key leaves
		"ca/person-key":       administering(d.PersonKey),   // and again
		"ca/people":           looking(func(ctx context.Context, _ Nothing) ([]desk.PersonView, error) { return d.People(ctx) }),
		"ca/counts":           looking(func(ctx context.Context, _ Nothing) (*desk.BookNumbers, error) { return d.CountBook(ctx) }),
		"ca/keep":             administering(d.KeepBook), // what it forgets does not come back
		"ca/show":             looking(func(ctx context.Context, _ Nothing) (*desk.AuthoritiesView, error) { return d.OwnAuthorities(ctx) }),
		"ca/eab-new":          administering(d.NewEAB), // whoever has it gets certificates
		"ca/eab-list":         looking(func(ctx context.Context, _ Nothing) ([]desk.EABView, error) { return d.EABs(ctx) }),
		"ca/eab-revoke":       administering(d.RevokeEAB),
		"ca/account-list":     looking(func(ctx context.Context, _ Nothing) ([]desk.AccountView, error) { return d.Accounts(ctx) }),
		"ca/account-revoke":   administering(d.RevokeAccount),
		"ca/ari-move":         administering(d.MoveWindow),
		"ca/ari-list":         looking(func(ctx context.Context, _ Nothing) ([]desk.WindowView, error) { return d.Windows(ctx) }),
		"ca/ari-restore":      administering(d.RestoreWindow),
		"recovery/show":       looking(func(ctx context.Context, _ Nothing) (*desk.RecoveryView, error) { return d.Recovery(ctx) }),
		"recovery/init":       administering(d.SetRecovery),
		"recovery/secrets": administering(func(ctx context.Context, _ state.Actor, _ Nothing) (*desk.RecoverySecrets, error) {
			return d.RecoverySecrets(ctx) // wrapped keys leave
		}),
		"recovery/tested": administering(d.Tested),
		"backup/create":   streaming(d.Backup),
		"backup/kept":     administering(d.Kept),
		"check/run": operating(func(ctx context.Context, _ state.Actor, r desk.CheckRequest) (*desk.CheckAnswer, error) {
			return d.Check(ctx, r) // changes nothing here, but speaks to others in our name; less than admin to our own only
		}),
		"notice/list": looking(d.Notices),
		"notice/test": administering(func(ctx context.Context, _ state.Actor, _ Nothing) ([]desk.NoticeTest, error) {
			return d.TestNotices(ctx) // changes nothing here, but fills the mailboxes of administrators, in which a warning must be seen
		}),
		"report/show":    looking(d.Report),
		"check/seen":     looking(func(ctx context.Context, _ Nothing) ([]desk.Seen, error) { return d.LastSeen(ctx) }),
		"check/own":      looking(func(ctx context.Context, _ Nothing) (*desk.Own, error) { return d.Own(ctx) }),
		"check/believed": looking(func(ctx context.Context, _ Nothing) (*desk.Believed, error) { return d.Believed(ctx) }),
		"audit/list":     looking(d.Audit),
		"audit/verify": looking(func(ctx context.Context, r desk.VerifyRequest) (*desk.AuditVerdict, error) {
			if r.Quick {
				return d.GlanceAudit(ctx)
			}
			return d.VerifyAudit(ctx)
		}),
		"audit/accept": administering(d.AcceptAudit),
		"admin/link": administering(func(ctx context.Context, who state.Actor, _ Nothing) (*desk.Link, error) {
			return d.NewLink(ctx, who)
		}),
	}
}

// asker says who asks, and with which context to go on. Its error is answered by refuse.
type asker struct {
	who    func(*http.Request) (state.Actor, context.Context, error)
	refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// API returns the handler of the management API. actor says who asks; it runs before anything else, and
// its error refuses the request.
func API(d *desk.Desk, log *slog.Logger, actor func(*http.Request) (state.Actor, error)) http.Handler {
	return serveActs(d, log, asker{
		who: func(r *http.Request) (state.Actor, context.Context, error) {
			who, err := actor(r)
			return who, r.Context(), err
		},
		refuse: func(w http.ResponseWriter, r *http.Request, err error) {
			log.WarnContext(r.Context(), "management request refused", "err", err)
			answer(w, http.StatusForbidden, &Problem{Text: "not allowed"})
		},
	})
}

func serveActs(d *desk.Desk, log *slog.Logger, asks asker) http.Handler {
	table := acts(d)
	rooms := newRooms()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+describedAt, describe)
	mux.HandleFunc("POST /api/v1/{noun}/{verb}", func(w http.ResponseWriter, r *http.Request) {
		who, ctx, err := asks.who(r)
		if err != nil {
			asks.refuse(w, r, err)
			return
		}
		name := r.PathValue("noun") + "/" + r.PathValue("verb")
		act, ok := table[name]
		if !ok {
			answer(w, http.StatusNotFound, &Problem{Text: "there is no such act in this release", Usage: true})
			return
		}
		if bearer, ok := desk.BearerOf(ctx); ok && !bearer.Scope.Allows(act.scope) {
			// RFC 6750 section 3.1: insufficient_scope is 403, and may name the scope that it takes.
			err := &ScopeError{Act: name, Has: bearer.Scope, Needs: act.scope}
			log.WarnContext(ctx, "management request refused", "who", who.Who, "err", err)
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="postseal", error="insufficient_scope", scope="%s"`, act.scope))
			answer(w, http.StatusForbidden, ProblemOf(err))
			return
		}
		leave, err := rooms.of(name).enter(ctx, w)
		if err != nil {
			log.WarnContext(ctx, "management request refused", "act", name, "who", who.Who, "err", err)
			busy(w, err)
			return
		}
		defer leave()
		limit := int64(maxRequestBytes)
		if bringsFiles(name) {
			limit = maxFilesBytes
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			answer(w, http.StatusRequestEntityTooLarge, &Problem{Text: fmt.Sprintf("a request is at most %d bytes", limit), Usage: true})
			return
		}
		if err != nil {
			log.InfoContext(ctx, "management request failed", "act", r.URL.Path, "who", who.Who, "err", err)
			answer(w, http.StatusBadRequest, &Problem{Text: "the request broke off, or did not come in time", Usage: true})
			return
		}
		result, err := act.run(ctx, who, body)
		if err != nil {
			p := ProblemOf(err)
			log.InfoContext(ctx, "management request failed", "act", r.URL.Path, "who", who.Who, "err", err)
			answer(w, statusOf(err, p), p)
			return
		}
		if s, ok := result.(stream); ok {
			s.answer(w, func(err error) {
				log.InfoContext(ctx, "management request failed", "act", r.URL.Path, "who", who.Who, "err", err)
			})
			return
		}
		answer(w, http.StatusOK, result)
	})
	return mux
}

// bringsFiles says whether an act is given whole files.
func bringsFiles(act string) bool {
	return slices.Contains([]string{"cert/import", "trust/add", "trust/distrust", "ca/import", "ca/root-remove", "ca/root-import"}, act)
}

// statusOf is the HTTP status of a refusal.
func statusOf(err error, p *Problem) int {
	switch {
	case p.Usage:
		return http.StatusBadRequest
	case notOurs(err), errors.Is(err, desk.ErrOwnIdentity):
		return http.StatusForbidden
	case errors.Is(err, state.ErrStale):
		return http.StatusPreconditionFailed
	case errors.Is(err, state.ErrOutcomeUnknown):
		return http.StatusInternalServerError
	}
	return http.StatusConflict
}

// notOurs says whether a token does not reach as far as what was asked for.
func notOurs(err error) bool {
	_, ok := errors.AsType[*desk.NotOursError](err)
	return ok
}

func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body) // the client is gone when this fails
}

// decode reads a request object; what it does not know it refuses.
func decode(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := strictUnmarshal(body, into); err != nil {
		return &Problem{Text: "reading the request: " + err.Error(), Usage: true}
	}
	return nil
}
