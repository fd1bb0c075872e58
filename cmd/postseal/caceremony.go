package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/ground/durable"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
	"postseal/internal/steer/desk"
)

func (a *app) caCeremonyCommand() *cobra.Command {
	var c ceremonyRun
	cmd := &cobra.Command{
		Use: "ceremony REQUEST", Short: "Let the root sign on this machine, without a server", Args: oneArg("the file of postseal ca request"),
		Long: "Let the root sign on this machine, which needs no network and no organisation. The root's file (--root) is opened; if REQUEST, which was written by the server, is for\n" +
			"a new root, it is made there first. What would be signed is shown, and asked about. Then the authorities are certified, the root's revocation list is signed for two years,\n" +
			"and the answer (--out) goes back to the server. What was done is written on a page to be printed and signed (--protocol).\n" +
			"Before each signature a line with the octets to be signed is written beside the root's file, in FILE.journal. Before: postseal ca request; after: postseal ca import",
		Example: "  postseal ca ceremony request.json --root /media/root/root.pfx --out answer.json --protocol protocol.txt",
	}
	f := cmd.Flags()
	f.StringVar(&c.root, "root", "", "the root's `FILE`, a PFX under a password; made if the request is for a new root")
	f.StringVar(&c.protocol, "protocol", "", "write the protocol to this `FILE`")
	f.IntVar(&c.days, "list-days", 0, "how many `DAYS` the root's revocation list holds, 30 to 3650 (default 730)")
	c.out.flags(f)
	c.password.flags(f)
	c.password.shortFlag(f)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if c.root == "" || c.out.out == "" {
			return &usageError{errors.New("--root and --out are missing; - is standard output")}
		}
		if c.days != 0 && (c.days < 30 || c.days > 3650) {
			return &usageError{errors.New("--list-days: want 30 to 3650")}
		}
		if err := c.apart(args[0]); err != nil {
			return err
		}
		if err := c.out.check(a); err != nil {
			return err
		}
		page := outputFlags{out: c.protocol, force: c.out.force}
		if err := page.check(a); err != nil {
			return err
		}
		return a.ceremony(args[0], &c)
	}
	return cmd
}

// ceremonyRun is what a ceremony was told.
type ceremonyRun struct {
	root, protocol string
	days           int
	out            outputFlags
	password       passwordFlags
}

// apart refuses one file for two things: with --force the answer would be written over the root that has just signed it.
func (c *ceremonyRun) apart(request string) error {
	files := []struct{ what, path string }{{"the request", request}, {"--root", c.root}, {"the root's journal", c.root + ".journal"}, {"--out", c.out.out}, {"--protocol", c.protocol}}
	for n, one := range files {
		for _, other := range files[:n] {
			if one.path != "" && one.path != "-" && sameFile(one.path, other.path) {
				return &usageError{fmt.Errorf("%s and %s are one file: %s", other.what, one.what, one.path)}
			}
		}
	}
	return nil
}

// sameFile says whether two names mean one file, there or not.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, other := os.Stat(b)
	if err == nil && other == nil {
		return os.SameFile(x, y)
	}
	first, err := filepath.Abs(a)
	second, other := filepath.Abs(b)
	return err == nil && other == nil && first == second
}

// ceremony reads everything, shows what would be signed, and signs.
func (a *app) ceremony(name string, c *ceremonyRun) error {
	file, err := a.readImport(name)
	if err != nil {
		return err
	}
	q, err := ceremony.ParseRequest(file.Data)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file.Name, err)
	}
	root, err := a.openRoot(q, c)
	if err != nil {
		return err
	}
	plan := ceremony.Plan(q, root)
	if a.dryRun {
		if a.json {
			return a.printJSON(map[string]any{"plan": plan})
		}
		a.printSteps(plan)
		return nil
	}
	a.printSteps(plan)
	if !a.yes {
		if err := a.ask(&desk.Change{}); err != nil {
			return err
		}
	}
	journal := journal(c.root + ".journal")
	if root == nil {
		if root, err = a.makeRoot(q, c, journal); err != nil {
			return err
		}
	}
	answer, err := ceremony.Sign(q, file.Data, root, ceremony.Options{ListLife: time.Duration(c.days) * 24 * time.Hour, Plan: journal.plan})
	if err != nil {
		return err
	}
	data, err := answer.Marshal()
	if err != nil {
		return err
	}
	page, err := ceremony.Protocol(q, answer)
	if err != nil {
		return err
	}
	if c.protocol != "" {
		out := outputFlags{out: c.protocol, force: c.out.force}
		if err := out.write(a, []byte(page), false); err != nil {
			return err
		}
	}
	if err := c.out.write(a, data, false); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"plan": plan, "answer": c.out.out, "protocol": page})
	}
	if c.protocol == "" {
		fmt.Fprint(a.err, page)
	}
	sum := sha256.Sum256(answer.Root)
	fmt.Fprintf(a.err, "postseal: take %s back to the server: postseal ca import FILE --root %x; keep %s in two safe places\n", c.out.out, sum, c.root)
	return nil
}

func (a *app) printSteps(plan []string) {
	fmt.Fprintln(a.err, "postseal: this would")
	for n, line := range plan {
		fmt.Fprintf(a.err, "  %d. %s\n", n+1, line)
	}
}

// openRoot opens the root's file; nil if the request is for a new one and there is none.
func (a *app) openRoot(q *ceremony.Request, c *ceremonyRun) (*ceremony.Root, error) {
	_, err := os.Lstat(c.root)
	if errors.Is(err, fs.ErrNotExist) && len(q.Root) == 0 {
		return nil, nil
	}
	file, err := a.readImport(c.root)
	if err != nil {
		return nil, err
	}
	password, err := c.password.read(a, "Password of "+c.root, false)
	if err != nil {
		return nil, err
	}
	return ceremony.OpenRoot(c.root, file.Data, password)
}

// makeRoot makes the root and writes its file before it signs anything for others: a root that signed and is lost would be
// trusted by everybody and known to nobody.
func (a *app) makeRoot(q *ceremony.Request, c *ceremonyRun, journal journal) (*ceremony.Root, error) {
	password, err := c.password.read(a, "Password for "+c.root, true)
	if err != nil {
		return nil, err
	}
	if err := desk.CheckFilePassword(desk.NewPassword(password), c.password.short); err != nil {
		return nil, err
	}
	root, err := ceremony.MakeRoot(q, journal.plan)
	if err != nil {
		return nil, err
	}
	data, err := root.Seal(password)
	if err != nil {
		return nil, err
	}
	if err := durable.Create(c.root, data, 0o600); err != nil {
		return nil, fmt.Errorf("writing the root: %w", err)
	}
	return root, nil
}

// journal is the file in which is written down what the root is about to sign: a machine without a server has no book.
type journal string

func (j journal) plan(p ca.Planned) error {
	line, err := json.Marshal(map[string]any{"at": time.Now().UTC().Format(time.RFC3339), "serial": p.Serial, "purpose": p.Purpose, "issuer": p.Issuer, "tbs": p.TBS})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(string(j), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
