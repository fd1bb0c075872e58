package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/state"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caCommand() *cobra.Command {
	return noun("ca", "The organisation's own authority", a.caInitCommand(), a.caShowCommand(), a.caIssueCommand(), a.caListCommand(), a.caCountsCommand(), a.caKeepCommand(), a.caHealthCommand(), a.caPublishCommand(), a.caPersonKeyCommand(),
		a.caRevokeCommand(), a.caCRLCommand(), a.caProfileCommand(), a.caPendingCommand(), a.caApproveCommand(), a.caRejectCommand(), a.caCertificateCommand(), a.caBulkCommand(), a.caExtendCommand(), a.caRolloverCommand(),
		a.caRequestCommand(), a.caImportCommand(), a.caWithdrawCommand(), a.caRootCommand(), a.caCeremonyCommand(), a.caModuleCommand(),
		a.caEABCommand(), a.caAccountCommand(), a.caARICommand(), a.caZLintCommand())
}

func (a *app) caInitCommand() *cobra.Command {
	var r desk.AuthorityRequest
	var subordinate, elsewhere bool
	c := &cobra.Command{
		Use: "init", Short: "Make the organisation's own authority", Args: noArgs,
		Long: "Make the organisation's own authority: a root, and below it one issuing authority each for servers, clients, S/MIME, code and IPsec, for the accepted domains and nothing else.\n" +
			"The root is trusted here from then on. With --subordinate there is no root of ours: the issuing authorities are certified by one that is there, such as AD CS. With --ceremony the root's key is never on this server.\n" +
			"Where there is an authority, --purpose adds issuing authorities for purposes that have none.\n" +
			"--subordinate and --ceremony make the keys of the issuing authorities and requests that wait: postseal ca request, then postseal ca import\n" +
			"Other machines get the root with: postseal trust export",
		Example: "  postseal ca init --pki-host pki.example.com",
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "`NAME` in the authorities' certificates, at most 40 characters (default the organisation's)")
	f.StringVar(&r.PKIHost, "pki-host", "", "`HOST` or HOST:PORT where strangers reach this server's listener http (default this server)")
	f.StringVar(&r.RootKey, "root-key", "", "`KIND` of the root's key (default ecdsa-p384)")
	f.StringArrayVar(&r.Domains, "domain", nil, "a `DOMAIN` that may be certified; repeatable (default the accepted domains)")
	f.StringVar(&r.Module, "security-module", "", "make `WHOSE` keys in the security module of the configuration: root or all (default none)")
	f.BoolVar(&subordinate, "subordinate", false, "below the root of another organisation or program")
	f.BoolVar(&elsewhere, "ceremony", false, "below a root of ours on another machine, see: postseal ca ceremony")
	f.StringArrayVar(&r.Purposes, "purpose", nil, "`PURPOSE` of an issuing authority: servers, clients, smime, code or ipsec; repeatable (default one each)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case subordinate && elsewhere:
			return &usageError{errors.New("--subordinate and --ceremony exclude each other")}
		case subordinate:
			r.Superior = state.WayForeign
		case elsewhere:
			r.Superior = state.WayCeremony
		}
		if err := a.change(cmd.Context(), "ca/init", func(d desk.Doing) any { r.Doing = d; return r }); err != nil || a.dryRun || r.Superior != "" { // whose request comes first, see: ca request
			return err
		}
		domain := "DOMAIN"
		if len(r.Domains) > 0 {
			domain = r.Domains[0]
		} else if v, err := call[desk.AuthoritiesView](cmd.Context(), a, "ca/show", admin.Nothing{}); err == nil { // what was made is made
			if i := slices.IndexFunc(v.Authorities, func(x desk.AuthorityView) bool { return len(x.Domains) > 0 }); i >= 0 {
				domain = v.Authorities[i].Domains[0]
			}
		}
		where := a.whereFlags()
		fmt.Fprintf(a.err, "postseal: next: postseal ca issue --profile server --domain mail.%s --enable SMTP,IMAP,POP,HTTP%s\n", domain, where)
		fmt.Fprintf(a.err, "postseal: other machines trust it with: postseal trust export --for pem --out root.pem%s\n", where)
		return nil
	}
	return c
}

func (a *app) caShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the authority: what it may certify, its profiles, where its lists are", Args: noArgs, Example: "  postseal ca show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := call[desk.AuthoritiesView](cmd.Context(), a, "ca/show", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			t := a.table("AUTHORITY", "STATE", "SUBJECT", "ENDS", "DOMAINS", "SHA-256")
			for _, x := range v.Authorities {
				ends := localDate(x.NotAfter)
				if x.State == state.AuthorityPending {
					ends = "-"
				}
				t.row(x.Name, x.State, x.Subject, ends, strings.Join(x.Domains, ","), x.SHA256)
			}
			if err := t.end(); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "\nLists and answers: http://%s/pki/\nProfiles: %s\n", v.PKIHost, strings.Join(v.Profiles, ", "))
			if len(v.Missing) > 0 {
				fmt.Fprintf(a.out, "No authority issues for: %s; add one: postseal ca init --purpose %s\n", strings.Join(v.Missing, ", "), v.Missing[0])
			}
			return nil
		},
	}
}

func (a *app) caIssueCommand() *cobra.Command {
	var r desk.IssueRequest
	var csr, out string
	var force bool
	var emails []string
	var person desk.PersonRequest
	var password passwordFlags
	c := &cobra.Command{
		Use: "issue", Short: "Issue a certificate", Args: noArgs,
		Long: "Issue a certificate. Without --csr its key is made here, in a lineage of its own, which the server renews by itself; --enable lets it serve at once.\n" +
			"With --email it is for a person: its key is made here, and both go out in a PFX. Signing (smime-sign) and encrypting (smime-encrypt) are two certificates, in two files. Without a password one is made and printed, once. A key that decrypts is kept, sealed, see: postseal ca person-key; a key that signs is kept nowhere.\n" +
			"With --csr the key is whoever's made the request: the certificate is printed, or written to --out.",
		Example: "  postseal ca issue --domain mail.example.com --enable SMTP,IMAP,POP,HTTP",
	}
	f := c.Flags()
	f.StringVar(&r.Profile, "profile", "", "`NAME` of the profile (default server)")
	f.StringArrayVar(&r.Domains, "domain", nil, "a `NAME` it is for; repeatable (default this server's names, with --csr those of the request)")
	f.StringArrayVar(&emails, "email", nil, "an `ADDRESS` it is for; with --csr repeatable, without it the certificate of a person, as a PFX with its key")
	f.StringVar(&person.Name, "name", "", "with --email: the person's `NAME` (default the address)")
	f.StringVar(&person.Format, "pfx", "", "with --email: `WHO` reads the PFX, modern or windows2016 (default modern)")
	password.flags(f)
	password.shortFlag(f)
	f.StringVar(&r.Kind, "key", "", "`KIND` of the key that is made (default ecdsa-p256)")
	f.StringVar(&r.Enable, "enable", "", "enable it for this `LIST` of services, see: postseal help services")
	f.StringVar(&r.Lineage, "lineage", "", "`NAME` of the new lineage (default made of the first domain)")
	f.StringVar(&csr, "csr", "", "certify the request in this `FILE`")
	f.StringVar(&out, "out", "", "with --csr or --email: write it to this `FILE`")
	f.BoolVar(&force, "force", false, "with --email: replace an existing file")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if csr == "" && len(emails) == 1 && len(r.Domains) == 0 && r.Enable == "" && r.Lineage == "" {
			person.Profile, person.Email, person.Kind = r.Profile, emails[0], r.Kind
			return a.issuePerson(cmd, person, outputFlags{out: out, force: force}, password)
		}
		if person.Name != "" || person.Format != "" || password.given() {
			return &usageError{errors.New("--name, --pfx and a password go with one --email, without --csr")}
		}
		if csr == "" {
			if out != "" || len(emails) > 0 {
				return &usageError{errors.New("--out needs --csr or one --email; --email goes without --domain, --enable and --lineage")}
			}
			if err := r.Check(); err != nil {
				return err
			}
			return a.change(cmd.Context(), "ca/issue", func(d desk.Doing) any { r.Doing = d; return r })
		}
		if r.Kind != "" || r.Enable != "" || r.Lineage != "" {
			return &usageError{errors.New("--key, --enable and --lineage go with a key that is made here, not with --csr")}
		}
		file, err := a.readImport(csr)
		if err != nil {
			return err
		}
		return a.certify(cmd, desk.CertifyRequest{Profile: r.Profile, CSR: file, Domains: r.Domains, Emails: emails, DryRun: a.dryRun}, out)
	}
	return c
}

// certify asks, and prints what was issued for a request in a file.
func (a *app) certify(cmd *cobra.Command, r desk.CertifyRequest, out string) error {
	v, err := call[desk.Certified](cmd.Context(), a, "ca/certify", r)
	if err != nil {
		return err
	}
	return a.printCertified(v, out, "Issued")
}

func (a *app) caRevokeCommand() *cobra.Command {
	var r desk.RevokeRequest
	var file, authority string
	c := &cobra.Command{
		Use: "revoke [ID]", Short: "Take certificates back, or an issuing authority",
		Long: "Take certificates of the organisation's own authority back, for good. The revocation list and the answers of OCSP say so at once.\n" +
			"ID is a serial, a thumbprint, or the name of a lineage; instead of it a file, a key, whoever asked, or a profile says which.\n" +
			"What serves goes on serving where it is enabled, until another takes its place.\n" +
			"--authority takes an issuing authority back, and everything that it has issued with it: the root's list names it (if the root's key is elsewhere, when it has signed another). Let another take its place before: postseal ca rollover",
		Example: "  postseal ca revoke mail-example-com --reason keyCompromise\n  postseal ca revoke --authority servers --reason cACompromise",
	}
	c.Flags().StringVar(&file, "certificate", "", "the one in this `FILE`")
	c.Flags().StringVar(&r.Key, "public-key", "", "everything that was issued for a public key, by its SHA-256 in `HEX`")
	c.Flags().StringVar(&r.Requester, "requester", "", "everything that `WHO` has asked for, as ca list shows him")
	c.Flags().StringVar(&r.Profile, "profile", "", "everything of this profile's `NAME`")
	c.Flags().StringVar(&authority, "authority", "", "the issuing authority of this `NAME`, see: postseal ca show; with cACompromise, superseded or cessationOfOperation")
	c.Flags().StringVar(&r.Reason, "reason", "", "`WORD`: keyCompromise, superseded, cessationOfOperation, affiliationChanged or privilegeWithdrawn; of an authority cACompromise")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 1:
			r.ID = args[0]
		case len(args) > 1:
			return &usageError{errors.New("want one ID; for many there are --public-key, --requester and --profile")}
		}
		if authority != "" {
			if file != "" || r.ID+r.Key+r.Requester+r.Profile != "" {
				return &usageError{errors.New("--authority goes alone, with --reason")}
			}
			all := desk.RevokeAuthorityRequest{Name: authority, Reason: r.Reason}
			if err := all.Check(); err != nil {
				return err
			}
			return a.change(cmd.Context(), "ca/revoke-authority", func(d desk.Doing) any { all.Doing = d; return all })
		}
		if file != "" {
			read, err := a.readImport(file)
			if err != nil {
				return err
			}
			r.Certificate = &read
		}
		if err := r.Check(); err != nil {
			return err
		}
		return a.change(cmd.Context(), "ca/revoke", func(d desk.Doing) any { r.Doing = d; return r })
	}
	return c
}

func (a *app) caCRLCommand() *cobra.Command {
	var r desk.ListRequest
	var out string
	c := &cobra.Command{
		Use: "crl", Short: "Print the revocation list", Args: noArgs,
		Long:    "Print the complete revocation list of an authority in PEM, as it is published now.",
		Example: "  postseal ca crl --name servers --out servers.crl",
	}
	c.Flags().StringVar(&r.Name, "name", "", "`NAME` of the authority, see: postseal ca show (default servers)")
	c.Flags().StringVar(&out, "out", "", "write it to this `FILE`")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		v, err := call[desk.ListView](cmd.Context(), a, "ca/crl", r)
		if err != nil {
			return err
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: v.DER})
		switch {
		case a.json:
			return a.printJSON(v)
		case out != "":
			if err := durable.WriteFile(out, text, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "postseal: wrote %s\n", out)
			return nil
		}
		_, err = a.out.Write(text)
		return err
	}
	return c
}
