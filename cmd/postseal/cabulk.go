package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/csv"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/durable"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

const (
	maxBulkRows  = 100_000
	maxBulkBytes = 64 << 20
)

func (a *app) caBulkCommand() *cobra.Command {
	b := &bulk{app: a}
	c := &cobra.Command{
		Use: "bulk FILE", Short: "Issue one certificate for each line of a table", Args: oneArg("a table in CSV"),
		Long: "Issue one certificate for each line of a table in CSV. Its first line names the columns: names (hosts, addresses and e-mail addresses, with spaces between),\n" +
			"and if wanted profile, cn, key (a kind) and csr (a file; without it the key is made here and written beside the certificate).\n" +
			"Files are written to the folder of --out as LINE.pem and LINE.key, and results.csv says what became of each line. A run that was cut off goes on where it was:\n" +
			"run the same command again. Lines that failed are tried again, and those for which a second person has decided are finished. A line that was issued for must stay as it is.",
		Example: "  postseal ca bulk printers.csv --profile device --out printers",
	}
	f := c.Flags()
	f.StringVar(&b.profile, "profile", "", "`NAME` of the profile of lines that name none (default server)")
	f.StringVar(&b.folder, "out", "", "the `FOLDER` for certificates, keys and results.csv; it is made")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if b.folder == "" {
			return &usageError{errors.New("--out is missing")}
		}
		return b.run(cmd.Context(), args[0])
	}
	return c
}

// bulk is one run over a table.
type bulk struct {
	app     *app
	profile string
	folder  string

	client  *admin.Client
	base    string // folder of the table; paths in it are relative to it
	earlier earlierRuns
	decided map[string]desk.ApprovalView // requests that wait, or did, by id; of earlier runs alone
	results *os.File
}

// bulkLine is a line of the table.
type bulkLine struct {
	number                 int // as an editor counts them; the first is the header
	profile, cn, kind, csr string
	names                  []string
}

func (l bulkLine) key() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{l.profile, l.cn, l.kind, l.csr}, l.names...), "\x00")))
	return l.place() + " " + hex.EncodeToString(sum[:8])
}

// place is the number of the line as it begins names of files and lines of results.csv.
func (l bulkLine) place() string { return strconv.Itoa(l.number) }

// bulkOutcome is what is printed for programs at the end.
type bulkOutcome struct {
	Issued  int `json:"issued"`
	Waiting int `json:"waiting"`
	Failed  int `json:"failed"`
	Before  int `json:"before"` // issued by earlier runs
}

func (b *bulk) run(ctx context.Context, name string) error {
	lines, err := b.read(name)
	if err != nil {
		return err
	}
	if b.app.dryRun {
		fmt.Fprintf(b.app.out, "%d certificates would be asked for.\n", len(lines))
		return nil
	}
	client, disconnect, err := b.app.connect(ctx)
	if err != nil {
		return err
	}
	defer disconnect()
	b.client = client
	var there desk.AuthoritiesView
	if err := client.Call(ctx, "ca/show", admin.Nothing{}, &there); err != nil {
		return err // no line could be issued
	}
	if err := b.begin(ctx, lines); err != nil {
		return err
	}
	defer b.results.Close() // each line of it was synced
	var out bulkOutcome
	for n, l := range lines {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		before, waiting := b.earlier.became[l.key()], ""
		if before.status == bulkIssued {
			out.Before++
			continue
		}
		if before.status == bulkWaiting {
			waiting = before.serial
		}
		v, err := b.line(ctx, l, waiting)
		switch {
		case err == nil && v.Waiting != "" && v.Waiting == waiting:
			out.Waiting++ // that is written down
		case err != nil:
			out.Failed++
			err = b.note(l, bulkFailed, "", oneLine(err.Error()))
		case v.Waiting != "":
			out.Waiting++
			err = b.note(l, bulkWaiting, v.Waiting, "")
		default:
			out.Issued++
			err = b.note(l, bulkIssued, v.Serial, "")
		}
		if err != nil {
			return fmt.Errorf("writing down what became of line %d: %w", l.number, err)
		}
		const often = 100
		if (n+1)%often == 0 {
			fmt.Fprintf(b.app.err, "postseal: %d of %d lines\n", n+1, len(lines))
		}
	}
	if b.app.json {
		if err := b.app.printJSON(out); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(b.app.out, "Issued %d, waiting for a second person %d, failed %d, issued before %d: %s\n", out.Issued, out.Waiting, out.Failed, out.Before, b.resultsPath())
	}
	if out.Failed > 0 {
		return fmt.Errorf("issuing for %d of %d lines: see the column error of %s: %w", out.Failed, len(lines), b.resultsPath(), errBulk)
	}
	return nil
}

// errBulk says that some lines failed; the others are done.
var errBulk = errors.New("they were refused")

func (b *bulk) resultsPath() string { return filepath.Join(b.folder, "results.csv") }

// read reads the whole table before anything is asked: a mistake in its last line is found first, and one that is too long
// is refused, not cut off: half a line could be a good one with another name.
func (b *bulk) read(name string) ([]bulkLine, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the table: %w", err)
	}
	defer f.Close()
	b.base = filepath.Dir(name)
	limited := &io.LimitedReader{R: f, N: maxBulkBytes + 1}
	lines, err := b.readLines(name, csv.NewReader(limited))
	if limited.N <= 0 {
		return nil, &usageError{fmt.Errorf("reading the table %s: more than %d bytes; make several of it", name, maxBulkBytes)}
	}
	return lines, err
}

func (b *bulk) readLines(name string, r *csv.Reader) ([]bulkLine, error) {
	r.TrimLeadingSpace = true
	header, err := r.Read()
	if err != nil {
		return nil, &usageError{fmt.Errorf("reading the table %s: %w", name, err)}
	}
	known := []string{"names", "profile", "cn", "key", "csr"}
	for i, h := range header {
		header[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff"))) // spreadsheets write a mark before it
		if !slices.Contains(known, header[i]) {
			if strings.ContainsAny(h, ";\t") { // as spreadsheets of some countries write it
				return nil, &usageError{fmt.Errorf("reading the table %s: columns are separated by commas, and %q has none: save it as CSV with commas", name, header[i])}
			}
			return nil, &usageError{fmt.Errorf("reading the table %s: column %q: there are %s", name, header[i], strings.Join(known, ", "))}
		}
		if slices.Contains(header[:i], header[i]) {
			return nil, &usageError{fmt.Errorf("reading the table %s: column %q is there twice", name, header[i])}
		}
	}
	var lines []bulkLine
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, &usageError{fmt.Errorf("reading the table %s: %w", name, err)}
		}
		l := bulkLine{profile: b.profile, kind: string(keys.ECDSAP256)}
		l.number, _ = r.FieldPos(0)
		for i, field := range row {
			switch field = strings.TrimSpace(field); {
			case field == "":
			case header[i] == "names":
				l.names = strings.Fields(field)
			case header[i] == "profile":
				l.profile = field
			case header[i] == "cn":
				l.cn = field
			case header[i] == "key":
				l.kind = field
			default:
				l.csr = field
			}
		}
		if len(l.names) == 0 && l.csr == "" {
			return nil, &usageError{fmt.Errorf("reading the table %s: line %d has no names and no request", name, l.number)}
		}
		if _, err := keys.ParseKind(l.kind); err != nil {
			return nil, &usageError{fmt.Errorf("reading the table %s: line %d: %w", name, l.number, err)}
		}
		if lines = append(lines, l); len(lines) > maxBulkRows {
			return nil, &usageError{fmt.Errorf("reading the table %s: more than %d lines", name, maxBulkRows)}
		}
	}
	if len(lines) == 0 {
		return nil, &usageError{fmt.Errorf("reading the table %s: it has no line", name)}
	}
	return lines, nil
}

// line issues for one line: the key is on disk before anything is asked, and what an earlier run asked for with it is found
// in the book, or among the requests for a second person if it is waiting for one.
func (b *bulk) line(ctx context.Context, l bulkLine, waiting string) (*desk.Certified, error) {
	v, err := b.asked(ctx, l, waiting)
	if err != nil || v.Waiting != "" {
		return v, err
	}
	return v, durable.WriteFile(b.path(l, "pem"), []byte(v.PEM), 0o644)
}

func (b *bulk) asked(ctx context.Context, l bulkLine, waiting string) (*desk.Certified, error) {
	if waiting != "" {
		return b.decision(ctx, waiting)
	}
	r := desk.CertifyRequest{Profile: l.profile}
	for _, n := range l.names {
		if strings.Contains(n, "@") {
			r.Emails = append(r.Emails, n)
		} else {
			r.Domains = append(r.Domains, n)
		}
	}
	var asked bool
	var err error
	if r.CSR, asked, err = b.csr(l); err != nil {
		return nil, err
	}
	v := new(desk.Certified)
	if asked {
		if v, err = b.found(ctx, l, r.CSR); err != nil || v.Serial != "" {
			return v, err
		}
	}
	return v, b.client.Call(ctx, "ca/certify", r, v)
}

func (b *bulk) path(l bulkLine, ending string) string {
	return filepath.Join(b.folder, fmt.Sprintf("%d.%s", l.number, ending))
}

// csr is the request of a line; asked says that an earlier run may have sent it: its key lies in the folder, whatever became
// of the results.
func (b *bulk) csr(l bulkLine) (file desk.ImportFile, asked bool, err error) {
	if l.csr != "" {
		path := l.csr
		if !filepath.IsAbs(path) {
			path = filepath.Join(b.base, path)
		}
		file, err := b.app.readImport(path)
		return file, b.earlier.begun, err
	}
	path := b.path(l, "key")
	text, err := os.ReadFile(path)
	asked = err == nil
	var key *keys.Private
	if asked {
		key, err = keyInFile(path, text)
	} else if errors.Is(err, fs.ErrNotExist) {
		if key, err = keys.Generate(keys.Kind(l.kind)); err == nil {
			err = durable.Create(path, key.PEM().Bytes(), 0o600)
		}
	}
	if err != nil {
		return file, asked, err
	}
	cn := l.cn
	if cn == "" && len(l.names[0]) <= 64 { // ub-common-name, RFC 5280 appendix A.1
		cn = l.names[0]
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}}, key)
	return desk.ImportFile{Name: path, Data: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})}, asked, err
}

func keyInFile(path string, text []byte) (*keys.Private, error) {
	read, err := certfile.Read(path, text, certfile.ReadOptions{})
	if err != nil {
		return nil, err
	}
	if len(read.Keys) != 1 {
		return nil, fmt.Errorf("reading %s: want one key, it has %d", path, len(read.Keys))
	}
	return read.Keys[0].Private, nil
}

// found looks in the book for what was issued for a request that an earlier run has sent, and whose answer it did not live
// to write down. What the key was certified for before its line was changed is another certificate.
func (b *bulk) found(ctx context.Context, l bulkLine, file desk.ImportFile) (*desk.Certified, error) {
	read, err := certfile.Read(file.Name, file.Data, certfile.ReadOptions{})
	if err != nil || len(read.Requests) != 1 {
		return new(desk.Certified), nil // whoever is asked says what is wrong with it
	}
	sum := sha256.Sum256(read.Requests[0].RawSubjectPublicKeyInfo)
	var page desk.IssuedPage
	if err := b.client.Call(ctx, "ca/list", desk.IssuedQuery{Key: hex.EncodeToString(sum[:]), Profile: cmp.Or(l.profile, "server"), Status: "issued"}, &page); err != nil {
		return nil, err
	}
	v := new(desk.Certified)
	for _, i := range page.Lines {
		if len(l.names) == 0 || len(x509cert.Missing(i.Names, l.names))+len(x509cert.Missing(l.names, i.Names)) == 0 {
			return v, b.client.Call(ctx, "ca/certificate", admin.Named{ID: i.Serial}, v)
		}
	}
	return v, nil
}
