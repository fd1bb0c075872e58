package door

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

func TestALockDoublesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Door
		a := addr("192.0.2.1")
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			for i := range Tries {
				if w := d.Wait(a); w != 0 {
					t.Fatalf("try %d: told to wait %v", i, w)
				}
				d.Bad(a)
				time.Sleep(time.Second) // or all strangers together are too many
			}
			want = want*time.Minute - time.Second
			if w := d.Wait(a); w != want {
				t.Fatalf("got a lock of %v, want %v", w, want)
			}
			if w := d.Wait(addr("192.0.2.2")); w != 0 {
				t.Fatalf("a neighbour waits %v", w)
			}
			time.Sleep(want - 1)
			if d.Wait(a) == 0 {
				t.Fatal("the lock ended early")
			}
			time.Sleep(1)
		}
		time.Sleep(24 * time.Hour)
		for range Tries {
			d.Bad(a)
		}
		if w := d.Wait(a); w != time.Minute {
			t.Errorf("after a quiet day: got %v, want %v", w, time.Minute)
		}
		d.Good(a) // cannot happen at the door, and would forgive
		if w := d.Wait(a); w != 0 {
			t.Errorf("forgiven: got %v", w)
		}
		if d.Refused() == 0 {
			t.Error("nobody was counted as refused")
		}
	})
}

func TestOneCustomerIsOneAddress(t *testing.T) {
	for a, want := range map[string]string{
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::1%eth0": "2001:db8:1:2::", "::ffff:192.0.2.1": "192.0.2.1", "192.0.2.1": "192.0.2.1",
	} {
		if got := Key(addr(a)); got != addr(want) {
			t.Errorf("%s: got %v, want %s", a, got, want)
		}
	}
	var d Door
	for i := range Tries {
		d.Bad(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}))
	}
	if d.Wait(addr("2001:db8::ffff")) == 0 {
		t.Error("another address of the same /64 gets in")
	}
}

// TestStrangersCannotKeepAnAdministratorOut: many addresses use up what all have together, and whoever was good
// yesterday still gets in.
func TestStrangersCannotKeepAnAdministratorOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Door
		admin := addr("198.51.100.7")
		d.Good(admin)
		time.Sleep(20 * time.Hour)
		for i := range TriesOfAll {
			d.Bad(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		}
		if w := d.Wait(addr("203.0.113.1")); w != time.Minute {
			t.Errorf("a new stranger: got %v, want %v", w, time.Minute)
		}
		if w := d.Wait(admin); w != 0 {
			t.Errorf("the administrator waits %v", w)
		}
		d.Bad(admin)
		if w := d.Wait(admin); w != 0 {
			t.Errorf("the administrator waits %v after one bad token", w)
		}
		time.Sleep(time.Minute)
		if w := d.Wait(addr("203.0.113.1")); w != 0 {
			t.Errorf("a minute later: got %v", w)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var d Door
	var four [4]byte
	for i := range uint32(3 * Remembered) {
		binary.BigEndian.PutUint32(four[:], i)
		d.Bad(netip.AddrFrom4(four))
	}
	if len(d.known) != Remembered || d.order.Len() != Remembered {
		t.Errorf("got %d and %d, want %d", len(d.known), d.order.Len(), Remembered)
	}
}
