package desk

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"postseal/internal/ground/config"
	"postseal/internal/ground/x509cert"
)

func TestSetInternal(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	h.make(t, NewRequest{Lineage: "one", Domains: []string{"mail1.example.com"}})
	before := h.picture(t)
	c, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: h.named(t, "one")[0].Thumbprint[:8]})
	if err != nil || c.Undo != "postseal cert set-internal "+internalLineage || !c.Replaces || len(c.Warnings) != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
	after := h.picture(t)
	if after.Internal != "one" || !maps.Equal(after.Default, before.Default) {
		t.Errorf("got %+v, want only the internal certificate changed", after)
	}
	if leaves := h.Ring().InternalLeaves(); len(leaves) != 1 || x509cert.Thumbprint(leaves[0]) != h.named(t, "one")[0].Thumbprint {
		t.Error("the keyring has not heard of the internal certificate")
	}
	if c, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "one"}); err != nil || len(c.Warnings) != 1 || c.Undo != "" {
		t.Errorf("again: got %+v, %v, want nothing to change", c, err)
	}
	if _, err := h.SetInternal(t.Context(), tester(), InternalRequest{ID: "auth"}); !errors.Is(err, ErrAuthCertificate) {
		t.Errorf("the auth certificate: got %v", err)
	}
}

func TestSetListener(t *testing.T) {
	t.Parallel()
	h := runningHouse(t)
	c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imap"})
	if err != nil || !c.Replaces || len(c.Removed) != 1 || c.Undo != "postseal listener enable imap" {
		t.Errorf("disable: got %+v, %v", c, err)
	}
	if got := h.runtime.opened(); slices.Contains(got, "imap") || len(got) != 9 {
		t.Errorf("open: got %v, want all but imap", got)
	}
	busy := &ListenError{Listener: "imap", Address: "*:143", Err: errFault}
	h.runtime.cannot = busy
	if _, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imap", Enabled: true}); !errors.Is(err, busy) || strings.Contains(h.picture(t).Enabled, "imap ") {
		t.Errorf("a port in use: got %v", err)
	}
	if c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imaps", Enabled: true}); err != nil || len(c.Warnings) != 1 {
		t.Errorf("enabled already: got %+v, %v", c, err)
	}
	h.runtime.cannot = nil
	if c, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "imap", Enabled: true}); err != nil || c.Replaces || c.Undo != "postseal listener disable imap" {
		t.Errorf("enable: got %+v, %v", c, err)
	}
	if got := h.runtime.opened(); !slices.Contains(got, "imap") {
		t.Errorf("open: got %v, want imap too", got)
	}
	if _, err := h.SetListener(t.Context(), tester(), ListenerRequest{Listener: "gopher"}); !is[*config.UnknownListenerError](err) {
		t.Errorf("got %v", err)
	}
}
