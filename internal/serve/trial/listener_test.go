package trial

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

func TestListenerLimit(t *testing.T) {
	t.Parallel()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener(raw, 1)
	defer l.shut()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept() // passes over the second
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	second := dial()
	if n, err := second.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the one above the limit read %d octets, %v, want an end", n, err)
	}
	first.Close()
	first.Close() // counts once
	dial()
	third := <-accepted
	third.Close()
	l.wait()
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const senders, each, movers = 6, 10, 4
	h := startMailbox(t)
	setup := h.imap(t)
	for _, name := range []string{"A", "B"} {
		if err := setup.Create(name, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	var work sync.WaitGroup
	for range senders {
		c := h.smtp(t, SMTP)
		work.Go(func() {
			for i := range each {
				if err := c.SendMail("", []string{DefaultAddress}, strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\n.\r\n", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range movers {
		c := h.imap(t)
		from, to := "A", "B"
		if i%2 == 1 {
			from, to = to, from
		}
		work.Go(func() {
			for range each {
				for _, step := range [][2]string{{inbox, from}, {from, to}, {to, inbox}} {
					if _, err := c.Select(step[0], nil).Wait(); err != nil {
						t.Error(err)
					}
					if _, err := c.Move(imap.SeqSet{{Start: 1, Stop: 3}}, step[1]).Wait(); err != nil {
						t.Error(err)
					}
					if _, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{{}}}).Collect(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 2 {
		p := h.popIn(t)
		work.Go(func() {
			for range each {
				if err := p.PrintfLine("RETR 1"); err != nil {
					t.Error(err)
					return
				}
				line, err := p.ReadLine()
				if err == nil && strings.HasPrefix(line, "+OK") {
					_, err = p.ReadDotBytes()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	if got, _ := h.store.used(); got != senders*each || h.store.arriving != 0 {
		t.Errorf("got %d messages and %d octets arriving, want %d and 0", got, h.store.arriving, senders*each)
	}
}
