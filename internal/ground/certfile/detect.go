package certfile

import (
	"bytes"
	"encoding/base64"
	"unicode/utf16"
	"unicode/utf8"
)

type form int

const (
	formUnknown form = iota
	formEmpty
	formZIP
	formJKS
	formJCEKS
	formPEM
	formDER
)

var pemBegin, pemEnd, pemTail = []byte("-----BEGIN "), []byte("-----END "), []byte("-----")

// detect tells the form of a file by its content, and returns the content in octets of ASCII or DER: without byte order
// mark, UTF-16 or base64 around it.
func detect(data []byte) (form, []byte) {
	if isBlank(data) {
		return formEmpty, nil
	}
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("PK\x05\x06")):
		return formZIP, data
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return formJKS, data
	case bytes.HasPrefix(data, []byte{0xce, 0xce, 0xce, 0xce}):
		return formJCEKS, data
	}
	// A SEQUENCE begins with 0x30, which is also the digit 0, with which `openssl s_client` begins. So text is text if
	// a BEGIN is in it and it is not wholly one element.
	if data[0] == 0x30 {
		if _, err := toDER(data); err == nil || !bytes.Contains(data, pemBegin) {
			return formDER, data
		}
	}
	text := plainText(data)
	if bytes.Contains(text, pemBegin) || bytes.Contains(text, pemEnd) {
		return formPEM, text
	}
	if der := bareBase64(text); der != nil {
		return formDER, der
	}
	return formUnknown, nil
}

// plainText takes off a byte order mark and turns UTF-16 into UTF-8. Windows writes UTF-16 with a mark; what comes
// through a pipe of PowerShell has sometimes lost it.
func plainText(data []byte) []byte {
	switch {
	case bytes.HasPrefix(data, []byte{0xef, 0xbb, 0xbf}):
		return data[3:]
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return fromUTF16(data[2:], 1)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return fromUTF16(data[2:], 0)
	case len(data) >= 4 && data[1] == 0 && data[3] == 0 && isText(data[0]) && isText(data[2]):
		return fromUTF16(data, 1)
	case len(data) >= 4 && data[0] == 0 && data[2] == 0 && isText(data[1]) && isText(data[3]):
		return fromUTF16(data, 0)
	}
	return data
}

func isText(c byte) bool { return ' ' <= c && c <= '~' || c == '\r' || c == '\n' || c == '\t' }

// fromUTF16 decodes UTF-16 whose more significant octet stands at high, 0 or 1. Half a character at the end, which is a
// file cut off, is left out: what is missing shows in what the text says.
func fromUTF16(data []byte, high int) []byte {
	unit := func(i int) rune { return rune(data[i+high])<<8 | rune(data[i+1-high]) }
	text := make([]byte, 0, len(data)/2) // what we look for is ASCII
	for i := 0; i+1 < len(data); i += 2 {
		c := unit(i)
		if utf16.IsSurrogate(c) {
			c = utf8.RuneError
			if i+3 < len(data) {
				if pair := utf16.DecodeRune(unit(i), unit(i+2)); pair != utf8.RuneError {
					c, i = pair, i+2
				}
			}
		}
		text = utf8.AppendRune(text, c)
	}
	return text
}

// bareBase64 decodes base64 without BEGIN and END, if it is nothing else and a SEQUENCE comes out.
func bareBase64(text []byte) []byte {
	der, err := decodeBase64(text)
	if err != nil || len(der) < 2 || der[0] != 0x30 {
		return nil
	}
	return der
}

// decodeBase64 decodes base64 with white space anywhere, because mail programs fold lines as they like. The padding must
// be there: without it, a file cut off would look whole.
func decodeBase64(text []byte) ([]byte, error) {
	compact := make([]byte, 0, len(text))
	for _, c := range text {
		switch c {
		case ' ', '\t', '\r', '\n', '\v', '\f':
		default:
			compact = append(compact, c)
		}
	}
	der := make([]byte, base64.StdEncoding.DecodedLen(len(compact)))
	n, err := base64.StdEncoding.Strict().Decode(der, compact)
	if err != nil {
		return nil, err
	}
	return der[:n], nil
}
