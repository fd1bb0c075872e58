package desk

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"postseal/internal/ground/certfile"
	"postseal/internal/ground/config"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/keyring"
)

// A request is checked without looking at the state first: a wrong value is wrong whatever the organisation
// holds, and the answer to it must not depend on whether there is one. The desk checks again, of course; a command
// calls Check before it looks for a server.

// Check reports the first value of a filter that there cannot be.
func (f Filter) Check() error {
	if f.Domain != "" {
		if _, err := x509cert.ParseSAN(f.Domain); err != nil {
			return err
		}
	}
	if f.Status != "" && !slices.Contains(x509cert.Statuses(), f.Status) {
		return &ValueError{"--status", string(f.Status), "there is no such status"}
	}
	if f.Limit < 0 {
		return &ValueError{"--limit", fmt.Sprint(f.Limit), "want a number of certificates"}
	}
	if f.ExpiringWithin < 0 {
		return &ValueError{"--expiring-within", fmt.Sprint(f.ExpiringWithin, " seconds"), "want a time to come"}
	}
	return nil
}

// Check reports the first value that no certificate can have.
func (r NewRequest) Check() error {
	_, err := r.plan("")
	return err
}

// Check reports the first value that no request can have.
func (r AskRequest) Check() error {
	_, err := r.plan("")
	return err
}

// plan checks a request for a certificate of an authority.
func (r AskRequest) plan(server string) (*certPlan, error) {
	if len(r.Kinds) == 0 {
		r.Kinds = []string{string(keys.ECDSAP256)}
	}
	if len(r.Domains) == 0 {
		return nil, &ValueError{"--domain", "", "at least one name is needed"}
	}
	return NewRequest{Name: r.Name, Domains: r.Domains, Subject: r.Subject, Kinds: r.Kinds, Exportable: r.Exportable, Lineage: r.Lineage}.plan(server)
}

// Check reports the first value that cannot be enabled for.
func (r EnableRequest) Check() error {
	_, err := listenersOf(r.Services, r.Listeners)
	return err
}

// Check reports a listener that there is not.
func (r DisableRequest) Check() error { return checkListener(r.Listener) }

// Check reports a listener that there is not.
func (r ListenerRequest) Check() error { return checkListener(r.Listener) }

// checkListener wants the name of a listener.
func checkListener(name string) error {
	if _, ok := listener.ByName(name); !ok {
		return &config.UnknownListenerError{Name: name}
	}
	return nil
}

// Check reports the first value that cannot be asked about.
func (r ExplainRequest) Check() error {
	k, ok := listener.ByName(r.Listener)
	if !ok {
		return &config.UnknownListenerError{Name: r.Listener}
	}
	if k.Service == "" {
		return &ValueError{"--listener", r.Listener, "it serves no certificate, it only redirects to https"}
	}
	if r.From != "" {
		if _, err := netip.ParseAddr(r.From); err != nil {
			return &ValueError{"--from", r.From, "not an IP address"}
		}
	}
	return checkWord("--client", r.Client, string(keyring.ClientModern), string(keyring.ClientRSAOnly))
}

// Check reports the first value that a lineage cannot be set to.
func (r LineageRequest) Check() error {
	if err := checkWord("--activation", r.Activation, ActivationAuto, ActivationApprove); err != nil {
		return err
	}
	return checkWord("--key-at-renewal", r.KeyAtRenewal, KeyNew, KeyKeep)
}

// Check reports the first value that a file cannot be written in.
func (r ExportRequest) Check() error {
	if err := checkWord("--format", r.Format, FormatPFX, FormatPEM, FormatDER, FormatP7B); err != nil {
		return err
	}
	return checkWord("--pfx-profile", r.Profile, string(certfile.ProfileModern), string(certfile.ProfileWindows2016))
}

// Check reports the first value that an import cannot have; its files are not looked into.
func (r ImportRequest) Check() error {
	if r.Name != "" {
		if err := checkText("--name", r.Name, 63); err != nil {
			return err
		}
	}
	if r.Lineage == "" {
		return nil
	}
	return checkLineageName(r.Lineage)
}

// checkWord wants one of some words, or nothing.
func checkWord(flag, value string, words ...string) error {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return &ValueError{flag, value, "want " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]}
}
