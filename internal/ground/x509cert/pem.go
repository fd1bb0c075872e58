package x509cert

import (
	"encoding/base64"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// PEM writes certificates that stand in der one after the other as RFC 7468 section 5.1 asks, in lines of 64 letters.
// They were read before; what begins with no SEQUENCE, and all behind it, is left out.
func PEM(der []byte) string {
	const begin, end = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
	const line = 48 // octets: 64 letters
	text := make([]byte, 0, 2*len(der)+len(begin)+len(end))
	rest := cryptobyte.String(der)
	for !rest.Empty() {
		var one cryptobyte.String
		if !rest.ReadASN1Element(&one, cbasn1.SEQUENCE) {
			break
		}
		text = append(text, begin...)
		for len(one) > 0 {
			n := min(line, len(one))
			text = base64.StdEncoding.AppendEncode(text, one[:n])
			text = append(text, '\n')
			one = one[n:]
		}
		text = append(text, end...)
	}
	return string(text)
}
