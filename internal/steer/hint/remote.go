package hint

import (
	"errors"

	"postseal/internal/ground/syslog"
	"postseal/internal/keep/courier"
	"postseal/internal/steer/desk"
)

// tokenEntries are about tokens of the API. Those of package admin, which imports this one, are found by what they
// can say of themselves: see farError.
func tokenEntries() []entry {
	return []entry{
		is("syslog.ErrSink", syslog.ErrSink, "mend audit.syslog in postseal.toml; see: postseal help config"),
		wrong(is("desk.ErrTokenName", desk.ErrTokenName, "name it by who uses it: --name monitoring")),
		wrong(is("desk.ErrTokenLife", desk.ErrTokenLife, "give a life like --expires 90d; make the next one before it ends")),
		wrong(as("desk.UnknownScopeError", always[*desk.UnknownScopeError]("the scopes are read, operate and admin; each includes those before it"))),
		is("desk.ErrLinkByToken", desk.ErrLinkByToken, "ask for the link on the server itself: postseal admin link"),
		is("desk.ErrTokenOutlives", desk.ErrTokenOutlives, "give a shorter life with --expires, or make it on the server itself"),
		is("desk.ErrTokenInvalid", desk.ErrTokenInvalid, "make a new one on the server: postseal admin token new --name NAME"),
		is("desk.ErrTokenExpired", desk.ErrTokenExpired, "revoke it and make a new one on the server: postseal admin token revoke NAME; postseal admin token new --name NAME"),
		is("desk.ErrNoChannel", desk.ErrNoChannel, "write notices.smtp or notices.webhook into postseal.toml: postseal help config; then start the server anew"),
		wrong(is("desk.ErrReportDays", desk.ErrReportDays, "give a number of days like --days 30")),
		as("courier.MailError", always[*courier.MailError]("mend that key in postseal.toml; see: postseal help config")),
		as("courier.HookError", always[*courier.HookError]("mend that key in postseal.toml; see: postseal help config")),
		is("courier.ErrOutcomeUnknown", courier.ErrOutcomeUnknown, "look at the other end whether it arrived; it is sent once more by itself"),
		wrong(is("desk.ErrSuccessionNonce", desk.ErrSuccessionNonce, "send 32 random octets in hex as nonce; postseal --remote does")),
		is("desk.ErrNoSuccession", desk.ErrNoSuccession, "compare the fingerprint with the server's by hand, and give it with --fingerprint SHA256"),
		is("desk.ErrOwnIdentity", desk.ErrOwnIdentity, "enable it with a token of the scope admin, or on the server itself"),
		as("desk.NotOursError", always[*desk.NotOursError]("look at it with a token of the scope admin, or from where you are: postseal check HOST")),
		as("desk.TokenExistsError", always[*desk.TokenExistsError]("choose another name, or revoke that one: postseal admin token revoke NAME")),
		as("desk.UnknownTokenError", always[*desk.UnknownTokenError]("see which tokens there are: postseal admin token list")),
		wrong(far("admin.RemoteAddressError", "give it like --remote https://mail1.example.com:8172")),
		wrong(far("admin.FingerprintError", "ask for it on the server: postseal admin fingerprint")),
		far("admin.PinError", "if nobody has replaced the certificate of management, somebody is in between: do not go on. If it was replaced, compare the new SHA-256 with: postseal admin fingerprint, on the server, and give it once with --fingerprint SHA256"),
		far("admin.UnpinnedError", "compare the SHA-256 with that of: postseal admin fingerprint, on the server, and give it once with --fingerprint SHA256"),
		far("admin.PinsError", "mend the file with an editor: one server a line, HOST:PORT and SHA-256; or move it away and pin anew with --fingerprint SHA256"),
		far("admin.LockedOutError", "wait, and use a good token; on the server itself the Unix socket is always open"),
		far("admin.ErrBusy", "ask again in half a minute; bring several files in one request, or one request after the other"),
		far("admin.ErrNoToken", "make one on the server: postseal admin token new --name NAME"),
		far("admin.ErrInClear", "use https"),
		far("admin.ScopeError", "make a token of that scope on the server: postseal admin token new --name NAME --scope SCOPE"),
	}
}

// named is an error that says its own name, because this package cannot import where it comes from.
type named interface {
	error
	HintName() string
}

// far makes an entry of such an error.
func far(name, text string) entry {
	return entry{name: name, match: func(err error) (string, bool) {
		e, ok := errors.AsType[named](err)
		return text, ok && e.HintName() == name
	}}
}
