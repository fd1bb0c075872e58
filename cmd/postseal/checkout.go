package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"postseal/internal/steer/probe"
)

// checkSummary is what a check came to.
type checkSummary struct {
	Hosts     int            `json:"hosts"`
	Attention int            `json:"attention"` // hosts that need it
	Endpoints int            `json:"endpoints"`
	OK        int            `json:"ok"` // endpoints by verdict
	Warn      int            `json:"warn"`
	Bad       int            `json:"bad"`
	Verdict   probe.Severity `json:"verdict"`
}

// checkOutput prints reports as they come, and keeps none of them.
type checkOutput struct {
	*app
	many  bool // good hosts get one line
	width int  // of the terminal; zero means that lines are not broken
	junit *junitFile

	// mu guards what follows, and the lines on the terminal.
	mu      sync.Mutex
	sum     checkSummary
	shown   io.Writer // where a line of progress stands; nil for none
	printed bool
}

func (a *app) newCheckOutput(c checking, hosts int) (*checkOutput, error) {
	o := &checkOutput{app: a, many: !a.verbose && (hosts > 1 || c.from != "" || c.all && hosts > 0), sum: checkSummary{Verdict: probe.OK}}
	if a.terminal() {
		o.width = 80
		if file, ok := a.out.(*os.File); ok {
			if w, _, err := term.GetSize(int(file.Fd())); err == nil {
				o.width = max(60, min(w, 110))
			}
		}
	}
	var err error
	if c.junit != "" {
		o.junit, err = newJUnit(c.junit, c.force)
	}
	return o, err
}

// took prints one report.
func (o *checkOutput) took(r probe.Report) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sum.Hosts++
	if r.Verdict.Attention() {
		o.sum.Attention++
	}
	for _, e := range r.Endpoints {
		o.sum.Endpoints++
		switch e.Verdict {
		case probe.Bad:
			o.sum.Bad++
		case probe.Warn:
			o.sum.Warn++
		default:
			o.sum.OK++
		}
	}
	if r.Verdict == probe.Bad || r.Verdict == probe.Warn && o.sum.Verdict == probe.OK {
		o.sum.Verdict = r.Verdict
	}
	if o.junit != nil {
		if err := o.junit.write(&r); err != nil {
			return err
		}
	}
	o.hide()
	if o.json {
		return o.tookJSON(r)
	}
	var text bytes.Buffer
	o.host(&text, &r)
	if _, err := o.out.Write(text.Bytes()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	o.printed = true
	return nil
}

// tookJSON prints a report as an element of the one document: a list of 100,000 must not be held to be printed.
func (o *checkOutput) tookJSON(r probe.Report) error {
	head := ",\n"
	if !o.printed {
		head = "{\"hosts\": [\n"
	}
	text, err := jsonLine(r)
	if err != nil {
		return err
	}
	o.printed = true
	if _, err := fmt.Fprintf(o.out, "%s%s", head, text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func jsonLine(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("printing: %w", err)
	}
	return bytes.TrimRight(text.Bytes(), "\n"), nil
}

// end prints the summary and asks for the exit status.
func (o *checkOutput) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.junit != nil {
		if err := o.junit.end(); err != nil {
			return err
		}
	}
	if o.json {
		head := "\n]"
		if !o.printed {
			head = "{\"hosts\": []"
		}
		text, err := jsonLine(o.sum)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(o.out, "%s, \"summary\": %s}\n", head, text); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	} else if o.sum.Hosts != 1 {
		fmt.Fprintf(o.out, "%s, %s: %d ok, %d warn, %d bad\n", plural(o.sum.Hosts, "host"), plural(o.sum.Endpoints, "endpoint"), o.sum.OK, o.sum.Warn, o.sum.Bad)
	}
	if o.sum.Verdict.Attention() {
		return attention
	}
	return nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// discard gives up what was not ended.
func (o *checkOutput) discard() {
	if o.junit != nil {
		o.junit.discard()
	}
}

// sayProgress shows how far the check is.
func (o *checkOutput) sayProgress(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(w, "\r\x1b[Kpostseal: %s looked at, %d with attention", plural(o.sum.Hosts, "host"), o.sum.Attention)
	o.shown = w
}

func (o *checkOutput) clearProgress() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hide()
}

// hide takes the line of progress away. The caller holds mu.
func (o *checkOutput) hide() {
	if o.shown != nil {
		fmt.Fprint(o.shown, "\r\x1b[K")
		o.shown = nil
	}
}
