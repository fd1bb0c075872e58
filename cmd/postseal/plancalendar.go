package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
)

func (a *app) planAuthoritiesCommand() *cobra.Command {
	var w plan.Wants
	var sources bool
	c := &cobra.Command{
		Use: "authorities", Short: "Which public authority fits, as facts with sources", Args: noArgs,
		Long: "Say which public authority does what you want. Needs no data directory. A fact that nobody has shown is unknown, and is never taken for yes.\n" +
			"The wishes are " + strings.Join(plan.WantWords(), ", ") + ".",
		Example: "  postseal plan authorities --want old-android,wildcard --names 40",
	}
	c.Flags().StringSliceVar(&w.Features, "want", nil, "comma-separated `WISHES`; repeatable")
	c.Flags().IntVar(&w.Names, "names", 0, "so many `NAMES` in one certificate")
	c.Flags().BoolVar(&sources, "sources", false, "where each fact comes from")
	c.RunE = func(*cobra.Command, []string) error {
		if w.Names < 0 {
			return &usageError{errors.New("--names: want a number of names")}
		}
		fits, err := plan.Fits(w)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.printJSON(fits)
		case sources:
			return a.printSources(fits)
		}
		return a.printFits(fits)
	}
	return c
}

// fact is one column of the table of authorities.
type fact struct {
	name string
	of   func(plan.Authority) plan.Fact
}

func facts() []fact {
	return []fact{
		{"ACME", func(x plan.Authority) plan.Fact { return x.ACME }}, {"EAB", func(x plan.Authority) plan.Fact { return x.EAB }},
		{"ARI", func(x plan.Authority) plan.Fact { return x.ARI }}, {"WILDCARD", func(x plan.Authority) plan.Fact { return x.Wildcard }},
		{"CN", func(x plan.Authority) plan.Fact { return x.CommonName }}, {"IP", func(x plan.Authority) plan.Fact { return x.IP }},
		{"CLIENTAUTH", func(x plan.Authority) plan.Fact { return x.ClientAuth }}, {"NAMES", func(x plan.Authority) plan.Fact { return x.MaxNames }},
		{"COST", func(x plan.Authority) plan.Fact { return x.Cost }}, {"WINDOWS", func(x plan.Authority) plan.Fact { return x.Windows }},
		{"IOS", func(x plan.Authority) plan.Fact { return x.IOS }}, {"OLD ANDROID", func(x plan.Authority) plan.Fact { return x.OldAndroid }},
		{"JAVA", func(x plan.Authority) plan.Fact { return x.Java }},
	}
}

func (a *app) printFits(fits []plan.Fit) error {
	heads := []string{"AUTHORITY", "FITS", "DAYS"}
	for _, f := range facts() {
		heads = append(heads, f.name)
	}
	t := a.table(heads...)
	for _, one := range fits {
		cells := []string{one.Authority.ID, one.Fits, fmt.Sprint(one.Authority.LifeAt(time.Now()))}
		for _, f := range facts() {
			cells = append(cells, strings.Replace(f.of(one.Authority).Value, plan.Unknown, "?", 1))
		}
		t.row(cells...)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, one := range fits {
		if len(one.Reasons) == 0 {
			continue
		}
		fmt.Fprintf(a.out, "\n%s\n", one.Authority.Name)
		for _, r := range one.Reasons {
			fmt.Fprintf(a.out, "  - %s\n", r.English)
		}
	}
	return nil
}

func (a *app) printSources(fits []plan.Fit) error {
	t := a.table("AUTHORITY", "FACT", "VALUE", "DATE", "SOURCE", "NOTE")
	for _, one := range fits {
		for _, f := range facts() {
			x := f.of(one.Authority)
			t.row(one.Authority.ID, f.name, x.Value, x.Date, x.Source, x.Note)
		}
		for _, l := range one.Authority.Life {
			t.row(one.Authority.ID, "DAYS", fmt.Sprint(l.Days), l.Date, l.Source, "from "+l.From)
		}
	}
	return t.end()
}

func (a *app) planCalendarCommand() *cobra.Command {
	var p planning
	var r desk.CalendarRequest
	var ics outputFlags
	c := &cobra.Command{
		Use: "calendar", Short: "Which rules change on which date, and what that means here", Args: noArgs,
		Long: "Say which rules of public authorities and root stores change on which date, with sources, and what that means for the lineages,\n" +
			"listeners and partners of this organisation, or for the names of a file. Without an organisation it tells what changes for everybody.",
		Example: "  postseal plan calendar --ics certificates.ics",
	}
	c.Flags().StringVar(&p.from, "from", "", "`FILE` with names, services and zones instead of this organisation; - is standard input")
	c.Flags().BoolVar(&r.Past, "past", false, "the rules of the past too")
	c.Flags().StringVar(&ics.out, "ics", "", "write it as iCalendar to this `FILE`; - is standard output")
	c.Flags().BoolVar(&ics.force, "force", false, "replace an existing file")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := p.read(a); err != nil {
			return err
		}
		if err := ics.check(a); err != nil {
			return err
		}
		calendar, err := a.calendar(cmd.Context(), &p, r)
		if err != nil {
			return err
		}
		if ics.out != "" {
			if err := ics.write(a, calendar.ICalendar(time.Now()), false); err != nil || ics.out == "-" {
				return err
			}
		}
		if a.json {
			return a.printJSON(calendar)
		}
		return a.printCalendar(calendar)
	}
	return c
}

// calendar is the one of the file, of the organisation, or the one for everybody.
func (a *app) calendar(ctx context.Context, p *planning, r desk.CalendarRequest) (*plan.Calendar, error) {
	if p.inventory != nil {
		return plan.NewCalendar(time.Now(), p.inventory.Subjects(), r.Past), nil
	}
	c, err := call[plan.Calendar](ctx, a, "plan/calendar", r)
	if noOrganisation(err) {
		fmt.Fprintf(a.err, "postseal: warning: there is no organisation in %s; this is what changes for everybody\n", a.data)
		return plan.NewCalendar(time.Now(), nil, r.Past), nil
	}
	return &c, err
}

func (a *app) printCalendar(c *plan.Calendar) error {
	t := a.table("DATE", "WHAT CHANGES", "WHAT TO DO", "SOURCE")
	for _, r := range c.Rules {
		t.row(r.Date, r.What.English, r.Do.English, r.Source)
	}
	if err := t.end(); err != nil || len(c.Effects) == 0 {
		return err
	}
	fmt.Fprintln(a.out, "\nWhat that means here:")
	colours := map[string]string{plan.EffectBreaks: "red", plan.EffectWork: "yellow", plan.EffectWatch: "yellow", plan.EffectNone: "green"}
	t = a.table("DATE", "EFFECT", "FOR", "LISTENERS", "WHAT", "WHAT TO DO")
	for _, e := range c.Effects {
		subject := e.Subject
		if e.Partner != "" && !strings.HasSuffix(e.Subject, ":"+e.Partner) {
			subject += " (partner " + e.Partner + ")"
		}
		t.row(e.Date, a.paint(colours[e.Effect], e.Effect), subject, strings.Join(slices.Compact(slices.Sorted(slices.Values(e.Listeners))), ","), e.What.English, e.Do.English)
	}
	return t.end()
}
