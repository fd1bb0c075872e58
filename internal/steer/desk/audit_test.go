package desk

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/state"
)

// TestAudit: every act leaves who, from where, what, before and after; a refused act leaves nothing.
func TestAudit(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	first := h.audit(t)
	if len(first) != 1 || first[0].Act != "setup" || first[0].Object != "Example" || first[0].Before != "" || !strings.Contains(first[0].After, `"server":"mail1.example.com"`) {
		t.Fatalf("setup: got %+v", first)
	}
	who := state.Actor{Who: "root", From: "socket, process 7"}
	var link *Link
	var session string
	for _, c := range []struct {
		do    func() error
		wants []string // act, object, before, after
	}{
		{func() error {
			_, err := h.New(t.Context(), who, NewRequest{Name: "One", Kinds: []string{"ed25519"}, Lineage: "one"})
			return err
		},
			[]string{`new|one||{"name":"One","thumbprints":["*"]}`}},
		{func() error {
			_, err := h.New(t.Context(), who, NewRequest{Name: "Two", Kinds: []string{"ed25519"}, Lineage: "two", Services: "HTTP"})
			return err
		},
			[]string{`new|two||{"name":"Two","thumbprints":["*"]}`, `enable|two|{"https":"` + internalLineage + `"}|{"https":"two (default)"}`}},
		{func() error {
			_, err := h.Enable(t.Context(), who, EnableRequest{ID: "one", Services: "IMAP"})
			return err
		},
			[]string{`enable|one|{"imap":"` + internalLineage + `","imaps":"` + internalLineage + `"}|{"imap":"one (default)","imaps":"one (default)"}`}},
		{func() error {
			_, err := h.Enable(t.Context(), who, EnableRequest{ID: "one", Services: "POP", Listeners: []string{"pop3"}, ByName: true})
			return err
		},
			[]string{`enable|one|{}|{"pop3":"one (name)"}`}},
		{func() error {
			_, err := h.Disable(t.Context(), who, DisableRequest{ID: "one", Listener: "pop3"})
			return err
		},
			[]string{`disable|one|{"pop3":"name"}|`}},
		{func() error { _, err := h.SetInternal(t.Context(), who, InternalRequest{ID: "two"}); return err },
			[]string{`set-internal|mail1.example.com|"` + internalLineage + `"|"two"`}},
		{func() error { _, err := h.SetListener(t.Context(), who, ListenerRequest{Listener: "http"}); return err },
			[]string{`disable-listener|http|true|false`}},
		{func() error {
			_, err := h.SetListener(t.Context(), who, ListenerRequest{Listener: "http", Enabled: true})
			return err
		},
			[]string{`enable-listener|http|false|true`}},
		{func() error {
			_, err := h.SetLineage(t.Context(), who, LineageRequest{Lineage: "one", Activation: "approve"})
			return err
		},
			[]string{`set-lineage|one|{"activation":"auto","keyAtRenewal":"new"}|{"activation":"approve","keyAtRenewal":"new"}`}},
		{func() error { _, err := h.Renew(t.Context(), who, RenewRequest{ID: "one"}); return err },
			[]string{`renew|one|{"generation":1,"thumbprints":["*"]}|{"generation":2,"thumbprints":["*"]}`}},
		{func() error { _, err := h.Activate(t.Context(), who, ActivateRequest{ID: "one"}); return err },
			[]string{`activate|one|{"generation":1,"thumbprints":["*"]}|{"generation":2,"thumbprints":["*"]}`}},
		{func() error { _, err := h.Rollback(t.Context(), who, RollbackRequest{Lineage: "one"}); return err },
			[]string{`rollback|one|{"generation":2,"thumbprints":["*"]}|{"generation":1,"thumbprints":["*"]}`}},
		{func() error { _, err := h.Remove(t.Context(), who, RemoveRequest{ID: managementLineage}); return err },
			[]string{`remove|` + managementLineage + `|["\"Postseal Management\" * with its private key"]|`}},
		{func() (err error) { link, err = h.NewLink(t.Context(), who); return err },
			[]string{`sign-in-link|root||{"expires":"*"}`}},
		{func() (err error) {
			session, _, err = h.SignIn(t.Context(), link.Token, "socket, process 7")
			return err
		},
			[]string{`sign-in|root||{"expires":"*"}`}},
		{func() error { return h.SignOut(t.Context(), session, who) },
			[]string{`sign-out|root||`}},
		// Nothing to change, shown only, and refused.
		{func() error {
			_, err := h.Enable(t.Context(), who, EnableRequest{ID: "one", Services: "IMAP"})
			return err
		}, nil},
		{func() error {
			_, err := h.Enable(t.Context(), who, EnableRequest{Doing: Doing{DryRun: true}, ID: "one", Services: "POP"})
			return err
		}, nil},
		{func() error { return refused(h.Enable(t.Context(), who, EnableRequest{ID: "one", Services: "UM"})) }, nil},
		{func() error {
			return refused(h.Enable(t.Context(), who, EnableRequest{Doing: Doing{IfSeq: 1}, ID: "one", Services: "POP"}))
		}, nil},
		{func() error {
			return refused(h.New(t.Context(), who, NewRequest{Doing: Doing{IfSeq: 1}, Name: "N", Kinds: []string{"ed25519"}}))
		}, nil},
		{func() error { return refused(h.Disable(t.Context(), who, DisableRequest{ID: "one", Listener: "imap"})) }, nil},
		{func() error { return refused(h.Remove(t.Context(), who, RemoveRequest{ID: "two"})) }, nil},
		{func() error { return refused(h.SetInternal(t.Context(), who, InternalRequest{ID: "auth"})) }, nil},
		{func() error { _, _, err := h.SignIn(t.Context(), link.Token, ""); return refused(0, err) }, nil},
	} {
		before := len(h.audit(t))
		began := time.Now().Truncate(time.Microsecond)
		if err := c.do(); err != nil {
			t.Fatalf("%v: %v", c.wants, err)
		}
		rows := h.audit(t)[before:]
		if len(rows) != len(c.wants) {
			t.Errorf("%v: got %+v", c.wants, rows)
			continue
		}
		for i, want := range c.wants {
			r := rows[i]
			got := strings.Join([]string{r.Act, r.Object, r.Before, r.After}, "|")
			if !like(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			wantWho := who.Who
			if r.Act == "sign-in" {
				wantWho = "sign-in link"
			}
			if r.Who != wantWho || r.From != who.From || r.Number != int64(before+i+1) || r.At.Before(began) || r.At.After(time.Now()) {
				t.Errorf("%s: got %+v", r.Act, r)
			}
			for _, text := range []string{r.Before, r.After} {
				if text != "" && !json.Valid([]byte(text)) {
					t.Errorf("%s: %q is no JSON", r.Act, text)
				}
			}
		}
	}
}

// refused wants an error.
func refused(what any, err error) error {
	if err == nil {
		return fmt.Errorf("done, want it refused: %+v", what)
	}
	return nil
}

// like compares a text with one in which a "*" stands for whatever is there.
func like(got, want string) bool {
	parts := strings.Split(want, "*")
	rest, ok := strings.CutPrefix(got, parts[0])
	for _, part := range parts[1:] {
		i := strings.Index(rest, part)
		if part == "" {
			return ok
		}
		if i <= 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return ok && rest == ""
}
