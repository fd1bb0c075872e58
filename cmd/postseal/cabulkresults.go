package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// What became of a line of the table.
const (
	bulkIssued  = "issued"
	bulkWaiting = "waiting" // for a second person; the serial is then the id of the request
	bulkFailed  = "failed"
)

// bulkHeader is the first line of results.csv.
var bulkHeader = []string{"line", "status", "serial", "names", "error"}

// earlierRuns are what results.csv says.
type earlierRuns struct {
	begun  bool                 // there were some: what they asked for may stand in the book
	became map[string]bulkState // by the key of a line
	lines  map[string]string    // keys of lines that were issued for or wait, by their number
}

type bulkState struct{ status, serial string }

// errNotResults says that a results.csv was changed by another program.
var errNotResults = errors.New("it is not as it was written; use another folder, or put it back")

// begin opens the results and reads what earlier runs did. A last line that was cut off is dropped: its work is looked for
// in the book. A table whose lines are others than those that were issued for is refused: files have the numbers of lines.
func (b *bulk) begin(ctx context.Context, lines []bulkLine) error {
	if err := os.MkdirAll(b.folder, 0o700); err != nil {
		return err
	}
	text, err := os.ReadFile(b.resultsPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if b.earlier, err = readEarlier(whole); err != nil {
		return &usageError{fmt.Errorf("reading what earlier runs did in %s: %w", b.resultsPath(), err)}
	}
	for _, l := range lines {
		if key, ok := b.earlier.lines[l.place()]; ok && key != l.key() {
			return &usageError{fmt.Errorf("line %d of the table is another than %s was written for: lines that were issued for stay as they are; use another folder for another table", l.number, b.resultsPath())}
		}
	}
	if len(whole) == 0 {
		whole = []byte(strings.Join(bulkHeader, ",") + "\n")
	}
	if len(whole) != len(text) {
		if err := durable.WriteFile(b.resultsPath(), whole, 0o600); err != nil {
			return err
		}
	}
	if err := b.readDecisions(ctx); err != nil {
		return err
	}
	b.results, err = os.OpenFile(b.resultsPath(), os.O_APPEND|os.O_WRONLY, 0)
	return err
}

// readEarlier reads whole lines of results.csv. It is the only witness of what was asked for in files of others, so one that
// somebody has sorted, or saved with semicolons, is not guessed at.
func readEarlier(text []byte) (e earlierRuns, err error) {
	e = earlierRuns{begun: len(text) > 0, became: map[string]bulkState{}, lines: map[string]string{}}
	if !e.begun {
		return e, nil
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.ReuseRecord = true
	if header, err := r.Read(); err != nil || !slices.Equal(header, bulkHeader) {
		return e, errors.Join(errNotResults, err)
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return e, nil
		}
		if err != nil {
			return e, errors.Join(errNotResults, err)
		}
		place, _, ok := strings.Cut(row[0], " ")
		if !ok || !slices.Contains([]string{bulkIssued, bulkWaiting, bulkFailed}, row[1]) {
			return e, errNotResults
		}
		key := strings.Clone(row[0])
		e.became[key] = bulkState{strings.Clone(row[1]), strings.Clone(row[2])}
		if row[1] == bulkFailed {
			delete(e.lines, place)
		} else {
			e.lines[strings.Clone(place)] = key
		}
	}
}

// readDecisions asks once what became of the requests that wait for a second person, if there are any.
func (b *bulk) readDecisions(ctx context.Context) error {
	waits := false
	for _, s := range b.earlier.became {
		waits = waits || s.status == bulkWaiting
	}
	if !waits {
		return nil
	}
	var all []desk.ApprovalView
	if err := b.client.Call(ctx, "ca/pending", desk.PendingQuery{All: true}, &all); err != nil {
		return err
	}
	b.decided = make(map[string]desk.ApprovalView, len(all))
	for _, a := range all {
		b.decided[a.ID] = a
	}
	return nil
}

// decision is what became of a request that was waiting when the last run ended: it still is, it was issued for, or it was
// rejected, which is a failure.
func (b *bulk) decision(ctx context.Context, id string) (*desk.Certified, error) {
	a := b.decided[id]
	v := new(desk.Certified)
	switch {
	case a.Serial != "":
		return v, b.client.Call(ctx, "ca/certificate", admin.Named{ID: a.Serial}, v)
	case a.Status == state.ApprovalRejected:
		return nil, fmt.Errorf("rejected by %s: %s", a.DecidedBy, a.Reason)
	}
	v.Waiting = id
	return v, nil
}

// note appends a line to the results, and waits for the disk. What strangers have written into the table is no formula in it.
func (b *bulk) note(l bulkLine, status, serial, failed string) error {
	w := csv.NewWriter(b.results)
	if err := w.Write([]string{l.key(), status, serial, desk.InertCell(strings.Join(l.names, " ")), desk.InertCell(failed)}); err != nil {
		return err
	}
	w.Flush()
	return errors.Join(w.Error(), b.results.Sync())
}
