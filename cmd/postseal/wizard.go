package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"postseal/internal/keep/plan"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

// wizardRun is one run of the wizard.
type wizardRun struct {
	*app
	answers wizard.Answers
	out     outputFlags
	given   func(flag string) bool
}

func (a *app) certWizardCommand() *cobra.Command {
	w := &wizardRun{app: a}
	c := &cobra.Command{
		Use: "wizard", Short: "Ask step by step for what a certificate needs, then make or request it", Args: noArgs,
		Long: "Ask for the issuer, the services and the names by which clients reach them, propose the names of the certificate, and make it or the request\n" +
			"for it. Every answer is also a flag: what a flag answers is not asked, and without a terminal, or with --yes, nothing is. At the end stands the\n" +
			"plain command that does the same.",
		Example: "  postseal cert wizard --kind public --services HTTP,IMAP --outside mail.example.com --outside HTTP=autodiscover.example.com --authority letsencrypt --out mail.csr",
	}
	f, r := c.Flags(), &w.answers
	f.StringVar(&r.Kind, "kind", "", "`ISSUER`: self-signed, own (our authority, which postseal ca init makes) or public (one that systems trust)")
	f.StringVar(&r.Services, "services", "", "`LIST` of services, see: postseal help services")
	f.StringArrayVar(&r.Outside, "outside", nil, "[SERVICE=]`NAME` by which clients reach the services from outside; repeatable")
	f.StringArrayVar(&r.Inside, "inside", nil, "[SERVICE=]`NAME` by which they reach them from inside; repeatable")
	f.StringArrayVar(&r.Names, "domain", nil, "`NAME` in the certificate, in place of what is proposed; repeatable")
	f.StringVar(&r.CommonName, "common-name", "", "`NAME` that is the common name, or none (default the first)")
	f.StringArrayVar(&r.Wants, "want", nil, "`WISH` that the public authority must fulfil; repeatable: "+strings.Join(plan.WantWords(), ", "))
	f.StringVar(&r.Authority, "authority", "", "the public `AUTHORITY`: "+strings.Join(wizard.AuthorityWords(), ", "))
	f.StringVar(&r.Validation, "validation", "", "`WHAT` the authority looks at: domain or organisation (default domain)")
	f.StringVar(&r.Organisation, "o", "", "`ORGANISATION` of the subject")
	f.StringVar(&r.Unit, "ou", "", "organisational `UNIT` of the subject")
	f.StringVar(&r.Locality, "l", "", "`PLACE` of the subject")
	f.StringVar(&r.State, "st", "", "`STATE` or province of the subject")
	f.StringVar(&r.Country, "c", "", "`COUNTRY` of the subject, in two letters")
	f.StringArrayVar(&r.Keys, "key", nil, "`KIND` of key, one per algorithm; repeatable (default ecdsa-p256, and rsa-2048 too when self-signed)")
	f.StringVar(&r.Days, "days", "", "life of a self-signed certificate in `DAYS` (default 825)")
	f.BoolVar(&r.Exportable, "exportable", false, "the private key may leave in a file")
	f.StringVar(&r.Name, "name", "", "friendly `NAME`, at most 63 characters (default the common name)")
	f.StringVar(&r.Lineage, "lineage", "", "`NAME` of the lineage")
	w.out.flags(f)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		w.given = cmd.Flags().Changed
		return w.run(cmd.Context())
	}
	return c
}

// run asks for what is not answered, where somebody can be asked, and carries the answers out.
func (w *wizardRun) run(ctx context.Context) error {
	// What a flag says wrongly is refused before anything is asked.
	if err := w.out.check(w.app); err != nil {
		return err
	}
	in, ok := w.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || w.yes {
		if _, err := w.answers.Problem(wizard.StepReview, time.Now()); err != nil {
			return err
		}
		return w.carryOutAnswers(ctx, 0)
	}
	opening, err := call[desk.Opening](ctx, w.app, "cert/opening", admin.Nothing{})
	if err != nil {
		return err
	}
	d := openDialogue(ctx, w.err, in)
	defer d.close()
	q := &questionnaire{wizardRun: w, dialogue: d, opening: &opening}
	seq, err := q.ask(ctx)
	if err != nil {
		return err
	}
	return w.carryOutAnswers(ctx, seq)
}

// carryOutAnswers makes the certificate or the request, and says what the plain command would have been. seq is the state
// that somebody has agreed to; 0 when nobody was asked.
func (w *wizardRun) carryOutAnswers(ctx context.Context, seq int64) error {
	r, err := w.answers.Result(time.Now())
	if err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w.err, "postseal: note: %s\n", note.English)
	}
	if missing := r.Proposal.Missing; len(missing) > 0 {
		fmt.Fprintf(w.err, "postseal: warning: not in the certificate: %s\n", strings.Join(missing, ", "))
	}
	w.printRest(r.Proposal)
	switch {
	case r.Ask != nil:
		err = w.request(ctx, *r.Ask)
	case seq != 0:
		err = w.make(ctx, r, seq)
	default:
		act, with := making(r)
		err = w.change(ctx, act, with)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.err, "postseal: the same without questions: %s\n", w.commandLine(r))
	return nil
}

// making is the act that makes a certificate, and its request.
func making(r *wizard.Result) (act string, with func(desk.Doing) any) {
	if r.Issue != nil {
		return "ca/issue", func(d desk.Doing) any { r.Issue.Doing = d; return *r.Issue }
	}
	return "cert/new", func(d desk.Doing) any { r.New.Doing = d; return *r.New }
}

// make makes what was agreed to, if the state is still the same.
func (w *wizardRun) make(ctx context.Context, r *wizard.Result, seq int64) error {
	client, done, err := w.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	act, with := making(r)
	return w.carryOut(ctx, client, act, with(desk.Doing{IfSeq: seq}))
}

func (w *wizardRun) request(ctx context.Context, r desk.AskRequest) error {
	r.DryRun = w.dryRun
	answer, err := call[desk.AskAnswer](ctx, w.app, "cert/request", r)
	if err != nil {
		return err
	}
	return w.printRequests(&answer, &w.out, false)
}

// commandLine is the plain command that does what the wizard does.
func (w *wizardRun) commandLine(r *wizard.Result) string {
	var words []string
	for _, word := range r.Command() {
		words = append(words, shellQuote(word))
	}
	if r.Ask != nil && w.out.out != "" {
		words = append(words, "--out", shellQuote(w.out.out))
	}
	return strings.Join(words, " ") + w.whereFlags()
}

// printRest says what one certificate cannot do.
func (w *wizardRun) printRest(p *wizard.Proposal) {
	for _, rest := range p.Rest {
		var services []string
		for _, s := range rest.Services {
			services = append(services, string(s))
		}
		fmt.Fprintf(w.err, "postseal: note: %s (%s): %s\n", strings.Join(rest.Names, ", "), strings.Join(services, ","), rest.Why.English)
	}
}
