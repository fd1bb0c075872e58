// Package pages is the admin center: what an administrator sees of Postseal in a browser, and the page that
// https answers strangers with.
//
// The admin center is served over HTTPS on the management listener. One signs in with a link that works once;
// there is no password. Pages are made whole on the server, in English and Korean, and work without a script.
// What they change goes through package admin, act by act, like the command line.
package pages

import (
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/hint"
)

// sessionCookie holds a session's token. RFC 6265 section 8.5: cookies know hosts but no ports, so every
// other program under our name could read or set one. The __Host- prefix and Secure leave only those that
// speak TLS there. Whatever passes https on to a back end must take the cookie out first.
const sessionCookie = "__Host-postseal"

// tokenLength is the length of a token of package desk: 256 bits in base64url. Anything else is not asked
// for in the state, so that strangers cannot keep its one writer busy with rubbish.
const tokenLength = 43

// Admin returns the management pages, for the management listener. d answers them; what goes wrong is
// said in log.
func Admin(d *desk.Desk, log *slog.Logger) http.Handler {
	p := &center{printer: newPrinter(log), desk: d, drafts: newShelf(maxDraftBytes, draft.wipe), results: newShelf[done](maxDraftBytes, nil)}
	return p.handler(p.routes())
}

// routes are the pages of the admin center.
func (p *center) routes() routes {
	table := routes{
		"/":         {http.MethodGet: p.signedIn(p.overview)},
		"/sign-in":  {http.MethodGet: p.askToSignIn, http.MethodPost: p.signIn},
		"/sign-out": {http.MethodPost: p.signOut},
		"/healthz":  {http.MethodGet: alive},

		"/certificates":         {http.MethodGet: p.signedIn(p.certificates)},
		"/certificate":          {http.MethodGet: p.signedIn(p.certificate)},
		"/certificate/download": {http.MethodGet: p.signedIn(p.download)},
		"/certificate/export":   {http.MethodGet: p.signedIn(p.askExport), http.MethodPost: p.signedIn(p.export)},
		"/listeners":            {http.MethodGet: p.signedIn(p.listeners)},
		"/trust":                {http.MethodGet: p.signedIn(p.trust)},
		"/trust/download":       {http.MethodGet: p.signedIn(p.trustFile)},
		"/plan":                 {http.MethodGet: p.signedIn(p.plan)},
		"/plan/calendar":        {http.MethodGet: p.signedIn(p.calendar)},
		"/plan/authorities":     {http.MethodGet: p.signedIn(p.authorities)},
		"/check":                {http.MethodGet: p.signedIn(p.check), http.MethodPost: p.signedIn(p.lookAtHosts)},
		"/audit":                {http.MethodGet: p.signedIn(p.audit)},
		"/audit/verify":         {http.MethodPost: p.signedIn(p.verifyAudit)},
		"/audit/download":       {http.MethodGet: p.signedIn(p.auditFile)},
		"/backup":               {http.MethodGet: p.signedIn(p.backup)},
		"/backup/create":        {http.MethodPost: p.signedIn(p.makeBackup)},
		"/notices":              {http.MethodGet: p.signedIn(p.notices)},
		"/notices/test":         {http.MethodPost: p.signedIn(p.testNotices)},
		"/notices/download":     {http.MethodGet: p.signedIn(p.noticesFile)},
		"/report":               {http.MethodGet: p.signedIn(p.report)},
		"/report/download":      {http.MethodGet: p.signedIn(p.reportFile)},
		"/tokens":               {http.MethodGet: p.signedIn(p.tokens), http.MethodPost: p.signedIn(p.makeToken)},
		"/tokens/revoke":        {http.MethodPost: p.signedIn(p.revokeToken)},
		"/wizard":               {http.MethodGet: p.signedIn(p.wizard), http.MethodPost: p.signedIn(p.finishWizard)},

		"/confirm": {http.MethodPost: p.signedIn(p.confirm)},
		"/undo":    {http.MethodPost: p.signedIn(p.undo)},
	}
	maps.Copy(table, p.authorityRoutes())
	for path, f := range p.forms() {
		table[path] = map[string]http.HandlerFunc{http.MethodGet: p.signedIn(p.ask(f)), http.MethodPost: p.signedIn(p.take(f))}
	}
	for path, f := range p.buttons() {
		table[path] = map[string]http.HandlerFunc{http.MethodPost: p.signedIn(p.press(f))}
	}
	return table
}

// center is the admin center of one server.
type center struct {
	*printer
	desk    *desk.Desk
	drafts  *shelf[draft] // what was shown and waits to be confirmed
	results *shelf[done]  // what was done, for the next page to say
}

// askToSignIn shows a button that uses the sign-in link in the address.
//
// The link is not used up by opening it: mail programs, chats and browsers fetch addresses ahead of their
// readers, and the one use would be gone. Nobody presses a button for them. The button has a second
// purpose. The session cookie is SameSite=Strict, which browsers hold back on a navigation that another
// site or program began, redirects included; a sign-in that followed the link itself would be forgotten
// by the redirect to the overview. The form is sent by our own page, and so is what follows it.
func (p *center) askToSignIn(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	switch {
	case token == "":
		p.print(w, r, sheet{template: "signed-out", status: http.StatusOK, title: "signed-out.title", path: "/sign-in", body: false})
	case len(token) != tokenLength:
		p.refuseLink(w, r)
	default:
		p.print(w, r, sheet{template: "sign-in", status: http.StatusOK, title: "sign-in.title", path: "/sign-in", keep: []string{"token", token}, body: token})
	}
}

// signIn uses a link up and gives its bearer a session.
func (p *center) signIn(w http.ResponseWriter, r *http.Request) {
	if !p.readForm(w, r) {
		return
	}
	token := r.PostForm.Get("token")
	if len(token) != tokenLength {
		p.refuseLink(w, r)
		return
	}
	session, expires, err := p.desk.SignIn(r.Context(), token, from(r))
	switch {
	case errors.Is(err, desk.ErrSignInLink):
		p.log.DebugContext(r.Context(), "sign-in refused", "peer", r.RemoteAddr, "err", err)
		p.refuseLink(w, r)
		return
	case err != nil:
		p.broken(w, r, "signing in", err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: session, Path: "/", Expires: expires, MaxAge: int(time.Until(expires) / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signOut ends the session.
func (p *center) signOut(w http.ResponseWriter, r *http.Request) {
	if token, who, ok := p.session(w, r); ok {
		if who != "" {
			if err := p.desk.SignOut(r.Context(), token, state.Actor{Who: who, From: from(r)}); err != nil {
				p.broken(w, r, "signing out", err)
				return
			}
		}
		p.drafts.forget(token)
		p.results.forget(token)
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	}
}

// visitor is who is signed in.
type visitor struct {
	token string // of the session
	actor state.Actor
	words *words
}

// signedIn lets a page answer those who are signed in, and tells others how to.
func (p *center) signedIn(serve func(http.ResponseWriter, *http.Request, visitor)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, who, ok := p.session(w, r)
		switch {
		case !ok:
			return
		case who == "":
			// RFC 9110 section 15.5.2: 401 must come with a challenge, and ours is none that a browser knows; so 403.
			// Who follows a link from another site is perhaps signed in: see askToSignIn. Our own link helps him.
			elsewhere := r.Header.Get("Sec-Fetch-Site") == "cross-site"
			p.print(w, r, sheet{template: "signed-out", status: http.StatusForbidden, title: "signed-out.title", path: "/", body: elsewhere})
			return
		}
		serve(w, r, visitor{token: token, actor: state.Actor{Who: who, From: from(r)}, words: languageOf(r, p.languages)})
	}
}

// show prints a page for a visitor, with what he has just done.
func (p *center) show(w http.ResponseWriter, r *http.Request, v visitor, s sheet) {
	s.who = v.actor.Who
	if s.status == 0 {
		s.status = http.StatusOK
	}
	if id := r.URL.Query().Get("done"); id != "" {
		if d, ok := p.results.look(v.token, id); ok {
			s.done, s.doneID = &d, id
		}
	}
	p.print(w, r, s)
}

// overview shows everything at one look.
func (p *center) overview(w http.ResponseWriter, r *http.Request, v visitor) {
	status, err := p.desk.Status(r.Context())
	if err != nil {
		p.broken(w, r, "reading the status", err)
		return
	}
	lineages, err := p.desk.LineagesInUse(r.Context())
	if err != nil {
		p.broken(w, r, "reading the lineages", err)
		return
	}
	trail, err := p.desk.Audit(r.Context(), desk.AuditRequest{Since: yesterday(time.Now()), Limit: trailGlance})
	if err != nil {
		p.broken(w, r, "reading the audit trail", err)
		return
	}
	p.show(w, r, v, sheet{template: "overview", title: status.Server, path: "/", here: "overview", body: v.words.overview(status, lineages, trail, time.Now())})
}

// session returns the session of a request: its token, and whose it is, empty for a stranger's. ok is
// false when the state could not tell; the request is answered then.
func (p *center) session(w http.ResponseWriter, r *http.Request) (token, who string, ok bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil || len(c.Value) != tokenLength {
		return "", "", true
	}
	who, err = p.desk.Session(r.Context(), c.Value)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return "", "", true
	case err != nil:
		p.broken(w, r, "reading a session", err)
		return "", "", false
	}
	return c.Value, who, true
}

// readForm reads the body of a form; ok is false when it could not, and the request is answered then.
func (p *center) readForm(w http.ResponseWriter, r *http.Request) (ok bool) {
	err := r.ParseForm()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		p.fail(w, r, http.StatusRequestEntityTooLarge, "large")
		return false
	}
	if err != nil {
		p.fail(w, r, http.StatusBadRequest, "bad-request")
		return false
	}
	return true
}

// refuseLink says that a link is not good, in the same words for one that was used, one that has expired
// and one that never was.
func (p *center) refuseLink(w http.ResponseWriter, r *http.Request) {
	words := languageOf(r, p.languages)
	advice := hint.For(desk.ErrSignInLink).Text
	text := append([]piece{{Text: words.say("problem.link") + " "}}, translated(advice, words.phrases[advice])...)
	p.print(w, r, sheet{template: "problem", status: http.StatusForbidden, title: "problem.link.title", path: "/sign-in",
		body: problemPage{Title: words.say("problem.link.title"), Text: text}})
}

// broken answers a request that we could not serve, and logs why.
func (p *center) broken(w http.ResponseWriter, r *http.Request, doing string, err error) {
	if r.Context().Err() != nil {
		return // the reader is gone, which is why
	}
	p.log.ErrorContext(r.Context(), "management page failed", "doing", doing, "peer", r.RemoteAddr, "err", err)
	p.fail(w, r, http.StatusInternalServerError, "internal")
}

// from says in the audit trail where a request came from.
func from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "pages " + host
}
