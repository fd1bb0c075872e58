package keyring

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"testing"
)

// TestSwapUnderLoad is the promise of the package: no handshake fails, and none that starts after Swap has returned
// sees what was in force before.
func TestSwapUnderLoad(t *testing.T) {
	t.Parallel()
	const swaps, clients = 100, 4
	inputs := make([]Input, swaps+1)
	for i := range inputs {
		inputs[i] = Input{
			Seq:       int64(i),
			Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}},
			Lineages:  []Lineage{newPair(t, "mail", i, "mail.example.com")},
		}
	}
	r := newRing(t, inputs[0])
	config := r.Config("imaps")
	var inForce, handshakes, resumed atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range clients {
		client := modern("mail.example.com")
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		if i%2 == 1 {
			client.MaxVersion = tls.VersionTLS12
		}
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				atLeast := inForce.Load()
				state, err, serverErr := shake(t, config, client)
				if err != nil || serverErr != nil {
					t.Errorf("handshake: got client error %v, server error %v, want none", err, serverErr)
					return
				}
				if got := int64(generationSeen(state)); got < atLeast {
					t.Errorf("generation: got %d, want at least %d (resumed %v)", got, atLeast, state.DidResume)
				}
				if state.DidResume {
					resumed.Add(1)
				}
				handshakes.Add(1)
			}
		})
	}
	for _, in := range inputs[1:] {
		// Some handshakes between any two swaps, or there would be no load.
		for before := handshakes.Load(); handshakes.Load() < before+3 && !t.Failed(); {
			mustShake(t, config, modern(""))
		}
		mustSwap(t, r, in)
		inForce.Store(in.Seq)
	}
	close(done)
	wg.Wait()
	if got := r.Seq(); got != swaps {
		t.Errorf("Seq: got %d, want %d", got, swaps)
	}
	if handshakes.Load() < 3*swaps {
		t.Errorf("handshakes: got %d, want at least %d", handshakes.Load(), 3*swaps)
	}
	t.Logf("%d handshakes under %d swaps, %d of them resumed", handshakes.Load(), swaps, resumed.Load())
}

func TestOvertakenInputIsIgnored(t *testing.T) {
	t.Parallel()
	input := func(seq int64, generation int) Input {
		return Input{
			Seq:       seq,
			Listeners: []Listener{{Name: "imaps", Bindings: defaultOf("mail")}},
			Lineages:  []Lineage{newPair(t, "mail", generation, "mail.example.com")},
		}
	}
	r := newRing(t, input(8, 2))
	mustSwap(t, r, input(7, 1))
	if served, _ := r.Served("imaps"); served.Generation != 2 || r.Seq() != 8 {
		t.Errorf("got generation %d of %d, want 2 of 8", served.Generation, r.Seq())
	}
	mustSwap(t, r, input(8, 3))
	if served, _ := r.Served("imaps"); served.Generation != 3 {
		t.Errorf("same sequence again: got generation %d, want 3", served.Generation)
	}
}
