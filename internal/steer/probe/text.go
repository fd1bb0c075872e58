package probe

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible makes a stranger's text safe to print: octets that are no visible text, the sequences that move a terminal's
// cursor among them, become \xNN or \u{N}. It is cut off after most characters.
func Visible(s string, most int) string {
	var b strings.Builder
	n := 0
	for i := 0; i < len(s); {
		if n >= most {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, r < 0x80 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unicode.IsPrint(r): // direction marks, joiners, private characters
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
		i += size
		n++
	}
	return b.String()
}

// quoted puts a stranger's line into a sentence.
func quoted(s string) string { return `"` + Visible(strings.TrimRight(s, "\r\n"), 80) + `"` }
