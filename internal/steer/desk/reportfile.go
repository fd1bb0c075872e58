package desk

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteCertificates writes a line for each certificate, as CSV (RFC 4180 section 2): for an auditor, or a spreadsheet.
func WriteCertificates(w io.Writer, all []Certificate) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"lineage", "generation", "state", "name", "subject", "issuer", "serial", "names", "not before", "not after", "key", "status", "reason", "serves", "self-signed", "private key", "exportable", "SHA-256", "server"}}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for _, c := range all {
		rows = append(rows, []string{c.Lineage, strconv.Itoa(c.Generation), c.State, c.Name, c.Subject, c.Issuer, c.Serial, strings.Join(c.Names, " "), at(c.NotBefore), at(c.NotAfter),
			c.KeyType, string(c.Status), c.StatusReason, c.ServicesText, strconv.FormatBool(c.SelfSigned), strconv.FormatBool(c.HasPrivateKey), strconv.FormatBool(c.Exportable), c.SHA256, c.Server})
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = InertCell(cell)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// InertCell keeps a spreadsheet from taking for a formula what somebody wrote into a name.
func InertCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
