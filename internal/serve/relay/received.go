package relay

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"time"
)

// foldColumn is where header lines are folded (RFC 5322 section 2.1.1: 78 characters without the CRLF).
const foldColumn = 78

// trace is what the Received: field says about one message.
type trace struct {
	helo string // as the client said it, of any content
	peer netip.Addr
	host string // our own name
	with string // RFC 3848 and RFC 6531 section 4.3 word; see transmission
	tls  string // version, cipher and key exchange; empty without TLS
	id   string // session id
	rcpt string // the only recipient with its brackets; empty when there are several: they must not see each other
	at   time.Time
}

// received is the trace field for the top of the message (RFC 5321 section 4.4), with its last CRLF.
func (t trace) received() []byte {
	peer := "unknown"
	if t.peer.IsValid() {
		peer = addressLiteral(t.peer.Unmap())
	}
	words := []string{"from " + cleanHelo(t.helo) + " (" + peer + ")", "by " + t.host + " (Postseal)", "with " + t.with}
	if t.tls != "" {
		words = append(words, "("+t.tls+")")
	}
	words = append(words, "id "+t.id)
	if t.rcpt != "" {
		words = append(words, "for "+t.rcpt)
	}
	words[len(words)-1] += ";"
	words = append(words, t.at.Format("Mon, 2 Jan 2006 15:04:05 -0700"))

	b := []byte("Received:")
	column := len(b)
	for _, clause := range words {
		// A clause stays together if it can; one that is too long for a line is broken between its words.
		parts := []string{clause}
		if len(clause) > foldColumn-len("\t") {
			parts = strings.Split(clause, " ")
		}
		for _, part := range parts {
			if column+1+len(part) > foldColumn {
				b = append(b, "\r\n\t"...)
				column = 1
			} else {
				b = append(b, ' ')
				column++
			}
			b = append(b, part...)
			column += len(part)
		}
	}
	return append(b, '\r', '\n')
}

// cleanHelo leaves a host name or an address literal as it is and puts question marks where anything else was said:
// neither a header comment nor a line end gets in through a greeting.
func cleanHelo(name string) string {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		if literal, ok := parseLiteral(strings.TrimSuffix(inner, "]")); ok {
			return literal
		}
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '?'
	}, name)
	return name[:min(len(name), maxDomainOctets)]
}

// transmission is the word after "with". RFC 3848 has no S and no A without EHLO; RFC 6531 section 4.3 has the
// UTF8SMTP words for transactions with the SMTPUTF8 parameter.
type transmission struct{ esmtp, utf8, tls, auth bool }

func (t transmission) String() string {
	if !t.esmtp {
		return "SMTP"
	}
	word := "ESMTP"
	if t.utf8 {
		word = "UTF8SMTP"
	}
	if t.tls {
		word += "S"
	}
	if t.auth {
		word += "A"
	}
	return word
}

// describeTLS names what protects the client's side, for people who read headers.
func describeTLS(s tls.ConnectionState) string {
	text := tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
	if s.CurveID != 0 {
		text += ", " + s.CurveID.String()
	}
	return text
}
