package desk

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/keep/courier"
	"postseal/internal/keep/renewal"
)

// post is a mail server behind a pipe.
type post struct {
	mu    sync.Mutex
	mode  string // "" takes; "down" answers nobody; "lost" takes and hangs up; "later" says 451; "kill" calls during
	taken []string
	tries int
	// during is called when a message has been taken, before the answer.
	during func()
}

func (p *post) set(mode string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
}

// messages returns what came since the last call.
func (p *post) messages() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.taken
	p.taken = nil
	return all
}

func (p *post) dial(context.Context, string, string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	if p.mode == "down" {
		return nil, fmt.Errorf("connection refused")
	}
	ours, theirs := net.Pipe()
	go p.session(theirs, p.mode)
	return ours, nil
}

func (p *post) session(c net.Conn, mode string) {
	defer c.Close()
	in := bufio.NewReader(c)
	fmt.Fprint(c, "220 post.test\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:min(4, len(line))]); {
		case verb == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		case verb == "MAIL" && mode == "later":
			fmt.Fprint(c, "451 4.7.1 later\r\n")
		case verb != "DATA":
			fmt.Fprint(c, "250 ok\r\n")
		default:
			fmt.Fprint(c, "354 go\r\n")
			var text strings.Builder
			for line != ".\r\n" {
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
				text.WriteString(line)
			}
			p.mu.Lock()
			p.taken = append(p.taken, text.String())
			during := p.during
			p.mu.Unlock()
			if during != nil {
				during()
			}
			if mode == "lost" {
				return
			}
			fmt.Fprint(c, "250 taken\r\n")
		}
	}
}

// plain words a letter for tests: one line for each notice. Package letter has the real words.
func plain(l Letter) courier.Message {
	var b strings.Builder
	fmt.Fprintf(&b, "kind %s doubt %v late %v\n", l.Kind, l.Doubt, !l.Late.IsZero())
	for _, n := range l.News {
		fmt.Fprintf(&b, "%s %s %d closing=%v\n", n.Kind, n.Object, n.Stage, n.Closing)
	}
	for _, n := range l.Still {
		fmt.Fprintf(&b, "still %s %s %d\n", n.Kind, n.Object, n.Stage)
	}
	j, _ := json.Marshal(map[string]string{"id": l.ID})
	return courier.Message{ID: l.ID, Subject: l.Kind, Text: b.String(), JSON: j, Language: "en"}
}

// noticeHouse is a running organisation in a bubble that sends mail to a post. What a new organisation always has to say
// (its backup and recovery key are reminders) is nothing.
func noticeHouse(t *testing.T, dir string) (*house, *post) {
	t.Helper()
	h := bubbleHouse(t, dir)
	p := new(post)
	m, err := courier.NewMail(courier.MailOptions{Server: "127.0.0.1:25", TLS: courier.NoTLS, From: "p@example.com", To: []string{"a@example.com"}, Timeout: time.Minute, Dial: p.dial})
	if err != nil {
		t.Fatal(err)
	}
	h.noticing = Noticing{Channels: []courier.Channel{m}, Word: plain}
	h.runtime = newRuntime()
	h.Desk.runtime = h.runtime
	return h, p
}

// round looks and tells once.
func (h *house) round(t *testing.T) {
	t.Helper()
	if err := h.takeNotice(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range h.noticing.Channels {
		if err := h.tell(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
}

// wait lets time pass in steps, with a round after each. It runs in a bubble.
func (h *house) wait(t *testing.T, whole, step time.Duration) {
	t.Helper()
	for passed := time.Duration(0); passed < whole; passed += step {
		time.Sleep(step)
		h.round(t)
	}
}

// open are the open notices, as "kind object stage".
func (h *house) open(t *testing.T) (all []string) {
	t.Helper()
	list, err := h.Notices(t.Context(), NoticesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list.Notices {
		all = append(all, fmt.Sprintf("%s %s %d", n.Kind, n.Object, n.Stage))
	}
	return all
}

// about keeps the lines of messages that name an object, without reports.
func about(messages []string, object string) (lines []string) {
	for _, m := range messages {
		for line := range strings.SplitSeq(m, "\n") {
			line = strings.ReplaceAll(strings.TrimSpace(line), "=3D", "=")
			if strings.Contains(line, " "+object+" ") && !strings.HasPrefix(line, "still ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// TestWeeksOfNotices: a certificate that people renew is told at each stage, once; then it is removed, and that is told
// once (trap 16: no notice outlives its certificate). Nobody is told of what renews by itself.
func TestWeeksOfNotices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		h.make(t, NewRequest{Lineage: "shop", Domains: []string{"shop.example.com"}, Days: 130})
		h.wait(t, 132*24*time.Hour, 12*time.Hour)
		got := about(p.messages(), "shop")
		want := []string{}
		for _, stage := range []int{60, 30, 14, 7, 1, 0} {
			want = append(want, fmt.Sprintf("certificateEnding shop %d closing=false", stage))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := h.open(t); !slices.Equal(got, []string{"certificateEnding shop 0"}) {
			t.Errorf("open: %q", got)
		}
		if _, err := h.Remove(t.Context(), tester(), RemoveRequest{ID: "shop"}); err != nil {
			t.Fatal(err)
		}
		h.wait(t, 2*24*time.Hour, time.Hour)
		if got := about(p.messages(), "shop"); !slices.Equal(got, []string{"certificateEnding shop 0 closing=true"}) {
			t.Errorf("removed: got %q, want to be told once", got)
		}
		if got := h.open(t); len(got) > 0 {
			t.Errorf("removed: open %q", got)
		}
	})
}

// TestWhatShouldRenewByItself is told only when a sixth of its life is left; with nobody to renew it, that comes.
func TestWhatShouldRenewByItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		v, err := h.view(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		auth, _ := v.lineage(v.org.AuthLineage)
		g, _ := auth.Current()
		facts, err := v.facts.of(g.Members[0])
		if err != nil {
			t.Fatal(err)
		}
		sixth := facts.NotAfter.Sub(facts.NotBefore) / 6
		time.Sleep(time.Until(facts.NotAfter.Add(-sixth - time.Hour)))
		h.round(t)
		if got := h.open(t); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, auth.Name) }) {
			t.Errorf("early: %q", got)
		}
		h.wait(t, 4*time.Hour, time.Hour)
		if got := about(p.messages(), auth.Name); !slices.Equal(got, []string{"certificateEnding " + auth.Name + " 1000 closing=false"}) {
			t.Errorf("got %q", got)
		}
		if _, err := h.Renew(t.Context(), tester(), RenewRequest{ID: auth.Name}); err != nil {
			t.Fatal(err)
		}
		h.wait(t, time.Hour, time.Hour)
		if got := about(p.messages(), auth.Name); !slices.Equal(got, []string{"certificateEnding " + auth.Name + " 1000 closing=true"}) {
			t.Errorf("renewed: got %q", got)
		}
	})
}

// TestSomebodyElsesCertificateInOurLineage: a lineage of our own authority renews by itself; what another authority has
// issued does not, wherever it was imported, and is told of like all that people renew.
func TestSomebodyElsesCertificateInOurLineage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		if err := initialise(h.Desk); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Issue(t.Context(), tester(), IssueRequest{Domains: []string{"shop.example.com"}, Lineage: "shop"}); err != nil {
			t.Fatal(err)
		}
		renews := func() bool {
			lines, err := h.Engine().Lines(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(lines, func(l renewal.Line) bool { return l.Name == "shop" })
		}
		if !renews() {
			t.Fatal("what our own authority issued is not renewed")
		}
		key, err := keys.Generate(keys.ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		leaf := newAuthority(t, "Somebody else").issue(t, key.Public(), time.Now().AddDate(0, 0, 200), "shop.example.com")
		file := ImportFile{"shop.pem", append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), key.PEM().Bytes()...)}
		if _, err := h.Import(t.Context(), tester(), ImportRequest{Files: []ImportFile{file}, Lineage: "shop"}); err != nil {
			t.Fatal(err)
		}
		if renews() {
			t.Error("the engine tries what only people can renew")
		}
		time.Sleep(135 * 24 * time.Hour)
		h.wait(t, 60*24*time.Hour, 24*time.Hour)
		want := []string{"60", "30", "14", "7"}
		got := about(p.messages(), "shop")
		if len(got) != len(want) {
			t.Fatalf("got %q", got)
		}
		for i, line := range got {
			if line != "certificateEnding shop "+want[i]+" closing=false" {
				t.Errorf("got %q", line)
			}
		}
	})
}

// TestAMailServerThatIsDownForAWeek: then one mail says everything that is still true, and nothing of what came and went.
func TestAMailServerThatIsDownForAWeek(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		h.round(t) // the first Monday is known
		p.set("down")
		for i := range 7 {
			h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: fmt.Sprintf("l%d", i), Text: "cannot be opened"})
			h.wait(t, 24*time.Hour, 3*time.Hour)
		}
		h.health.Clear(health.CodeListenerClosed, "l0")
		if !slices.Contains(conditionsOf(t, h), "!noticeNotSent mail") {
			t.Errorf("nobody is told that mail fails: %q", conditionsOf(t, h))
		}
		if p.tries > 25 {
			t.Errorf("%d tries in a week", p.tries)
		}
		p.set("")
		h.wait(t, 26*time.Hour, 2*time.Hour)
		var notices []string
		for _, m := range p.messages() {
			if strings.Contains(m, "kind notices") {
				notices = append(notices, m)
			}
		}
		if len(notices) != 1 || !strings.Contains(notices[0], "late true") || strings.Contains(notices[0], " l0 ") || strings.Contains(notices[0], "noticeNotSent") {
			t.Fatalf("got %d mails: %q", len(notices), notices)
		}
		for i := 1; i < 7; i++ {
			if !strings.Contains(notices[0], fmt.Sprintf("listenerClosed l%d 0", i)) {
				t.Errorf("l%d is missing in %q", i, notices[0])
			}
		}
		if slices.Contains(conditionsOf(t, h), "!noticeNotSent mail") {
			t.Error("mail works, and the condition stays")
		}
	})
}

// TestAnAnswerThatIsLost: whatever the server does, nothing is said a third time.
func TestAnAnswerThatIsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		p.set("lost")
		h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "imaps", Text: "x"})
		h.wait(t, 3*24*time.Hour, 3*time.Hour)
		got := p.messages()
		if n := len(about(got, "imaps")); n != 2 {
			t.Fatalf("said %d times, want twice: %q", n, got)
		}
		if !strings.Contains(got[0], "doubt false") || !strings.Contains(got[1], "doubt true") {
			t.Errorf("the second does not say that it is one: %q", got)
		}
		list, err := h.Notices(t.Context(), NoticesRequest{})
		if err != nil || list.Notices[0].Told[0].Outcome != state.NoticePerhaps {
			t.Errorf("got %+v, %v", list, err)
		}
	})
}

// TestKilledWhileSending: a new process finds what was begun, says it once more, and says that it may be the second time.
func TestKilledWhileSending(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "imaps", Text: "x"})
		// Between the row and the answer the disk stops: nothing can be written down any more, as after a kill.
		p.during = func() { h.fault.set(faultRefused) }
		h.round(t)
		time.Sleep(5 * time.Minute)
		if err := h.takeNotice(t.Context()); err != nil {
			t.Fatal(err)
		}
		kept, err := h.notices(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The process ends after this write.
		if err := h.db.Keep(t.Context(), func(tx *state.Tx) error {
			return tx.NoticeSaid(kept[0].ID, state.NoticeTold{Channel: "mail", Stage: 0, Outcome: state.NoticeUnsure})
		}); err != nil {
			t.Fatal(err)
		}
		p.during = nil
		h.wait(t, 2*time.Hour, time.Hour)
		got := p.messages()
		if len(about(got, "imaps")) != 1 || !strings.Contains(got[0], "doubt true") {
			t.Errorf("got %q, want one more message, in doubt", got)
		}
	})
}

// TestNoticeFaults fails each write of telling in both ways. The message is never lost, comes at most twice, and in the
// end the books say that it was told.
func TestNoticeFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultKind{faultRefused, faultLost} {
		for step := range 4 {
			t.Run(fmt.Sprintf("%d/%d", kind, step), func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					h, p := noticeHouse(t, dir)
					defer h.close(t)
					h.round(t)
					h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "imaps", Text: "x"})
					ctx, c := t.Context(), h.noticing.Channels[0]
					if step == 0 { // opening the notice
						h.fault.set(kind)
						h.takeNotice(ctx) // may fail; the next round does it
					}
					h.takeNotice(ctx)
					time.Sleep(5 * time.Minute)
					switch step {
					case 1: // before sending
						h.fault.set(kind)
					case 2: // after sending
						p.during = func() { h.fault.set(kind) }
					case 3: // what a refusal puts back
						p.set("later")
						h.fault.set(faultNone)
					}
					h.tell(ctx, c)
					p.mu.Lock()
					p.during, p.mode = nil, ""
					p.mu.Unlock()
					h.wait(t, 26*time.Hour, 2*time.Hour)
					if n := len(about(p.messages(), "imaps")); n != 1 {
						t.Errorf("said %d times", n)
					}
					list, err := h.Notices(ctx, NoticesRequest{})
					if err != nil || len(list.Notices) != 1 || len(list.Notices[0].Told) != 1 || list.Notices[0].Told[0].Outcome != state.NoticeSent || list.Channels[0].Tries != 0 {
						t.Errorf("got %+v, %v", list, err)
					}
				})
			})
		}
	}
}

// failing is a web hook that answers 500 for ever. Package courier tests the real one against a real server.
type failing struct {
	tries int
	well  bool
	taken []courier.Message
}

func (*failing) Name() string  { return "webhook" }
func (*failing) To() string    { return "https://hooks.test/…" }
func (*failing) Reports() bool { return false }
func (f *failing) Deliver(_ context.Context, m courier.Message) error {
	f.tries++
	if !f.well {
		return fmt.Errorf("the server answered with status 500")
	}
	f.taken = append(f.taken, m)
	return nil
}

// TestAWebHookThatNeverTakes neither floods it nor loses anything: the tries slow down to one a day, a condition says
// so, after thirty days what waits is given up, visibly; and when it works again it is told what is still true.
func TestAWebHookThatNeverTakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, _ := noticeHouse(t, dir)
		defer h.close(t)
		hook := new(failing)
		h.noticing.Channels = []courier.Channel{hook}
		h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "imaps", Text: "x"})
		h.round(t)
		h.wait(t, 29*24*time.Hour, 4*time.Hour)
		if hook.tries > 45 || hook.tries < 25 {
			t.Errorf("%d tries in 29 days", hook.tries)
		}
		if !slices.Contains(conditionsOf(t, h), "!noticeNotSent webhook") {
			t.Errorf("got %q", conditionsOf(t, h))
		}
		h.wait(t, 4*24*time.Hour, 4*time.Hour)
		list, err := h.Notices(t.Context(), NoticesRequest{})
		if err != nil || list.Notices[0].Told[0].Outcome != state.NoticeGaveUp || list.Channels[0].Waiting != 0 {
			t.Fatalf("after 33 days: %+v, %v", list, err)
		}
		before := hook.tries
		h.wait(t, 10*24*time.Hour, 12*time.Hour)
		if hook.tries != before || !slices.Contains(conditionsOf(t, h), "!noticeNotSent webhook") {
			t.Errorf("given up: %d tries more; conditions %q", hook.tries-before, conditionsOf(t, h))
		}
		hook.well = true
		tests, err := h.TestNotices(t.Context())
		if err != nil || len(tests) != 1 || !tests[0].Taken {
			t.Fatalf("got %+v, %v", tests, err)
		}
		h.wait(t, 2*time.Hour, time.Hour)
		if len(hook.taken) != 2 || slices.Contains(conditionsOf(t, h), "!noticeNotSent webhook") {
			t.Errorf("well again: %d messages, %q", len(hook.taken), conditionsOf(t, h))
		}
	})
}

// TestMondays: one report each Monday after seven, none on the first day; a Monday while mail is down comes late, and of
// several only the last.
func TestMondays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		reports := func() (n int) {
			for _, m := range p.messages() {
				if strings.Contains(m, "kind report") {
					n++
				}
			}
			return n
		}
		h.round(t)
		h.wait(t, 28*24*time.Hour, 6*time.Hour)
		if n := reports(); n != 4 {
			t.Errorf("%d reports in four weeks", n)
		}
		p.set("down")
		h.wait(t, 21*24*time.Hour, 6*time.Hour)
		p.set("")
		h.wait(t, 27*time.Hour, 3*time.Hour)
		if n := reports(); n > 2 || n < 1 {
			t.Errorf("after three weeks down %d reports", n)
		}
		p.set("lost")
		h.wait(t, 7*24*time.Hour, 3*time.Hour)
		if n := reports(); n != 2 {
			t.Errorf("with its answer lost a report came %d times, want twice", n)
		}
	})
}

// TestRunNotices runs the loop: what flaps within two minutes is not told, what stays is, and ctx ends everything.
func TestRunNotices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "imaps", Text: "x"})
		h.health.Raise(health.Condition{Code: health.CodeListenerClosed, Severity: health.Attention, Object: "pop3", Text: "x"})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.RunNotices(ctx)
		}()
		time.Sleep(90 * time.Second)
		h.health.Clear(health.CodeListenerClosed, "pop3")
		time.Sleep(10 * time.Minute)
		got := p.messages()
		if !slices.Equal(about(got, "imaps"), []string{"listenerClosed imaps 0 closing=false"}) || len(about(got, "pop3")) > 0 {
			t.Errorf("got %q", got)
		}
		cancel()
		<-done
	})
}

// TestATokenIsTold: at its stages, and closed when it is revoked.
func TestATokenIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, p := noticeHouse(t, dir)
		defer h.close(t)
		if _, err := h.NewToken(t.Context(), tester(), TokenRequest{Name: "ci"}); err != nil {
			t.Fatal(err)
		}
		h.wait(t, 84*24*time.Hour, 24*time.Hour)
		if _, err := h.RevokeToken(t.Context(), tester(), TokenNameRequest{Name: "ci"}); err != nil {
			t.Fatal(err)
		}
		h.wait(t, 12*time.Hour, 6*time.Hour)
		want := []string{"tokenEnding ci 30 closing=false", "tokenEnding ci 14 closing=false", "tokenEnding ci 7 closing=false", "tokenEnding ci 7 closing=true"}
		if got := about(p.messages(), "ci"); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
