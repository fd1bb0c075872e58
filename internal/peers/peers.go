// Package peers starts the programs that tests speak to: OpenSSL, curl, swaks, Python, and Postseal's own binary.
//
// A mail server is right when other people's clients say so. Tests therefore drive real clients against the real
// program, and the client must be there: a test that passes because its peer was missing proves nothing. [Need]
// fails a test with the command that installs what it lacks; `make deps` installs all of it, so nothing is skipped.
//
// The normal use is
//
//	s := peers.Postseal(t)                                          // a trial server on ports of its own
//	leaf := peers.Served(t, peers.Endpoint{Addr: s.Addr("imap"), StartTLS: "imap"})
//	got := s.Command("cert", "list", "--json")                      // the command line on its data directory
//
// Every helper takes the test, fails it with all that the peer said, and ends what it started by process id. Nothing
// here is remembered between tests. Only tests import this package (a test in the root says so).
package peers

import (
	"os/exec"
	"testing"
)

// Need fails the test unless each of the named programs is installed, and says how to install it.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is not installed; run: apt-get install --yes %s   (or: make deps)", p, debian(p))
		}
	}
}

// debian names the Debian package that brings program.
func debian(program string) string {
	switch program {
	case "openssl", "curl", "swaks", "python3", "chromium", "gcc", "make":
		return program
	case "keytool":
		return "default-jre-headless"
	case "certutil", "pk12util":
		return "libnss3-tools"
	case "script":
		return "bsdutils"
	case "fc-list":
		return "fontconfig fonts-noto-cjk"
	case "unshare":
		return "util-linux"
	case "update-ca-certificates":
		return "ca-certificates"
	case "go":
		return "golang-go"
	default:
		return program
	}
}
