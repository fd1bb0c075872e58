package main

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/directory"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// issuePerson prints where the certificate of a person has gone, and the password if one was made.
func (a *app) issuePerson(cmd *cobra.Command, r desk.PersonRequest, out outputFlags, password passwordFlags) error {
	if out.out == "" && !a.dryRun {
		return &usageError{errors.New("--email without --csr makes a PFX: --out FILE is missing")}
	}
	if err := r.Check(); err != nil {
		return err
	}
	if err := out.check(a); err != nil {
		return err
	}
	made := ""
	if r.DryRun = a.dryRun; !r.DryRun {
		var err error
		if r.Password, made, err = a.filePassword(password); err != nil {
			return err
		}
	}
	r.Short = password.short
	v, err := call[desk.PersonFile](cmd.Context(), a, "ca/person", r)
	if err != nil {
		return err
	}
	if a.dryRun {
		fmt.Fprintf(a.out, "It would be issued: %s.\n", visible(v.FriendlyName))
		return nil
	}
	return a.writePerson("Issued", v, out, made)
}

// filePassword reads the password of a file, or makes one.
func (a *app) filePassword(given passwordFlags) (password desk.Password, made string, err error) {
	if given.given() {
		secret, err := given.read(a, "Password of the file", true)
		return desk.NewPassword(secret), "", err
	}
	made = rand.Text() // 130 bits
	return desk.NewPassword(keys.NewSecret(made)), made, nil
}

// writePerson writes a file for a person, and prints what was done, and the password if it was made here.
func (a *app) writePerson(done string, v desk.PersonFile, out outputFlags, made string) error {
	if err := out.write(a, v.Data, true); err != nil {
		return err
	}
	if made != "" {
		fmt.Fprintf(a.err, "postseal: password of %s, shown this once: %s\n", out.out, made)
	}
	switch {
	case out.out == "-":
		return nil
	case a.json:
		return a.printJSON(map[string]any{"file": out.out, "serial": v.Serial, "friendlyName": v.FriendlyName, "notAfter": v.NotAfter})
	}
	fmt.Fprintf(a.out, "%s %s, %s, until %s: %s\n", done, v.Serial, visible(v.FriendlyName), localDate(v.NotAfter), out.out)
	return nil
}

func (a *app) caPersonKeyCommand() *cobra.Command {
	var out outputFlags
	var r desk.PersonKeyRequest
	var password passwordFlags
	c := &cobra.Command{
		Use: "person-key ID", Short: "Write the kept key of a person into a PFX once more", Args: oneArg("a serial, or the address of a person"),
		Long: "Write the key with which a person reads secret mail, and its certificate, into a PFX once more. Keys of the profile smime-encrypt that were made here are kept, sealed;\n" +
			"keys that sign are not. ID is the serial of the certificate, also of one that has ended or was revoked, or the person's address, which means the newest.",
		Example: "  postseal ca person-key kim@example.com --out kim.pfx",
	}
	f := c.Flags()
	f.StringVar(&out.out, "out", "", "`FILE` to write; - is standard output")
	f.BoolVar(&out.force, "force", false, "replace an existing file")
	f.StringVar(&r.Format, "pfx", "", "`WHO` reads the PFX, modern or windows2016 (default modern)")
	password.flags(f)
	password.shortFlag(f)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if out.out == "" {
			return &usageError{errors.New("--out FILE is missing")}
		}
		if err := out.check(a); err != nil {
			return err
		}
		if a.dryRun {
			return &usageError{errors.New("--dry-run: it changes nothing but the file and the audit trail")}
		}
		var made string
		var err error
		if r.Password, made, err = a.filePassword(password); err != nil {
			return err
		}
		r.ID, r.Short = args[0], password.short
		v, err := call[desk.PersonFile](cmd.Context(), a, "ca/person-key", r)
		if err != nil {
			return err
		}
		return a.writePerson("Exported", v, out, made)
	}
	return c
}

func (a *app) caPublishCommand() *cobra.Command {
	var ldif outputFlags
	var dir, base string
	c := &cobra.Command{
		Use: "publish", Short: "Write the certificates of people for directories and address books", Args: noArgs,
		Long: "Write the certificates of people, as far as they are good now, so that others can write to them in secret: LDIF for a directory (inetOrgPerson with userCertificate and userSMIMECertificate), or a directory of files (.cer and .vcf for each address). Nothing secret is in them.\n" +
			"What was revoked or has ended since is gone from the next one: replace the whole, do not add to it.",
		Example: "  postseal ca publish --ldif people.ldif --base ou=People,dc=example,dc=com\n  postseal ca publish --dir /var/www/certificates",
	}
	f := c.Flags()
	f.StringVar(&ldif.out, "ldif", "", "`FILE` to write; - is standard output")
	f.BoolVar(&ldif.force, "force", false, "replace an existing file")
	f.StringVar(&base, "base", "", "`DN` that the entries are below (default made of each address's domain)")
	f.StringVar(&dir, "dir", "", "write files into this `DIR`, which must be there")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if ldif.out == "" && dir == "" {
			return &usageError{errors.New("give --ldif FILE or --dir DIR")}
		}
		if err := ldif.check(a); err != nil {
			return err
		}
		found, err := call[[]desk.PersonView](cmd.Context(), a, "ca/people", admin.Nothing{})
		if err != nil {
			return err
		}
		people, err := peopleOf(found)
		if err != nil {
			return err
		}
		if a.dryRun {
			fmt.Fprintf(a.err, "postseal: would write the certificates of %s\n", peopleText(len(people)))
			return nil
		}
		if ldif.out != "" {
			text, err := directory.LDIF(people, base)
			if err != nil {
				return err
			}
			if err := ldif.write(a, []byte(text), false); err != nil {
				return err
			}
		}
		if dir != "" {
			if err := publishFiles(dir, people); err != nil {
				return err
			}
		}
		if a.json && ldif.out != "-" {
			return a.printJSON(map[string]any{"people": len(people)})
		}
		fmt.Fprintf(a.err, "postseal: wrote the certificates of %s\n", peopleText(len(people)))
		return nil
	}
	return c
}

func peopleOf(found []desk.PersonView) (people []directory.Person, err error) {
	parse := func(der []byte) *x509.Certificate {
		if der == nil || err != nil {
			return nil
		}
		var cert *x509.Certificate
		cert, err = x509cert.ParseCertificate(der)
		return cert
	}
	for _, p := range found {
		one := directory.Person{Mail: p.Email, Name: p.Name, Encrypt: parse(p.Encrypt), Sign: parse(p.Sign)}
		for _, der := range p.Chain {
			one.Chain = append(one.Chain, parse(der))
		}
		if err != nil {
			return nil, fmt.Errorf("reading the certificates of %s: %w", p.Email, err)
		}
		people = append(people, one)
	}
	return people, nil
}

// publishFiles writes the files of people who are there now and removes those of whoever is not.
func publishFiles(dir string, people []directory.Person) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	wanted := make(map[string][]byte)
	for _, p := range people {
		name := fileOf(p.Mail)
		wanted[name+".vcf"] = []byte(directory.VCard(p))
		if p.Encrypt != nil {
			wanted[name+".cer"] = p.Encrypt.Raw
		}
		if p.Sign != nil {
			wanted[name+".sign.cer"] = p.Sign.Raw
		}
	}
	for name, data := range wanted {
		if err := durable.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	for _, e := range entries {
		ours := strings.Contains(e.Name(), "@") && (strings.HasSuffix(e.Name(), ".cer") || strings.HasSuffix(e.Name(), ".vcf"))
		if _, ok := wanted[e.Name()]; ok || !ours || !e.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
	}
	return nil
}

// fileOf makes a file name of an address, another one of each: o'neil and o_neil must not find each other's certificate.
// What could leave the directory, or be taken for an option, is written as = and two hex digits.
func fileOf(mail string) string {
	var name strings.Builder
	for i, c := range []byte(mail) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if letter || strings.IndexByte("@_+", c) >= 0 || i > 0 && strings.IndexByte(".-", c) >= 0 {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "=%02x", c)
		}
	}
	return name.String()
}

func peopleText(n int) string {
	if n == 1 {
		return "one person"
	}
	return fmt.Sprintf("%d people", n)
}
