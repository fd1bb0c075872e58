package desk

import "strings"

// maxLabel is the length of a DNS label in octets, RFC 1035 section 2.3.4.
const maxLabel = 63

// HostLabel makes the first label of a server's name of what the machine calls itself: its first label, cleaned:
// lower case, only letters, digits and inner hyphens; "mail" if nothing is left. So "My_Host.corp.example" gives
// "myhost".
func HostLabel(machine string) string {
	first, _, _ := strings.Cut(machine, ".")
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
		return "mail"
	}
	return label
}
