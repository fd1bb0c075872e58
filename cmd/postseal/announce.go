package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/serve/trial"
	"postseal/internal/steer/desk"
)

// announced bounds the certificates that a start prints.
const announced = 50

// announce prints what runs: for somebody who has just started it.
func (r *running) announce(ctx context.Context) error {
	status, err := r.desk.Status(ctx)
	if err != nil {
		return err
	}
	certificates, err := r.desk.Page(ctx, desk.Filter{Limit: announced})
	if err != nil {
		return err
	}
	if r.json {
		return r.announceJSON(ctx, status)
	}
	fmt.Fprintf(r.out, "postseal serves %s as %s (process %d, started in %d ms)\n", status.Organisation, status.Server, pid(), time.Since(r.began).Milliseconds())
	fmt.Fprintf(r.out, "data in %s\n\nCertificates\n", r.data)
	if err := r.printCertificates(certificates.Certificates); err != nil {
		return err
	}
	if certificates.More > 0 {
		fmt.Fprintf(r.out, "and %d more; see: postseal cert list\n", certificates.More)
	}
	fmt.Fprintln(r.out, "\nListeners")
	if err := r.printListeners(status.Listeners); err != nil {
		return err
	}
	if r.ports.Trial() {
		if err := r.announceTrial(status); err != nil {
			return err
		}
	}
	return r.announceManagement(ctx, status)
}

// announceJSON says the same to a program.
func (r *running) announceJSON(ctx context.Context, status *desk.Status) error {
	out := map[string]any{"data": r.data, "process": pid(), "startedInMs": time.Since(r.began).Milliseconds(), "status": statusOut{*status, hinted(status.Attention), hinted(status.Information)}}
	for _, l := range status.Listeners {
		if l.Listener != listener.Management || l.State != desk.ListenerOpen || !r.ports.Trial() {
			continue // a link that works is shown where somebody asks for it: postseal admin link --json
		}
		link, err := r.desk.NewLink(ctx, state.Actor{Who: me().Who, From: "start"})
		if err != nil {
			return err
		}
		out["signIn"] = map[string]any{"url": signInURL(l, link.Token), "expiresAt": link.ExpiresAt}
	}
	return r.printJSON(out)
}

// announceManagement prints the address of the pages with a link that works once.
func (r *running) announceManagement(ctx context.Context, status *desk.Status) error {
	for _, l := range status.Listeners {
		if l.Listener != listener.Management || l.State != desk.ListenerOpen {
			continue
		}
		if !r.ports.Trial() && !r.terminal() {
			// Into a journal or a file a link that works must not go.
			fmt.Fprintf(r.out, "\nManagement at https://%s/; for a link that signs in: postseal admin link%s\n", hostPort(l), r.whereFlags())
			continue
		}
		link, err := r.desk.NewLink(ctx, state.Actor{Who: me().Who, From: "start"})
		if err != nil {
			return err
		}
		fmt.Fprintf(r.out, "\nManagement (sign-in link, works once, until %s)\n  %s\n", localTime(link.ExpiresAt), signInURL(l, link.Token))
		for _, c := range status.Certificates {
			if c.Lineage == l.Lineage && c.State == "current" {
				fmt.Fprintf(r.out, "  your browser will warn: this certificate is self-signed; compare SHA-256 %s\n", desk.Fingerprint(c.SHA256))
			}
		}
	}
	return nil
}

// signInURL is the address of the sign-in page with a token. Fragments and queries end up in histories;
// the token is worth nothing after its first use.
func signInURL(l desk.ListenerView, token string) string {
	return fmt.Sprintf("https://%s/sign-in?token=%s", hostPort(l), token)
}

// hostPort is where this machine's user reaches a listener.
func hostPort(l desk.ListenerView) string {
	host := l.Address
	if addr, err := netip.ParseAddr(host); err != nil || addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, fmt.Sprint(l.Port))
}

// announceTrial prints the account, and a line to try each protocol with.
func (r *running) announceTrial(status *desk.Status) error {
	file := filepath.Join(r.data, "trial-password")
	password, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the trial password: %w", err)
	}
	fmt.Fprintf(r.out, "\nTrial mailbox (in memory, for trying: messages are gone after a restart)\n  account %s\n  password %s (kept in %s)\n", trial.DefaultAddress, strings.TrimSpace(string(password)), file)
	at := make(map[string]string)
	for _, l := range status.Listeners {
		if l.State == desk.ListenerOpen {
			at[l.Listener] = hostPort(l)
		}
	}
	user := fmt.Sprintf(`-u "%s:$(cat %s)"`, trial.DefaultAddress, shellQuote(file))
	fmt.Fprintln(r.out, "\nTry it (-k because no client trusts a self-signed certificate yet)")
	for _, try := range []struct{ listener, command string }{
		{listener.Submission, fmt.Sprintf(`printf 'Subject: hello\r\n\r\nIt works.\r\n' | curl -sk --ssl-reqd smtp://%%s %s --mail-from %s --mail-rcpt %s -T -`, user, trial.DefaultAddress, trial.DefaultAddress)},
		{listener.IMAPS, fmt.Sprintf(`curl -sk 'imaps://%%s/INBOX;MAILINDEX=1' %s`, user)},
		{listener.POP3S, fmt.Sprintf(`curl -sk pop3s://%%s/1 %s`, user)},
		{listener.HTTPS, `curl -sk https://%s/`},
		{listener.SMTP, `openssl s_client -starttls smtp -connect %s -brief </dev/null`},
	} {
		if place, ok := at[try.listener]; ok {
			fmt.Fprintf(r.out, "  "+try.command+"\n", place)
		}
	}
	return nil
}

// shellQuote quotes a path for a shell, only if it needs it.
func shellQuote(s string) string {
	plain := func(c rune) bool {
		return c == '/' || c == '.' || c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	}
	if strings.TrimFunc(s, plain) == "" && !strings.ContainsFunc(s, func(c rune) bool { return !plain(c) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
