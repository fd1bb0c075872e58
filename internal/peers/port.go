package peers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports are the listeners of a front-end server and their ports without an offset.
func Ports() map[string]int {
	return map[string]int{
		"smtp": 25, "submission": 587, "submissions": 465,
		"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995,
		"http": 80, "https": 443, "management": 8172,
	}
}

// Offsets are multiples of 200: no two of our ports (sieve's 4190, 717, 2525 and 3128 included) are equal modulo 200, so two
// servers with different offsets never want the same port. The highest, 24400 + 8172, stays below 32768, where Linux
// begins to hand out ports to outgoing connections.
const (
	offsetStep  = 200
	offsetFirst = 14000
	offsetLast  = 24400
)

// FreePort finds a TCP port on 127.0.0.1 that nobody uses at this moment.
func FreePort(t testing.TB) int {
	t.Helper()
	return FreePorts(t, 1)[0]
}

// FreePorts finds n of them, no two the same: asked for one after the other, the system may give one twice.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("looking for a free port: %v", err)
		}
		defer ln.Close() // all are held until the last is found
		ports[i] = ln.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// FreeOffset finds a --port-offset with which every port of [Ports] is free on 127.0.0.1, and keeps other tests of
// this machine, also those of other packages, from taking it until this test ends.
func FreeOffset(t testing.TB) int {
	t.Helper()
	count := (offsetLast-offsetFirst)/offsetStep + 1
	first := rand.IntN(count)
	for i := range count {
		offset := offsetFirst + (first+i)%count*offsetStep
		if release, ok := claim(offset); ok {
			if portsFree(offset) {
				t.Cleanup(release)
				return offset
			}
			release()
		}
	}
	t.Fatalf("no free port offset among %d from %d to %d: end the servers that run here", count, offsetFirst, offsetLast)
	return 0
}

// claim takes the lock of an offset. go test runs packages as processes beside each other, so the lock is a file's;
// it goes with the process, whatever happens to it.
func claim(offset int) (release func(), ok bool) {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("postseal-test-offset-%d", offset))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false // another user's tests hold it, or held it
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, false
	}
	// The file stays: removing a lock file lets two processes lock two files of one name.
	return func() { f.Close() }, true
}

func portsFree(offset int) bool {
	for _, port := range Ports() {
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+offset)))
		if err != nil {
			return false
		}
		ln.Close()
	}
	return true
}
