package trial

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

func wantReply(t *testing.T, err error, code int, enhanced smtp.EnhancedCode) {
	t.Helper()
	if got, ok := errors.AsType[*smtp.SMTPError](err); !ok || got.Code != code || got.EnhancedCode != enhanced {
		t.Errorf("got %v, want %d %v", err, code, enhanced)
	}
}

func TestNoRelay(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	for _, protocol := range []string{SMTP, Submission} {
		c := h.smtp(t, protocol)
		for _, sender := range []string{"stranger@elsewhere.test", "", DefaultAddress} {
			if err := c.Mail(sender, nil); err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{
				"somebody@third.test", "trial@third.test", "postmaster@third.test", "trial@example.test.third.test",
				"trial@sub.example.test", "trial%third.test@other.test", "trial@example.test@third.test", "@third.test:x@y.test",
			} {
				wantReply(t, c.Rcpt(to, nil), 550, smtp.EnhancedCode{5, 7, 1})
			}
			for _, to := range []string{"nobody@example.test", "trial%third.test@example.test", "a!b@example.test"} {
				wantReply(t, c.Rcpt(to, nil), 550, smtp.EnhancedCode{5, 1, 1})
			}
			for _, to := range []string{DefaultAddress, "TRIAL@Example.Test", "postmaster@example.test", "Postmaster@EXAMPLE.test"} {
				if err := c.Rcpt(to, nil); err != nil {
					t.Errorf("%s to %s: %v", protocol, to, err)
				}
			}
			if err := c.Reset(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSeveralRecipientsOneMessage(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	for _, protocol := range []string{SMTP, Submission} {
		if err := h.smtp(t, protocol).SendMail("a@b.test", []string{DefaultAddress, "postmaster@example.test"}, strings.NewReader("Subject: "+protocol+"\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := fetchAll(t, h.imap(t), &imap.FetchItemBodySection{}); len(got) != 2 || string(got[1]) != "Subject: submission\r\n\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestSubmissionWantsALogin(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := smtp.NewClient(h.dial(t, Submission))
	defer c.Close()
	if err := c.Hello("client.test"); err != nil {
		t.Fatal(err)
	}
	if !c.SupportsAuth(sasl.Plain) {
		t.Error("AUTH PLAIN is not offered")
	}
	wantReply(t, c.Mail(DefaultAddress, nil), 530, smtp.EnhancedCode{5, 7, 0})
	wantReply(t, c.Auth(sasl.NewPlainClient("", DefaultAddress, "wrong")), 535, smtp.EnhancedCode{5, 7, 8})
	wantReply(t, c.Auth(sasl.NewPlainClient("admin", DefaultAddress, testPassword)), 535, smtp.EnhancedCode{5, 7, 8})
	wantReply(t, c.Auth(sasl.NewLoginClient(DefaultAddress, testPassword)), 504, smtp.EnhancedCode{5, 7, 4})
	wantReply(t, c.Mail(DefaultAddress, nil), 530, smtp.EnhancedCode{5, 7, 0})
	if err := c.Auth(sasl.NewPlainClient("", "Trial@example.test", testPassword)); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail("anybody@elsewhere.test", nil); err != nil {
		t.Error(err)
	}
}

func TestStrangersCannotLogIn(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := h.smtp(t, SMTP)
	if ok, _ := c.Extension("AUTH"); ok {
		t.Error("AUTH is offered to strangers")
	}
	wantReply(t, c.Auth(sasl.NewPlainClient("", DefaultAddress, testPassword)), 504, smtp.EnhancedCode{5, 7, 4})
	if size, ok := c.MaxMessageSize(); !ok || size != maxMessageBytes {
		t.Errorf("SIZE %d, want %d", size, maxMessageBytes)
	}
}

func TestFullMailboxIsTemporary(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	h.store.limits = limits{messages: 3, bytes: 1000, folders: 1}
	full := smtp.EnhancedCode{4, 3, 1}
	c := h.smtp(t, SMTP)
	send := func(octets int) error {
		return c.SendMail("", []string{DefaultAddress}, strings.NewReader("\r\n"+strings.Repeat("x", octets-4)+"\r\n"))
	}
	if err := send(600); err != nil {
		t.Fatal(err)
	}
	wantReply(t, send(600), 452, full)
	wantReply(t, c.Mail("", &smtp.MailOptions{Size: 600}), 452, full)
	for range 2 {
		if err := send(100); err != nil {
			t.Fatal(err)
		}
	}
	wantReply(t, c.Mail("", nil), 452, full)

	p := h.popIn(t)
	p.want(t, "DELE 1", "+OK")
	p.want(t, "QUIT", "+OK")
	if err := send(600); err != nil {
		t.Errorf("with room again: %v", err)
	}
	wantReply(t, c.Mail("", &smtp.MailOptions{Size: maxMessageBytes + 1}), 552, smtp.EnhancedCode{5, 3, 4})
	if got := h.store.arriving; got != 0 {
		t.Errorf("%d octets are still counted as arriving", got)
	}
}

func TestBrokenOffMessageIsNotDelivered(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	conn := h.dial(t, SMTP)
	c := smtp.NewClient(conn)
	if err := c.Mail("", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(DefaultAddress, nil); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("Subject: half\r\n\r\n" + strings.Repeat("x\r\n", 10000))); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := h.stop(); err != nil { // waits for the session
		t.Fatal(err)
	}
	if messages, _ := h.store.snapshot(inbox); len(messages) != 0 || h.store.arriving != 0 {
		t.Errorf("got %d messages and %d octets arriving, want none", len(messages), h.store.arriving)
	}
}
