package listener

import (
	"fmt"
	"slices"
	"strings"
)

// Service is a group of listeners, named by the word of the command line and of JSON.
type Service string

// The services. Exchange's Federation and unified messaging have no counterpart.
const (
	ServiceHTTP       Service = "HTTP"
	ServiceIMAP       Service = "IMAP"
	ServicePOP        Service = "POP"
	ServiceSMTP       Service = "SMTP"
	ServiceManagement Service = "MANAGEMENT"
)

// Services returns every service in the order in which JSON lists them.
func Services() []Service {
	return []Service{ServiceHTTP, ServiceIMAP, ServicePOP, ServiceSMTP, ServiceManagement}
}

// Listeners returns the names of the listeners of s.
func (s Service) Listeners() []string {
	var names []string
	for _, k := range Kinds() {
		if k.Service == s {
			names = append(names, k.Name)
		}
	}
	return names
}

// UnknownServiceError reports a word that names no service.
type UnknownServiceError struct {
	Word string
	// UnifiedMessaging is set for UM and UMCallRouter, which Exchange administrators still type.
	UnifiedMessaging bool
}

func (e *UnknownServiceError) Error() string {
	if e.UnifiedMessaging {
		return fmt.Sprintf("service %s: unified messaging left with Exchange 2019 and is not supported", e.Word)
	}
	return fmt.Sprintf("service %.100q: there is no such service", e.Word)
}

// ParseServices reads a comma-separated list of services. It takes the names of Exchange too (IIS and
// WEB for HTTP, POP3, WMSVC), ignores case and repetitions, and returns the services in the order of
// [Services]. An unknown word, or an empty list, is an [*UnknownServiceError].
func ParseServices(list string) ([]Service, error) {
	var found []Service
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		switch strings.ToUpper(word) {
		case "HTTP", "HTTPS", "IIS", "WEB":
			found = append(found, ServiceHTTP)
		case "IMAP", "IMAP4":
			found = append(found, ServiceIMAP)
		case "POP", "POP3":
			found = append(found, ServicePOP)
		case "SMTP":
			found = append(found, ServiceSMTP)
		case "MANAGEMENT", "WMSVC":
			found = append(found, ServiceManagement)
		case "UM", "UMCALLROUTER":
			return nil, &UnknownServiceError{Word: word, UnifiedMessaging: true}
		default:
			return nil, &UnknownServiceError{Word: word}
		}
	}
	var ordered []Service
	for _, s := range Services() {
		if slices.Contains(found, s) {
			ordered = append(ordered, s)
		}
	}
	return ordered, nil
}

// Cells returns the seven cells that Exchange administrators read, "IP.WS..": IMAP, POP, unified
// messaging, web, SMTP, federation, call router; a dot for off (spec/exchange.md section 2.2).
// MANAGEMENT has no cell.
func Cells(services []Service) string {
	cell := func(s Service, letter byte) byte {
		if slices.Contains(services, s) {
			return letter
		}
		return '.'
	}
	return string([]byte{cell(ServiceIMAP, 'I'), cell(ServicePOP, 'P'), '.', cell(ServiceHTTP, 'W'), cell(ServiceSMTP, 'S'), '.', '.'})
}
