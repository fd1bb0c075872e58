package pages

import (
	"strings"
	"testing"

	"postseal/internal/ground/x509cert"
)

// TestWhatClientsObjectToIsKorean: the sentences of package desk's guards, and the cautions about names.
func TestWhatClientsObjectToIsKorean(t *testing.T) {
	t.Parallel()
	ko := languages()[1]
	said := []string{
		"imap, imaps: clients will refuse it: it ended at 2026-01-01T00:00:00Z",
		"imap: clients will refuse it: it is not valid before 2027-01-01T00:00:00Z",
		"imap: clients will refuse it: its authority has revoked it",
		"smtp, submission: clients from outside will not trust it: self-signed: a client trusts it only after comparing its fingerprint",
		"pop3: wrong purpose: it is not for servers (serverAuth), only for clientAuth",
		"imaps: it holds no name that clients use here, such as mail1.example.com, …",
		"imaps: it holds no name of a host, so no client can ask for it",
		"imaps: it has mail.example.com as common name only, and clients look at subjectAltName alone",
		"generation 2, a request that waited for its answer, is retired: an answer to it will not be taken",
	}
	for _, set := range []x509cert.NameSet{
		{Names: []string{"*.example.com", "example.com"}, OldMail: true, Extended: true},
		{Names: []string{"mail.example.com"}, Singles: 2},
	} {
		said = append(said, set.Cautions()...)
	}
	for _, english := range said {
		got := ko.sentence(english)
		if !isKorean(got.Text) || got.Lang != "" || strings.Contains(got.Text, "$") || strings.HasPrefix(english, "imap") && !strings.HasPrefix(got.Text, "imap") {
			t.Errorf("%q: got %q", english, got.Text)
		}
	}
}
