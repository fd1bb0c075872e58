package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postseal/bench/gauge"
)

// measuredPages are pages of the admin center; the first is the one with numbers to answer for, 150 ms and 300 kB.
func measuredPages() []string {
	return []string{"/", "/certificates", "/certificates?domain=host07777.example.com", "/listeners", "/notices", "/report", "/audit"}
}

// pageViews is how often a page is opened for one number of the processor, whose clock ticks a hundred times a second.
const pageViews = 20

// pages signs in as an administrator does and opens pages, each for the first time and then again and again.
func (m *measurement) pages(ctx context.Context, w io.Writer, s *gauge.Server) error {
	b, err := m.browser(ctx)
	if err != nil {
		return err
	}
	for _, page := range measuredPages() {
		began := time.Now()
		octets, err := b.open(ctx, page)
		if err != nil {
			return err
		}
		first := time.Since(began)
		var walls []float64
		before, err := s.Processor()
		if err != nil {
			return err
		}
		for range pageViews {
			began := time.Now()
			if octets, err = b.open(ctx, page); err != nil {
				return err
			}
			walls = append(walls, gauge.Milliseconds(time.Since(began)))
		}
		after, err := s.Processor()
		if err != nil {
			return err
		}
		gauge.Row(w, "page "+page+", ms", 1, walls)
		fmt.Fprintf(w, "%-52s %9.1f\n%-52s %9.1f\n%-52s %9.1f\n", "  for the first time, ms", gauge.Milliseconds(first), "  CPU of the server for one, ms", (after-before)*1000/pageViews, "  kB", float64(octets)/1000)
	}
	return nil
}

// browser is somebody who is signed in to the admin center.
type browser struct {
	client *http.Client
	base   string
	cookie string
}

// browser signs in with a link, as the command line prints it.
func (m *measurement) browser(ctx context.Context) (*browser, error) {
	out, err := m.run(ctx, "admin", "link", "--json")
	if err != nil {
		return nil, err
	}
	var link struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(out, &link); err != nil {
		return nil, fmt.Errorf("reading the sign-in link: %w", err)
	}
	u, err := url.Parse(link.URL)
	if err != nil {
		return nil, err
	}
	b := &browser{base: "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(8172+m.offset)), client: &http.Client{
		// Nothing is verified: the time of a page is wanted, not its server.
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+"/sign-in", strings.NewReader(url.Values{"token": {u.Query().Get("token")}}.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		b.cookie = c.Name + "=" + c.Value
	}
	if answer.StatusCode != http.StatusSeeOther || b.cookie == "" {
		return nil, fmt.Errorf("signing in: got %s", answer.Status)
	}
	return b, nil
}

// open reads a page and says how long it is.
func (b *browser) open(ctx context.Context, page string) (octets int64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+page, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Cookie", b.cookie)
	answer, err := b.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("opening %s: got %s", page, answer.Status)
	}
	return io.Copy(io.Discard, answer.Body)
}
