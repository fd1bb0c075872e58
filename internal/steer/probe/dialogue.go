package probe

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
)

// A fault ends the look at an endpoint.
type fault struct {
	code Code
	text string
}

// dialogue is what is said in clear, line by line.
type dialogue struct {
	conn     *bounded
	protocol string
	buffer   []byte
	bytes    int
	lines    int
}

// line reads one line without its end. doing says what was waited for.
func (d *dialogue) line(doing string) (string, *fault) {
	if d.lines++; d.lines > maxClearLines {
		return "", &fault{CodeTooMuch, fmt.Sprintf("sends more than %d lines instead of %s", maxClearLines, doing)}
	}
	for {
		if i := bytes.IndexByte(d.buffer, '\n'); i >= 0 {
			line := strings.TrimSuffix(string(d.buffer[:i]), "\r")
			d.buffer = d.buffer[i+1:]
			return line, nil
		}
		if len(d.buffer) >= maxLineBytes || d.bytes >= maxClearBytes {
			return "", &fault{CodeTooMuch, fmt.Sprintf("sends %d bytes without an end instead of %s", d.bytes, doing)}
		}
		chunk := make([]byte, 1024)
		n, err := d.conn.Read(chunk)
		d.buffer = append(d.buffer, chunk[:n]...)
		d.bytes += n
		if n == 0 && err != nil {
			return "", d.broken(err, doing)
		}
	}
}

// broken says in words why no line came.
func (d *dialogue) broken(err error, doing string) *fault {
	switch {
	case isTimeout(err) && len(d.buffer) > 0:
		return &fault{CodeTimedOut, fmt.Sprintf("sends so slowly that %s did not come in time; so far it sent %s", doing, quoted(string(d.buffer)))}
	case isTimeout(err):
		return &fault{CodeTimedOut, fmt.Sprintf("takes the connection, and %s did not come in time", doing)}
	case isClosed(err) && len(d.buffer) > 0:
		return &fault{CodeClosedEarly, fmt.Sprintf("hangs up before %s; it sent %s", doing, quoted(string(d.buffer)))}
	case isClosed(err):
		return &fault{CodeClosedEarly, fmt.Sprintf("hangs up before %s", doing)}
	}
	return &fault{CodeClosedEarly, fmt.Sprintf("the connection broke before %s: %v", doing, plain(err))}
}

// say sends a line, or several in one segment.
func (d *dialogue) say(lines string) *fault {
	if _, err := io.WriteString(d.conn, lines); err != nil {
		return d.broken(err, "it took what was sent")
	}
	return nil
}

// A Clear is what an endpoint says before TLS.
type Clear struct {
	Banner     string   `json:"banner"`     // its greeting, escaped
	StartTLS   bool     `json:"startTLS"`   // it offers to go on in TLS
	PlainLogin bool     `json:"plainLogin"` // it takes a password without TLS
	Mechanisms []string `json:"mechanisms"` // of login that it offers without TLS; never nil
}

// open reads the greeting and asks what is offered.
func (d *dialogue) open() (*Clear, *fault) {
	c := &Clear{Mechanisms: []string{}}
	steps := map[string]func(*Clear) *fault{SMTP: d.openSMTP, IMAP: d.openIMAP, POP3: d.openPOP3, Sieve: d.openSieve}
	f := steps[d.protocol](c)
	c.PlainLogin = c.PlainLogin || takesPassword(c.Mechanisms)
	return c, f
}

// takesPassword says whether one of the mechanisms sends the password itself. CRAM-MD5 and SCRAM do not.
func takesPassword(mechanisms []string) bool {
	for _, m := range mechanisms {
		if m == "PLAIN" || m == "LOGIN" {
			return true
		}
	}
	return false
}

func (d *dialogue) mismatch(line string) *fault {
	other := "something else"
	switch {
	case strings.HasPrefix(line, "220"):
		other = "SMTP, or FTP"
	case strings.HasPrefix(line, "* OK"):
		other = "IMAP"
	case strings.HasPrefix(line, "+OK"):
		other = "POP3"
	case strings.HasPrefix(line, "SSH-"):
		other = "SSH"
	case strings.HasPrefix(line, "HTTP/"):
		other = "HTTP"
	}
	return &fault{CodeOtherProtocol, fmt.Sprintf("speaks %s, not %s: %s", other, strings.ToUpper(d.protocol), quoted(line))}
}

// reply reads one SMTP reply (RFC 5321 section 4.2.1): its lines, and the code.
func (d *dialogue) reply(doing string) (code string, lines []string, f *fault) {
	for {
		line, f := d.line(doing)
		if f != nil {
			return "", nil, f
		}
		if len(line) < 3 || strings.Trim(line[:3], "0123456789") != "" || len(line) > 3 && line[3] != '-' && line[3] != ' ' {
			return "", nil, d.mismatch(line)
		}
		lines = append(lines, line)
		if len(line) == 3 || line[3] == ' ' {
			return line[:3], lines, nil
		}
	}
}

func (d *dialogue) openSMTP(c *Clear) *fault {
	code, lines, f := d.reply("its greeting")
	if f != nil {
		return f
	}
	c.Banner = Visible(lines[0], 200)
	if code != "220" {
		return &fault{CodeRefusesService, "greets with a refusal: " + quoted(lines[len(lines)-1])}
	}
	if f := d.say("EHLO " + d.greetingName() + "\r\n"); f != nil {
		return f
	}
	if code, lines, f = d.reply("its answer to EHLO"); f != nil {
		return f
	}
	if code != "250" {
		return &fault{CodeStartTLSMissing, "refuses EHLO, so there is no STARTTLS: " + quoted(lines[len(lines)-1])}
	}
	for _, line := range lines[1:] {
		words := strings.Fields(strings.ToUpper(line[min(4, len(line)):]))
		switch {
		case len(words) == 0:
		case words[0] == "STARTTLS":
			c.StartTLS = true
		case words[0] == "AUTH":
			c.Mechanisms = append(c.Mechanisms, words[1:]...)
		}
	}
	return nil
}

// greetingName is the address literal that RFC 5321 section 4.1.3 wants of a client without a name.
func (d *dialogue) greetingName() string {
	host, _, err := net.SplitHostPort(d.conn.LocalAddr().String())
	if err != nil {
		return "[127.0.0.1]"
	}
	if strings.Contains(host, ":") {
		host, _, _ = strings.Cut(host, "%")
		return "[IPv6:" + host + "]"
	}
	return "[" + host + "]"
}

// tagged reads lines up to the one that begins with a tag, and gives each to see.
func (d *dialogue) tagged(tag, doing string, see func(line string)) (string, *fault) {
	for {
		line, f := d.line(doing)
		if f != nil {
			return "", f
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			return rest, nil
		}
		see(line)
	}
}

func (d *dialogue) openIMAP(c *Clear) *fault {
	line, f := d.line("its greeting")
	if f != nil {
		return f
	}
	c.Banner = Visible(line, 200)
	switch word, _, _ := strings.Cut(strings.TrimPrefix(line, "* "), " "); {
	case strings.HasPrefix(line, "* ") && strings.EqualFold(word, "BYE"):
		return &fault{CodeRefusesService, "greets with a refusal: " + quoted(line)}
	case !strings.HasPrefix(line, "* ") || !strings.EqualFold(word, "OK") && !strings.EqualFold(word, "PREAUTH"):
		return d.mismatch(line)
	case strings.EqualFold(word, "PREAUTH"): // RFC 9051 section 7.1.4: nobody can start TLS here
		return &fault{CodeStartTLSMissing, "greets strangers as logged in (PREAUTH), which ends the way to TLS"}
	}
	if f := d.say("a1 CAPABILITY\r\n"); f != nil {
		return f
	}
	loginDisabled := false
	answer, f := d.tagged("a1", "its answer to CAPABILITY", func(line string) {
		rest, ok := strings.CutPrefix(strings.ToUpper(line), "* CAPABILITY ")
		if !ok {
			return
		}
		for word := range strings.FieldsSeq(rest) {
			switch mechanism, isAuth := strings.CutPrefix(word, "AUTH="); {
			case isAuth:
				c.Mechanisms = append(c.Mechanisms, mechanism)
			case word == "STARTTLS":
				c.StartTLS = true
			case word == "LOGINDISABLED":
				loginDisabled = true
			}
		}
	})
	if f != nil {
		return f
	}
	if !strings.HasPrefix(strings.ToUpper(answer), "OK") {
		return d.mismatch(answer)
	}
	// RFC 9051 section 6.2.3: LOGIN is there unless it says that it is not.
	c.PlainLogin = !loginDisabled
	return nil
}

func (d *dialogue) openPOP3(c *Clear) *fault {
	line, f := d.line("its greeting")
	if f != nil {
		return f
	}
	c.Banner = Visible(line, 200)
	switch {
	case strings.HasPrefix(line, "-ERR"):
		return &fault{CodeRefusesService, "greets with a refusal: " + quoted(line)}
	case !strings.HasPrefix(line, "+OK"):
		return d.mismatch(line)
	}
	if f := d.say("CAPA\r\n"); f != nil {
		return f
	}
	if line, f = d.line("its answer to CAPA"); f != nil {
		return f
	}
	if !strings.HasPrefix(line, "+OK") { // RFC 2449 is not spoken: a name without a password shows whether USER is
		if f := d.say("USER postseal-check\r\n"); f != nil {
			return f
		}
		if line, f = d.line("its answer to USER"); f != nil {
			return f
		}
		c.PlainLogin = strings.HasPrefix(line, "+OK")
		c.StartTLS = true // RFC 2595 section 4 lets a server have STLS without CAPA: try it
		return nil
	}
	for {
		if line, f = d.line("the end of its answer to CAPA"); f != nil {
			return f
		}
		words := strings.Fields(strings.ToUpper(line))
		switch {
		case line == ".":
			return nil
		case len(words) == 0:
		case words[0] == "STLS":
			c.StartTLS = true
		case words[0] == "USER":
			c.PlainLogin = true
		case words[0] == "SASL":
			c.Mechanisms = append(c.Mechanisms, words[1:]...)
		}
	}
}

func (d *dialogue) openSieve(c *Clear) *fault {
	// RFC 5804 section 1.7: the greeting is the list of capabilities, and ends with OK.
	for {
		line, f := d.line("the end of its greeting")
		if f != nil {
			return f
		}
		if c.Banner == "" {
			c.Banner = Visible(line, 200)
		}
		upper := strings.ToUpper(line)
		switch {
		case upper == "OK" || strings.HasPrefix(upper, "OK "):
			return nil
		case strings.HasPrefix(upper, "BYE"), strings.HasPrefix(upper, "NO"):
			return &fault{CodeRefusesService, "greets with a refusal: " + quoted(line)}
		case !strings.HasPrefix(line, `"`):
			return d.mismatch(line)
		case strings.HasPrefix(upper, `"STARTTLS"`):
			c.StartTLS = true
		case strings.HasPrefix(upper, `"SASL"`):
			c.Mechanisms = append(c.Mechanisms, strings.Fields(strings.Trim(strings.TrimPrefix(upper, `"SASL"`), ` "`))...)
		}
	}
}

// upgrade asks for TLS, with injected in the same segment, and reads the answer.
func (d *dialogue) upgrade(injected string) *fault {
	ask := map[string]string{SMTP: "STARTTLS\r\n", IMAP: "a2 STARTTLS\r\n", POP3: "STLS\r\n", Sieve: "STARTTLS\r\n"}[d.protocol]
	if f := d.say(ask + injected); f != nil {
		return f
	}
	const doing = "its answer to STARTTLS"
	var answer string
	var f *fault
	if d.protocol == IMAP {
		answer, f = d.tagged("a2", doing, func(string) {})
	} else {
		answer, f = d.line(doing)
	}
	if f != nil {
		return f
	}
	good := map[string]string{SMTP: "220", IMAP: "OK", POP3: "+OK", Sieve: "OK"}[d.protocol]
	if !strings.HasPrefix(strings.ToUpper(answer), good) {
		// A referral (RFC 5804 section 1.3, RFC 2221) is not followed: anybody in between could give one.
		return &fault{CodeStartTLSRefused, "answers STARTTLS with " + quoted(answer) + " instead of beginning TLS"}
	}
	if len(d.buffer) > 0 && injected == "" {
		// RFC 3207 section 6: nothing that came in clear may be taken for what comes in TLS.
		return &fault{CodeStartTLSExtra, "sends clear text behind its answer to STARTTLS: " + quoted(string(d.buffer))}
	}
	return nil
}
