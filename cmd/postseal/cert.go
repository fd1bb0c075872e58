package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) certCommand() *cobra.Command {
	return noun("cert", "Certificates: make, look, enable, remove", a.certListCommand(), a.certShowCommand(), a.certNewCommand(), a.certRequestCommand(), a.certImportCommand(), a.certExportCommand(), a.certEnableCommand(),
		a.certDisableCommand(), a.certSetInternalCommand(), a.certRenewCommand(), a.certActivateCommand(), a.certRollbackCommand(), a.certRemoveCommand(), a.certExplainCommand(), a.certWizardCommand())
}

func (a *app) certListCommand() *cobra.Command {
	var filter desk.Filter
	var status, within string
	var exchange bool
	c := &cobra.Command{
		Use: "list", Short: "List the certificates", Args: noArgs,
		Long:    "List the certificates, one row per generation of a lineage (with --json one object per certificate).",
		Example: "  postseal cert list --domain mail.example.com --expiring-within 30d",
	}
	c.Flags().StringVar(&status, "status", "", "only those of this `STATUS`, see: postseal help status")
	c.Flags().StringVar(&filter.Domain, "domain", "", "only those that cover this `NAME`")
	c.Flags().StringVar(&within, "expiring-within", "", "only those that end within this `TIME`, like 30d or 12h")
	c.Flags().IntVar(&filter.Limit, "limit", 0, "list at most this `NUMBER` of certificates (default all)")
	c.Flags().StringVar(&filter.After, "after", "", "begin behind this `PLACE`, which the page before has named, or behind the certificate of this ID")
	c.Flags().BoolVar(&exchange, "exchange", false, "the columns of Exchange: thumbprint, services (IP.WS..), subject")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if within != "" {
			d, err := parseDays(within)
			if err != nil {
				return &usageError{fmt.Errorf("--expiring-within: %w", err)}
			}
			filter.ExpiringWithin = int64(d / time.Second)
		}
		filter.Status = x509cert.Status(status)
		if err := filter.Check(); err != nil {
			return err
		}
		page, err := call[desk.Page](cmd.Context(), a, "cert/page", filter)
		if err != nil {
			return err
		}
		switch {
		case a.json:
			err = a.printJSON(page.Certificates)
		case exchange:
			err = a.printExchange(page.Certificates)
		default:
			err = a.printCertificates(page.Certificates)
		}
		if err == nil && page.Next != "" {
			a.printNext(cmd, &page)
		}
		return err
	}
	return c
}

// printNext says how to see the next page: the same command, with another --after.
func (a *app) printNext(cmd *cobra.Command, page *desk.Page) {
	more := "there are more"
	if page.More > 0 {
		more = fmt.Sprintf("%d more", page.More)
	}
	next := cmd.CommandPath()
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case f.Name == "after":
		case f.Value.Type() == "bool":
			next += " --" + f.Name
		default:
			next += " --" + f.Name + " " + shellQuote(f.Value.String())
		}
	})
	fmt.Fprintf(a.err, "postseal: %s; next: %s --after %s\n", more, next, page.Next)
}

// parseDays reads a duration that may be given in days.
func parseDays(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		var days int
		if _, err := fmt.Sscanf(n+" ", "%d ", &days); err != nil || days < 1 || days > 36500 {
			return 0, fmt.Errorf("%q: want a time like 30d or 12h", text)
		}
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q: want a time like 30d or 12h", text)
	}
	return d, nil
}

func (a *app) printExchange(list []desk.Certificate) error {
	t := a.table("THUMBPRINT", "SERVICES", "SUBJECT")
	for _, c := range list {
		t.row(c.Thumbprint, c.ServicesText, c.Subject)
	}
	return t.end()
}

// printCertificates prints one row per generation.
func (a *app) printCertificates(list []desk.Certificate) error {
	t := a.table("NAME", "LINEAGE", "GEN", "STATE", "SERVICES", "ENDS", "STATUS", "KEYS", "THUMBPRINTS", "REASON")
	for group := range generations(list) {
		first := group[0]
		var services, kinds, thumbs []string
		for _, s := range first.Services {
			services = append(services, string(s))
		}
		for _, c := range group {
			kinds, thumbs = append(kinds, c.KeyType), append(thumbs, c.Thumbprint[:12])
		}
		t.row(first.Name, first.Lineage, fmt.Sprint(first.Generation), first.State, strings.Join(services, ","),
			ends(first), string(first.Status), strings.Join(kinds, "+"), strings.Join(thumbs, " "), reason(first))
	}
	return t.end()
}

// reason is why a certificate is not simply good: what its clients object to, else the reason of its status.
func reason(c desk.Certificate) string {
	switch {
	case len(c.Objections) > 0:
		return strings.Join(c.Objections, "; ")
	case c.Status != x509cert.StatusValid:
		return c.StatusReason
	}
	return ""
}

// ends says when a certificate ends; nothing for a request.
func ends(c desk.Certificate) string {
	if c.NotAfter.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%s)", localDate(c.NotAfter), daysLeft(c.NotAfter))
}

// since says when a certificate begins; nothing for a request.
func since(c desk.Certificate) string {
	if c.NotBefore.IsZero() {
		return ""
	}
	return localTime(c.NotBefore)
}

// generations groups a list of members, which is in order, by generation.
func generations(list []desk.Certificate) func(yield func([]desk.Certificate) bool) {
	return func(yield func([]desk.Certificate) bool) {
		for len(list) > 0 {
			n := slices.IndexFunc(list, func(c desk.Certificate) bool {
				return c.Lineage != list[0].Lineage || c.Generation != list[0].Generation
			})
			if n < 0 {
				n = len(list)
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

func (a *app) certShowCommand() *cobra.Command {
	var pem bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show everything about one certificate", Args: oneArg("the ID of a certificate"),
		Long:    "Show everything about one certificate: what it is, where it serves, why its status is what it is, and what a thief of its key could do.\nID is a thumbprint or 8 or more characters of one, SERVER\\THUMBPRINT, or the name of a lineage.",
		Example: "  postseal cert show internal-mail1-example-com",
	}
	c.Flags().BoolVar(&pem, "pem", false, "print the certificate itself, in PEM")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := call[desk.CertificateDetail](cmd.Context(), a, "cert/show", admin.Named{ID: args[0]})
		if err != nil {
			return err
		}
		switch {
		case a.json:
			return a.printJSON(d)
		case pem:
			fmt.Fprint(a.out, d.PEM)
			return nil
		}
		return a.printDetail(&d)
	}
	return c
}

func (a *app) printDetail(d *desk.CertificateDetail) error {
	yes := map[bool]string{true: "yes", false: "no"}
	t := a.table("name", d.Name)
	var services, usages, bindings []string
	for _, s := range d.Services {
		services = append(services, string(s))
	}
	usages = append(usages, d.Usages...)
	for _, b := range d.Bindings {
		text := fmt.Sprintf("%s (port %d, %s)", b.Listener, b.Port, b.Role)
		if !b.Enabled {
			text += " disabled"
		}
		bindings = append(bindings, text)
	}
	for _, row := range [][2]string{
		{"thumbprint", d.Thumbprint}, {"SHA-256", d.SHA256}, {"lineage", fmt.Sprintf("%s, generation %d, %s", d.Lineage, d.Generation, d.State)},
		{"members", strings.Join(d.Members, " ")}, {"subject", d.Subject}, {"issuer", d.Issuer}, {"serial", d.Serial}, {"names", strings.Join(d.Names, ", ")},
		{"valid from", since(d.Certificate)}, {"until", ends(d.Certificate)}, {"key", d.KeyType}, {"usages", strings.Join(usages, ", ")},
		{"status", fmt.Sprintf("%s: %s", d.Status, d.StatusReason)}, {"root", string(d.RootType)}, {"self-signed", yes[d.SelfSigned]},
		{"private key", yes[d.HasPrivateKey]}, {"exportable", yes[d.Exportable]}, {"services", strings.Join(services, ", ")}, {"roles", strings.Join(d.Roles, ", ")},
		{"server", d.Server}, {"serves", strings.Join(bindings, "; ")}, {"clients object", strings.Join(d.Objections, "; ")},
	} {
		t.row(row[0], row[1])
	}
	if err := t.end(); err != nil {
		return err
	}
	if len(d.Notes) > 0 {
		fmt.Fprintln(a.out, "\nWhat to know about its names")
		for _, line := range d.Notes {
			fmt.Fprintf(a.out, "  - %s\n", line)
		}
	}
	if len(d.Lints) > 0 {
		fmt.Fprintln(a.out, "\nRules of the CA/Browser Forum that it breaks (they decide nothing here)")
		for _, line := range d.Lints {
			fmt.Fprintf(a.out, "  - %s\n", line)
		}
	}
	if len(d.Thief) > 0 {
		fmt.Fprintln(a.out, "\nSomebody with a copy of this private key could")
		for _, line := range d.Thief {
			fmt.Fprintf(a.out, "  - %s\n", line)
		}
	}
	return a.printHistory(d.History)
}

func (a *app) certExplainCommand() *cobra.Command {
	var r desk.ExplainRequest
	c := &cobra.Command{
		Use: "explain", Short: "Say which certificate a client would be served, and why", Args: noArgs,
		Example: "  postseal cert explain --listener imaps --sni mail.example.com --client rsa-only",
	}
	c.Flags().StringVar(&r.Listener, "listener", "", "the listener's `NAME`")
	c.Flags().StringVar(&r.SNI, "sni", "", "the server `NAME` that the client asks for")
	c.Flags().StringVar(&r.From, "from", "", "the client's `ADDRESS`")
	c.Flags().StringVar(&r.Client, "client", "", "`KIND` of client: modern or rsa-only (default modern)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if r.Listener == "" {
			return &usageError{fmt.Errorf("--listener is missing")}
		}
		if err := r.Check(); err != nil {
			return err
		}
		if d, err := x509cert.ParseHost(r.SNI); err == nil { // a client may ask for anything; people write names as they read them
			r.SNI = string(d)
		}
		return a.explain(cmd.Context(), r)
	}
	return c
}

func (a *app) explain(ctx context.Context, r desk.ExplainRequest) error {
	e, err := call[desk.Explanation](ctx, a, "cert/explain", r)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(e)
	}
	asks := "asks for no name"
	if e.SNI != "" {
		asks = "asks for " + e.SNI
	}
	fmt.Fprintf(a.out, "A client (%s) that %s at %s gets %s (%s), which ends on %s (%s).\n", e.Client, asks, e.Listener, e.Thumbprint, e.KeyType, localDate(e.NotAfter), daysLeft(e.NotAfter))
	fmt.Fprintf(a.out, "%s.\n\n", sentence(e.MemberWhy))
	for i, c := range e.Candidates {
		mark := " "
		if c.Taken {
			mark = "*"
		}
		fmt.Fprintf(a.out, "%s %d. %q (%s, generation %d, %s): %s\n", mark, i+1, c.Name, c.Lineage, c.Generation, c.Role, c.Why)
		fmt.Fprintf(a.out, "     names: %s\n", strings.Join(c.Names, ", "))
		for _, remark := range c.Remarks {
			fmt.Fprintf(a.out, "     note: %s\n", remark)
		}
	}
	for _, w := range e.Warnings {
		fmt.Fprintf(a.err, "postseal: warning: %s\n", w)
	}
	return nil
}

// sentence begins with a capital letter and has no full stop.
func sentence(s string) string {
	s = strings.TrimSuffix(s, ".")
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
