package front

import (
	"bytes"
	"slices"
)

// IsHTTP reports whether a client speaks HTTP: whether the first word of line, its first command, is a method.
//
// A web page can make a browser send a request of its choice to any port, TLS included, and what stands in
// the body would be taken for commands, line by line, with the answers given back to the browser as the page
// of our own name (ALPACA, 2021). So a session that begins like this is ended before its second line. PRI is
// how HTTP/2 begins, RFC 9113 section 3.4.
func IsHTTP(line []byte) bool {
	word, _, _ := bytes.Cut(line, []byte{' '})
	return slices.Contains([]string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI"}, string(word))
}
