package hint

import "postseal/internal/steer/probe"

// probeEntries are about looking at servers from outside.
func probeEntries() []entry {
	return []entry{
		wrong(as("probe.InvalidTargetError", always[*probe.InvalidTargetError]("give hosts like mail.example.com, mail.example.com:993 or [2001:db8::1]:25, in a file one in a line; see: postseal check --help"))),
		as("probe.DomainError", always[*probe.DomainError]("look at the name servers of this machine, or name one: --resolver 192.0.2.53")),
	}
}
