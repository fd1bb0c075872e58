package desk

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// deadlined is an answer that knows until when it may be written.
type deadlined struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlined) SetWriteDeadline(t time.Time) error { d.until = t; return nil }

// ofSize is a file of so many octets, of which nobody reads one.
type ofSize int64

func (s ofSize) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset += int64(s)
	}
	return offset, nil
}

// TestALongListHasTheTimeItWants: with a megabit per second the list of a million entries is read to its end; a short answer
// has the time that the web server gives to each.
func TestALongListHasTheTimeItWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for size, want := range map[int64]time.Duration{0: 0, longListBytes - 1: 0, longListBytes: 2*time.Minute + 8*time.Second, 48 << 20: 2*time.Minute + 384*time.Second} {
			d := &deadlined{ResponseRecorder: httptest.NewRecorder()}
			giveTime(d, ofSize(size))
			if want == 0 != d.until.IsZero() || want > 0 && time.Until(d.until) != want {
				t.Errorf("%d octets: until %v, want %v", size, d.until, want)
			}
		}
		giveTime(httptest.NewRecorder(), ofSize(48<<20)) // cannot, and is none the worse
	})
}

// TestTheTimeReachesTheConnection: the web server's own end of an answer gives way to it.
func TestTheTimeReachesTheConnection(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		giveTime(w, ofSize(longListBytes))
		_, err := w.Write(make([]byte, 1<<20))
		got <- err
	}))
	server.Config.WriteTimeout = time.Nanosecond // it is over before the answer begins
	server.Start()
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if failed := <-got; err != nil || failed != nil || n != 1<<20 {
		t.Errorf("got %d octets, %v, %v", n, err, failed)
	}
}
