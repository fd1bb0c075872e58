package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
)

const (
	// defaultCrowd is how many hosts are looked at at the same time.
	defaultCrowd = 32
	// ahead bounds the reports that wait for an earlier one, so that a slow host costs no memory without end.
	ahead = 8
)

// Crowd looks at every host of a sequence, several at the same time, and gives each report to took in the order of the
// hosts. Memory does not grow with their number. parallel is how many hosts at the same time; zero means 32. It ends with
// the first error of the sequence or of took, or when ctx ends.
func (p *Prober) Crowd(ctx context.Context, hosts iter.Seq2[Host, error], parallel int, took func(Report) error) error {
	if parallel <= 0 {
		parallel = defaultCrowd
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type place struct {
		host   Host
		report chan Report // of capacity 1
	}
	work := make(chan place)
	queue := make(chan place, parallel*ahead)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for w := range work {
				w.report <- p.Host(ctx, w.host)
			}
		})
	}
	var broken error // of the sequence; read after queue is closed
	wg.Go(func() {
		defer close(queue)
		defer close(work)
		for h, err := range hosts {
			if err != nil {
				broken = err
				return
			}
			w := place{h, make(chan Report, 1)}
			select { // in line first: an order that cannot be kept is not begun
			case queue <- w:
			case <-ctx.Done():
				return
			}
			select {
			case work <- w:
			case <-ctx.Done():
				return
			}
		}
	})
	var failed error
	for w := range queue {
		if failed != nil {
			continue
		}
		select {
		case r := <-w.report:
			failed = took(r)
		case <-ctx.Done():
			failed = context.Cause(ctx)
		}
		if failed != nil {
			cancel()
		}
	}
	wg.Wait()
	return errors.Join(failed, broken)
}

// maxHostLine bounds a line of a file of hosts.
const maxHostLine = 4 << 10

// ReadHosts reads a file of hosts: HOST or HOST:PORT in a line, the protocol for STARTTLS behind it if the port does not
// say it, # begins a comment. It holds one line at a time. What is wrong with a line is an [*InvalidTargetError].
func ReadHosts(r io.Reader) iter.Seq2[Host, error] {
	return func(yield func(Host, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, maxHostLine), maxHostLine)
		number := 0
		for lines.Scan() {
			number++
			text, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), "#")
			h, err := parseHostLine(strings.Fields(text))
			if bad, ok := errors.AsType[*InvalidTargetError](err); ok {
				bad.Line = number
			}
			if err == nil && h.Name == "" {
				continue
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(Host{}, &InvalidTargetError{Line: number + 1, Text: "…", Reason: fmt.Sprintf("the line is longer than %d bytes", maxHostLine)})
		} else if err != nil {
			yield(Host{}, fmt.Errorf("reading the hosts: %w", err))
		}
	}
}

func parseHostLine(words []string) (Host, error) {
	switch len(words) {
	case 0:
		return Host{}, nil
	case 1:
		return ParseHost(words[0], "")
	case 2:
		return ParseHost(words[0], strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(words[1]), "starttls="), "starttls:"))
	case 3:
		if strings.EqualFold(words[1], "starttls") {
			return ParseHost(words[0], strings.ToLower(words[2]))
		}
	}
	return Host{}, &InvalidTargetError{Text: Visible(strings.Join(words, " "), 80), Reason: "a line has a host, and the protocol of its STARTTLS"}
}

// maxGroup bounds how many lines are one host.
const maxGroup = 32

// Grouped joins hosts of one name that follow each other, so that their ports are compared.
func Grouped(hosts iter.Seq2[Host, error]) iter.Seq2[Host, error] {
	return func(yield func(Host, error) bool) {
		var held *Host
		for h, err := range hosts {
			if err == nil && held != nil && h.Name == held.Name && h.Why == held.Why && len(held.With) < maxGroup {
				held.With = append(held.With, h)
				continue
			}
			if held != nil && !yield(*held, nil) {
				return
			}
			held = nil
			if err != nil {
				yield(Host{}, err)
				return
			}
			held = &h
		}
		if held != nil {
			yield(*held, nil)
		}
	}
}

// Hosts makes a sequence of a list.
func Hosts(list ...Host) iter.Seq2[Host, error] {
	return func(yield func(Host, error) bool) {
		for _, h := range list {
			if !yield(h, nil) {
				return
			}
		}
	}
}

// A DomainError says that the mail exchangers of a domain could not be found out.
type DomainError struct {
	Domain string
	Err    error
}

func (e *DomainError) Error() string {
	return fmt.Sprintf("looking up the mail exchangers of %s: %v", e.Domain, e.Err)
}

// Unwrap returns the cause.
func (e *DomainError) Unwrap() error { return e.Err }

// Domain returns the hosts of a domain: its mail exchangers, at port 25, and the conventional names of its services,
// which need not exist. The error is a [*DomainError].
func (p *Prober) Domain(ctx context.Context, domain string) ([]Host, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	records, err := p.resolver.LookupMX(ctx, domain)
	if err != nil && !isNotFound(err) {
		return nil, &DomainError{Domain: domain, Err: errors.New(plain(err))}
	}
	var hosts []Host
	for _, mx := range records {
		// RFC 7505: an exchanger that is the root means that the domain takes no mail.
		if h, err := ParseHost(strings.TrimSuffix(mx.Host, "."), ""); err == nil && !slices.ContainsFunc(hosts, func(o Host) bool { return o.Name == h.Name }) {
			h.Why, h.Ports = "MX of "+domain, []uint16{25}
			hosts = append(hosts, h)
		}
	}
	if len(records) == 0 { // RFC 5321 section 5.1: the domain is its own exchanger
		hosts = append(hosts, Host{Name: domain, Why: "no MX, so the domain itself takes its mail", Ports: []uint16{25}})
	}
	for _, c := range conventional() {
		hosts = append(hosts, Host{Name: c.label + "." + domain, Why: "name that mail programs try", Ports: c.ports})
	}
	return hosts, nil
}

// conventional are the names that mail programs try by themselves, with the ports at which they try.
func conventional() []struct {
	label string
	ports []uint16
} {
	return []struct {
		label string
		ports []uint16
	}{
		{"mail", nil}, {"imap", []uint16{143, 993}}, {"smtp", []uint16{465, 587}}, {"autodiscover", []uint16{443}},
	}
}
