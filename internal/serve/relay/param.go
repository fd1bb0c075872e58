package relay

import (
	"strconv"
	"strings"
)

const (
	maxEnvidOctets = 100 // RFC 3461 section 4.4
	maxOrcptOctets = 500 // RFC 3461 section 4.2
)

// mailParams are the parameters of MAIL that we know. The zero value is a MAIL without any.
type mailParams struct {
	size    int64  // SIZE= in octets, RFC 1870; zero: not said
	body    string // 7BIT or 8BITMIME, RFC 6152; empty: not said
	utf8    bool   // SMTPUTF8, RFC 6531
	auth    bool   // AUTH= was there, whatever it said; see arguments
	ret     string // FULL or HDRS, RFC 3461
	envelop string // ENVID= as xtext, RFC 3461
}

// rcptParams are the parameters of RCPT that we know, RFC 3461. The zero value is a RCPT without any.
type rcptParams struct {
	notify string
	orcpt  string
}

// param is one keyword with its value; hasValue tells KEY from KEY=.
type param struct {
	key, value string
	hasValue   bool
}

var (
	errParamSyntax  = &refusal{501, "5.5.4", "parameter syntax"}
	errParamUnknown = &refusal{555, "5.5.4", "parameter not recognised or not implemented"}
)

// parseParams splits what follows a path (RFC 5321 section 4.1.2: Mail-parameters). A keyword given twice is
// refused: which of the two counts is a thing that two servers may see differently.
func parseParams(s string) ([]param, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != ' ' && s[0] != '\t' {
		return nil, errParamSyntax
	}
	var out []param
	for _, word := range strings.Fields(s) {
		key, value, hasValue := strings.Cut(word, "=")
		p := param{strings.ToUpper(key), value, hasValue}
		if !isKeyword(p.key) || hasValue && !isParamValue(value) {
			return nil, errParamSyntax
		}
		for _, earlier := range out {
			if earlier.key == p.key {
				return nil, errParamSyntax
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// isKeyword is esmtp-keyword of RFC 5321 section 4.1.2, already in upper case.
func isKeyword(s string) bool {
	for i, c := range []byte(s) {
		if !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' && i > 0) {
			return false
		}
	}
	return s != ""
}

// isParamValue is esmtp-value of RFC 5321 section 4.1.2: printable ASCII without space and "=". Angle brackets are
// inside, so AUTH=<> passes.
func isParamValue(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return s != ""
}

// parseMailParams knows a parameter only when its extension was offered to this client: RFC 5321 section 4.1.1.11
// has 555 for the others.
func parseMailParams(s string, o offers) (mailParams, error) {
	list, err := parseParams(s)
	if err != nil {
		return mailParams{}, err
	}
	var m mailParams
	for _, p := range list {
		v := strings.ToUpper(p.value)
		ok := p.hasValue
		switch {
		case p.key == "SIZE" && o.size:
			// RFC 1870 section 3: up to twenty digits. More than an int64 holds is more than any limit, too.
			m.size, err = strconv.ParseInt(p.value, 10, 64)
			if n := len(p.value); err != nil && n > 0 && n <= 20 && strings.Trim(p.value, "0123456789") == "" {
				return mailParams{}, errTooBig
			}
			ok = ok && err == nil && p.value[0] != '-' && p.value[0] != '+'
		case p.key == "BODY" && o.eightBitMIME:
			if v == "BINARYMIME" { // RFC 3030 section 3: not offered
				return mailParams{}, errParamUnknown
			}
			m.body, ok = v, v == "7BIT" || v == "8BITMIME"
		case p.key == "SMTPUTF8" && o.smtpUTF8:
			m.utf8, ok = true, !p.hasValue
		case p.key == "AUTH" && o.auth:
			m.auth, ok = true, ok && isXtextOrNull(p.value)
		case p.key == "RET" && o.dsn:
			m.ret, ok = v, v == "FULL" || v == "HDRS"
		case p.key == "ENVID" && o.dsn:
			m.envelop, ok = p.value, ok && isXtext(p.value) && len(p.value) <= maxEnvidOctets
		default:
			return mailParams{}, errParamUnknown
		}
		if !ok {
			return mailParams{}, errParamSyntax
		}
	}
	return m, nil
}

// arguments is what follows the path in the MAIL that we send. SIZE grows by what we add to the message ourselves,
// so that the back end checks what it will really get. AUTH= names the original submitter on a client's word alone,
// and RFC 4954 section 5 has us say AUTH=<> then.
func (m mailParams) arguments() string {
	var b strings.Builder
	if m.size > 0 {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.size+headroomOctets, 10))
	}
	if m.body != "" {
		b.WriteString(" BODY=" + m.body)
	}
	if m.utf8 {
		b.WriteString(" SMTPUTF8")
	}
	if m.auth {
		b.WriteString(" AUTH=<>")
	}
	if m.ret != "" {
		b.WriteString(" RET=" + m.ret)
	}
	if m.envelop != "" {
		b.WriteString(" ENVID=" + m.envelop)
	}
	return b.String()
}

func parseRcptParams(s string, o offers) (rcptParams, error) {
	list, err := parseParams(s)
	if err != nil {
		return rcptParams{}, err
	}
	var r rcptParams
	for _, p := range list {
		var ok bool
		switch {
		case p.key == "NOTIFY" && o.dsn:
			r.notify = strings.ToUpper(p.value)
			ok = isNotify(r.notify)
		case p.key == "ORCPT" && o.dsn:
			r.orcpt, ok = p.value, isOrcpt(p.value)
		default:
			return rcptParams{}, errParamUnknown
		}
		if !ok {
			return rcptParams{}, errParamSyntax
		}
	}
	return r, nil
}

// arguments is what follows the path in the RCPT that we send.
func (r rcptParams) arguments() string {
	var b strings.Builder
	if r.notify != "" {
		b.WriteString(" NOTIFY=" + r.notify)
	}
	if r.orcpt != "" {
		b.WriteString(" ORCPT=" + r.orcpt)
	}
	return b.String()
}

// isNotify is NEVER alone or a list of the others (RFC 3461 section 4.1).
func isNotify(s string) bool {
	if s == "NEVER" {
		return true
	}
	seen := ""
	for word := range strings.SplitSeq(s, ",") {
		if word != "SUCCESS" && word != "FAILURE" && word != "DELAY" || strings.Contains(seen, word) {
			return false
		}
		seen += word
	}
	return true
}

// isOrcpt is addr-type ";" xtext (RFC 3461 section 4.2).
func isOrcpt(s string) bool {
	kind, address, ok := strings.Cut(s, ";")
	return ok && isKeyword(strings.ToUpper(kind)) && isXtext(address) && address != "" && len(s) <= maxOrcptOctets
}

func isXtextOrNull(s string) bool { return s == "<>" || isXtext(s) && s != "" }

// isXtext is RFC 3461 section 4: printable ASCII, where "+" begins two upper-case hexadecimal digits and "=" is
// written that way.
func isXtext(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c > '~' || c == '=':
			return false
		case c == '+':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
			i += 2
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }
