package main

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ground/config"
	"postseal/internal/ground/keys"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
	"postseal/internal/steer/desk"
)

// Values that are wrong whatever the organisation holds are refused before anybody looks for one: the desk checks them
// again, but it answers only once there is an organisation to ask about, and then what is wrong with the command would
// hide behind what is wrong with the world.

// checkListener wants the name of a listener.
func checkListener(name string) error {
	if _, ok := listener.ByName(name); !ok {
		return &config.UnknownListenerError{Name: name}
	}
	return nil
}

// checkServices wants a list of services, and listeners of theirs.
func checkServices(services string, listeners []string) error {
	list, err := listener.ParseServices(services)
	if err != nil {
		return err
	}
	for _, name := range listeners {
		if err := checkListener(name); err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(s listener.Service) bool { return slices.Contains(s.Listeners(), name) }) {
			return &desk.ListenerServiceError{Listener: name, Services: services}
		}
	}
	return nil
}

// checkFilter wants a status and a name that there can be.
func checkFilter(f desk.Filter) error {
	if f.Status != "" && !slices.Contains(x509cert.Statuses(), f.Status) {
		return &desk.ValueError{Name: "--status", Value: string(f.Status), Reason: "there is no such status"}
	}
	if f.Domain != "" {
		if _, err := x509cert.ParseSAN(f.Domain); err != nil {
			return err
		}
	}
	return nil
}

// checkNew wants what a certificate can be made of.
func checkNew(r desk.NewRequest) error {
	if err := desk.CheckName(r.Name); err != nil {
		return err
	}
	for _, text := range r.Domains {
		if _, err := x509cert.ParseSAN(text); err != nil {
			return err
		}
	}
	for _, word := range r.Kinds {
		if _, err := keys.ParseKind(word); err != nil {
			return err
		}
	}
	if r.Subject != "" {
		if _, err := x509cert.ParseSubject(r.Subject); err != nil {
			return err
		}
	}
	if r.Days < 0 || r.Days > selfsigned.MaxDays {
		return &desk.ValueError{Name: "--days", Value: fmt.Sprint(r.Days), Reason: fmt.Sprintf("want 1 to %d", selfsigned.MaxDays)}
	}
	if r.Services != "" {
		return checkServices(r.Services, nil)
	}
	return nil
}

// checkOneOf wants one of some words, or nothing.
func checkOneOf(flag, value string, words ...string) error {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return &desk.ValueError{Name: flag, Value: value, Reason: "want " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]}
}
