package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/ground/state"
	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
)

// planning are the flags that say what is planned for.
type planning struct {
	from, authority string
	inventory       *plan.Inventory // of from; nil without
}

func (p *planning) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.from, "from", "", "`FILE` with the names, services and zones; - is standard input (default the services of this organisation)")
	c.Flags().StringVar(&p.authority, "authority", "", "plan by the limits of this `AUTHORITY`: "+strings.Join(plan.AuthorityWords(), ", ")+" (default public)")
}

// read reads the file. Its errors name it, and the line.
func (p *planning) read(a *app) error {
	if _, err := plan.Compute(&plan.Inventory{}, p.authority, time.Now()); err != nil {
		return fmt.Errorf("--authority: %w", err)
	}
	if p.from == "" {
		return nil
	}
	var in io.Reader = a.in
	if p.from != "-" {
		f, err := os.Open(p.from)
		if err != nil {
			return &usageError{fmt.Errorf("--from: %w", err)}
		}
		defer f.Close()
		in = f
	}
	var err error
	if p.inventory, err = plan.ReadInventory(in); err != nil {
		return fmt.Errorf("reading %s: %w", p.from, err)
	}
	return nil
}

// request is what the server is asked.
func (p *planning) request() desk.PlanRequest {
	r := desk.PlanRequest{Authority: p.authority}
	if p.inventory != nil {
		r.Needs, r.Apart = p.inventory.Needs(), p.inventory.Apart()
	}
	return r
}

func (a *app) planCommand() *cobra.Command {
	var p planning
	c := &cobra.Command{
		Use: "plan", Short: "The fewest certificates and host names, which authority, and what changes when", Args: noArgs,
		Long: "Say which certificates would do for the services of this organisation, or of a file: several choices, each the fewest of its kind,\n" +
			"with what they cost in safety and work, and which one is recommended. With --from it needs no data directory.\n" +
			"A file has a name, its services and its zone on each line; see: postseal help plan",
		Example: "  postseal plan --from names.txt --authority letsencrypt",
	}
	p.flags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := p.read(a); err != nil {
			return err
		}
		var computed plan.Plan
		if p.inventory != nil {
			one, err := plan.Compute(p.inventory, p.authority, time.Now())
			if err != nil {
				return err
			}
			computed = *one
		} else {
			var err error
			if computed, err = call[plan.Plan](cmd.Context(), a, "plan/show", p.request()); err != nil {
				return err
			}
		}
		if a.json {
			return a.printJSON(computed)
		}
		return a.printPlan(&computed, &p)
	}
	c.AddCommand(a.planApplyCommand(), a.planAuthoritiesCommand(), a.planCalendarCommand())
	return c
}

// printPlan prints the choices, then the recommended one in full.
func (a *app) printPlan(p *plan.Plan, of *planning) error {
	for _, w := range p.Warnings {
		fmt.Fprintf(a.err, "postseal: warning: %s\n", w.English)
	}
	t := a.table("CHOICE", "CERTIFICATES", "NAMES", "WILDCARDS", "RENEWALS A YEAR", "A STOLEN KEY POSES AS", "REPLACED TOGETHER")
	for _, c := range p.Choices {
		name := c.Name
		if c.Recommended {
			name += " (recommended)"
		}
		var renewals []string
		for _, w := range c.Cost.Renewals {
			renewals = append(renewals, fmt.Sprintf("%.1f from %s", w.Renewals, w.From[:7]))
		}
		stolen := fmt.Sprintf("%d names", c.Cost.Stolen)
		if c.Cost.Unbounded {
			stolen += " and any other host"
		}
		t.row(name, fmt.Sprint(c.Cost.Certificates), fmt.Sprint(c.Cost.Names), fmt.Sprint(c.Cost.Wildcards), ends2(renewals), stolen, fmt.Sprint(c.Cost.Together))
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, c := range p.Choices {
		fmt.Fprintf(a.out, "\n%s\n", c.Name)
		for _, r := range c.Reasons {
			fmt.Fprintf(a.out, "  - %s\n", r.English)
		}
		for _, b := range c.Cost.Breaks {
			fmt.Fprintf(a.out, "  ! %s\n", b.English)
		}
		for _, r := range c.Redirects {
			fmt.Fprintf(a.out, "  %s -> %s\n", r.From, r.To)
		}
	}
	best := p.Recommended()
	fmt.Fprintf(a.out, "\nThe certificates of %s:\n", best.Name)
	t = a.table("ZONE", "ISSUER", "DAYS", "NAMES")
	for _, c := range best.Certificates {
		t.row(string(c.Zone), c.Issuer, fmt.Sprint(c.Days), strings.Join(c.Entries, " "))
	}
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nTo carry it out: postseal plan apply %s%s%s\n", best.Name, of.words(), a.whereFlags())
	return nil
}

// ends2 keeps the first and the last of some texts.
func ends2(texts []string) string {
	if len(texts) > 2 {
		texts = []string{texts[0], texts[len(texts)-1]}
	}
	return strings.Join(texts, ", ")
}

// words are the flags of the same plan.
func (p *planning) words() string {
	var words string
	if p.from != "" {
		words += " --from " + shellQuote(p.from)
	}
	if p.authority != "" {
		words += " --authority " + shellQuote(p.authority)
	}
	return words
}

func (a *app) planApplyCommand() *cobra.Command {
	var p planning
	var dir string
	c := &cobra.Command{
		Use: "apply [CHOICE]", Short: "Make every certificate and request of a plan",
		Long: "Make every certificate of a choice of a plan, all or none: those of an authority as keys with a request that waits for its answer, the others\n" +
			"self-signed. What is there already is left as it is. Nothing is bound to a service. CHOICE is " + strings.Join(plan.ChoiceWords(), ", ") + " (default the recommended one).",
		Example: "  postseal plan apply san --from names.txt --authority letsencrypt --out-dir requests --dry-run",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Errorf("%s takes one choice at most", cmd.CommandPath())}
			}
			return nil
		},
	}
	p.flags(c)
	c.Flags().StringVar(&dir, "out-dir", "", "write each request into this existing `DIR`, as LINEAGE.csr")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.read(a); err != nil {
			return err
		}
		if dir != "" {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return fmt.Errorf("writing requests to %s: %w", dir, errNoDirectory)
			}
		}
		r := desk.ApplyRequest{PlanRequest: p.request()}
		r.DryRun = a.dryRun
		if len(args) == 1 {
			r.Choice = args[0]
		}
		return a.planApply(cmd.Context(), r, dir)
	}
	return c
}

// errNoDirectory: files go only where somebody has made room for them.
var errNoDirectory = errors.New("it is not an existing directory")

func (a *app) planApply(ctx context.Context, r desk.ApplyRequest, dir string) error {
	answer, err := call[desk.ApplyAnswer](ctx, a, "plan/apply", r)
	if err != nil {
		return err
	}
	a.printWarnings(answer.Warnings)
	var problems []error
	for _, one := range answer.Planned {
		if dir != "" && one.Request.PEM != "" {
			file := outputFlags{out: filepath.Join(dir, one.Lineage+".csr")}
			problems = append(problems, file.write(a, []byte(one.Request.PEM), false))
		}
	}
	if a.json {
		problems = append(problems, a.printJSON(answer))
	} else {
		t := a.table("LINEAGE", "ZONE", "WHAT", "NAMES")
		for _, one := range answer.Planned {
			what := "self-signed certificate"
			switch {
			case one.There:
				what = "there already"
			case one.Issuer != plan.IssuerSelf:
				what = "request for " + one.Issuer
			}
			t.row(one.Lineage, string(one.Zone), what, strings.Join(one.Names, " "))
		}
		problems = append(problems, t.end())
	}
	a.printUndo(answer.Undo)
	if answer.Undo != "" && !a.json {
		fmt.Fprintln(a.err, "postseal: next: send each request to the authority, then: postseal cert import ANSWER; a request is printed again with: postseal cert export LINEAGE --format pem --out -")
	}
	return errors.Join(problems...) // the requests are kept whatever became of the files
}

// noOrganisation says whether err means that there is nothing set up here.
func noOrganisation(err error) bool { return errors.Is(err, state.ErrNoOrganisation) }
