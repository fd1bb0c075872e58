package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// printJSON prints exactly one document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// table is a table made for people.
type table struct {
	w *tabwriter.Writer
}

func (a *app) table(heads ...string) *table {
	t := &table{tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)}
	t.row(heads...)
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) end() error { return t.w.Flush() }

// localTime prints a time for people: their own, with its zone.
func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

// localDate prints a day for people.
func localDate(t time.Time) string { return t.Local().Format("2006-01-02") }

// paint colours a word on a terminal, unless NO_COLOR says no (no-color.org).
func (a *app) paint(colour, word string) string {
	if os.Getenv("NO_COLOR") != "" || !a.terminal() {
		return word
	}
	code, ok := map[string]string{"red": "31", "yellow": "33", "green": "32"}[colour]
	if !ok {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

// terminal says whether standard output is one.
func (a *app) terminal() bool {
	out, ok := a.out.(*os.File)
	return ok && term.IsTerminal(int(out.Fd()))
}
