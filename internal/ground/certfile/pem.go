package certfile

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// readPEM reads all blocks of a text. encoding/pem passes over a block that is damaged; then half a chain would look
// like a whole one, so the blocks are found here and a damaged one is an error.
func (r *reader) readPEM(text []byte, at Origin) error {
	line := 1
	for {
		begin, end := bytes.Index(text, pemBegin), bytes.Index(text, pemEnd)
		if end >= 0 && (begin < 0 || end < begin) {
			at.Line = line + countLines(text[:end])
			return formatErrorf(at, "an END without a BEGIN before it")
		}
		if begin < 0 {
			return nil
		}
		line += countLines(text[:begin])
		at.Line = line
		if err := r.count(at); err != nil {
			return err
		}
		label, body, rest, reason := pemBlock(text[begin:])
		if reason != "" {
			return formatErrorf(at, "%s", reason)
		}
		if err := r.readBlock(label, body, at); err != nil {
			return err
		}
		line += countLines(text[begin : len(text)-len(rest)])
		text = rest
	}
}

// countLines counts the ends of lines: LF, or CR where the text has no LF, as on the first Macs.
func countLines(text []byte) int {
	if n := bytes.Count(text, []byte("\n")); n > 0 {
		return n
	}
	return bytes.Count(text, []byte("\r"))
}

// pemBlock takes apart the block at the beginning of text. Line ends may be missing altogether: web forms lose them.
func pemBlock(text []byte) (label string, body, rest []byte, reason string) {
	const maxLabelBytes = 64
	after := text[len(pemBegin):]
	tail := bytes.Index(after[:min(len(after), maxLabelBytes+len(pemTail))], pemTail)
	if tail < 0 || bytes.ContainsAny(after[:tail], "\r\n") {
		return "", nil, nil, "a BEGIN line without its end"
	}
	label, after = string(after[:tail]), after[tail+len(pemTail):]
	for _, c := range label {
		if c < ' ' || c > '~' {
			return "", nil, nil, "a BEGIN line with a character that is not ASCII"
		}
	}
	end := bytes.Index(after, pemEnd)
	if next := bytes.Index(after, pemBegin); end < 0 || next >= 0 && next < end {
		return "", nil, nil, "the block " + label + " has no END"
	}
	body, rest = after[:end], after[end+len(pemEnd):]
	if !bytes.HasPrefix(rest, append([]byte(label), pemTail...)) {
		return "", nil, nil, "the block " + label + " has the END of another"
	}
	return label, body, rest[len(label)+len(pemTail):], ""
}

// readBlock reads one block. The label says whether it concerns us; what it is, its content says, because certificate
// servers have written PKCS #7 as CERTIFICATE and PKCS #8 as RSA PRIVATE KEY.
func (r *reader) readBlock(label string, body []byte, at Origin) error {
	switch label {
	case "CERTIFICATE", "X509 CERTIFICATE", "X.509 CERTIFICATE", "TRUSTED CERTIFICATE",
		"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "X509 CRL", "PKCS7", "PKCS #7 SIGNED DATA", "CMS", "PKCS12",
		"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ECDSA PRIVATE KEY", "ED25519 PRIVATE KEY":
	case "DSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "SSH2 ENCRYPTED PRIVATE KEY":
		return &UnsupportedError{At: at, What: "a block " + label}
	default: // such as DH PARAMETERS, EC PARAMETERS and PUBLIC KEY, which lie beside the others
		if r.isNew("label", []byte(label)) && len(r.passed) < 5 {
			r.passed = append(r.passed, "a block "+label)
		}
		return nil
	}
	headers, encoded := pemHeaders(body)
	der, err := decodeBase64(encoded)
	if err != nil {
		return formatErrorf(at, "the block %s is not base64: %v", label, err)
	}
	if len(der) == 0 {
		return formatErrorf(at, "the block %s is empty", label)
	}
	if strings.Contains(headers["Proc-Type"], "ENCRYPTED") {
		return r.readLegacyPEM(&pem.Block{Type: label, Headers: headers, Bytes: der}, at)
	}
	if label == "TRUSTED CERTIFICATE" {
		return r.readTrusted(der, at)
	}
	return r.readDER(der, at)
}

// pemHeaders splits off the headers of RFC 1421 section 4.6, which end with an empty line. A line that begins with a
// blank goes on with the one before it.
func pemHeaders(body []byte) (headers map[string]string, encoded []byte) {
	if !bytes.Contains(body, []byte(":")) { // which is not in the alphabet of base64
		return nil, body
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(body), "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(text, "\n")
	headers = map[string]string{}
	last := ""
	for i, line := range lines {
		name, value, found := strings.Cut(line, ":")
		switch {
		case strings.TrimSpace(line) == "" && last == "":
		case strings.TrimSpace(line) == "":
			return headers, []byte(strings.Join(lines[i:], "\n"))
		case found:
			last = strings.TrimSpace(name)
			headers[last] = strings.TrimSpace(value)
		case last != "" && (line[0] == ' ' || line[0] == '\t'):
			headers[last] += strings.TrimSpace(line)
		default:
			return headers, []byte(strings.Join(lines[i:], "\n"))
		}
	}
	return headers, nil
}

// readLegacyPEM opens a key under OpenSSL's old encryption, in which one round of MD5 makes the key.
func (r *reader) readLegacyPEM(block *pem.Block, at Origin) error {
	password, err := r.need(at)
	if err != nil {
		return err
	}
	defer password.Wipe()
	algorithm, _, _ := strings.Cut(block.Headers["DEK-Info"], ",")
	switch algorithm {
	case "DES-CBC", "DES-EDE3-CBC", "AES-128-CBC", "AES-192-CBC", "AES-256-CBC":
	case "":
		return formatErrorf(at, "the block %s says that it is encrypted, but not how", block.Type)
	default:
		return &UnsupportedError{At: at, What: "PEM encryption with " + clip(algorithm)}
	}
	// Deprecated because it has no integrity check, which is a reason not to write it.
	der, err := x509.DecryptPEMBlock(block, password.Bytes()) //nolint:staticcheck
	if err == nil && isSequence(der) {                        // one wrong password in 256 has a padding that looks right
		defer clear(der)
		if err := r.readKey(der, at, Label{}); err != nil {
			return err
		}
		r.opened(at, PasswordGiven)
		return nil
	}
	if err != nil && err != x509.IncorrectPasswordError {
		return formatErrorf(at, "the encrypted block %s is damaged: %v", block.Type, err)
	}
	return &PasswordError{At: at}
}

// isSequence reports whether der is one SEQUENCE and nothing else.
func isSequence(der []byte) bool {
	if len(der) < 2 || der[0] != 0x30 {
		return false
	}
	_, rest, err := scan(der, 0)
	return err == nil && len(rest) == 0
}
