package trial

import "strings"

// maxLabel is the length of a DNS label, RFC 1035 section 2.3.4, in octets.
const maxLabel = 63

// HostName is the trial server's name for a machine that calls itself hostname: its first label, cleaned, in
// example.test. Cleaned means lower case, letters, digits and inner hyphens only; "mail" if nothing is left.
// So "My_Host.corp.example" becomes "myhost.example.test".
func HostName(hostname string) string {
	first, _, _ := strings.Cut(hostname, ".")
	label := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return -1
	}, first)
	label = strings.TrimLeft(label, "-")
	// RFC 5891 section 4.2.3.1: hyphens in third and fourth place mean an encoded name, which a machine's
	// nickname is not; a certificate for it would be refused.
	for len(label) >= 4 && label[2:4] == "--" {
		label = label[:3] + label[4:]
	}
	label = strings.TrimRight(label[:min(len(label), maxLabel)], "-")
	if label == "" {
		label = "mail"
	}
	return label + ".example.test"
}
