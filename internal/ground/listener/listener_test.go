package listener

import (
	"errors"
	"slices"
	"testing"
)

func TestParseServices(t *testing.T) {
	for _, c := range []struct {
		list string
		want []Service
	}{
		{"IMAP", []Service{ServiceIMAP}},
		{"smtp, imap,POP3", []Service{ServiceIMAP, ServicePOP, ServiceSMTP}},
		{"IIS,WEB,HTTP,WMSVC", []Service{ServiceHTTP, ServiceManagement}},
	} {
		got, err := ParseServices(c.list)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("ParseServices(%q): got %v, %v, want %v", c.list, got, err, c.want)
		}
	}
	for list, unified := range map[string]bool{"": false, "IMAP,": false, "FTP": false, "IMAP,UM": true, "umcallrouter": true} {
		_, err := ParseServices(list)
		e, ok := errors.AsType[*UnknownServiceError](err)
		if !ok || e.UnifiedMessaging != unified {
			t.Errorf("ParseServices(%q): got %v, want an unknown service, unified messaging %v", list, err, unified)
		}
	}
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		services []Service
		want     string
	}{
		{nil, "......."},
		{[]Service{ServiceHTTP, ServiceIMAP, ServicePOP, ServiceSMTP}, "IP.WS.."},
		{[]Service{ServiceSMTP, ServiceManagement}, "....S.."},
	} {
		if got := Cells(c.services); got != c.want {
			t.Errorf("Cells(%v): got %q, want %q", c.services, got, c.want)
		}
	}
}

func TestEveryListenerWithACertificateHasAService(t *testing.T) {
	for _, k := range Kinds() {
		if (k.Service == "") != (k.Name == HTTP) {
			t.Errorf("%s: service %q", k.Name, k.Service)
		}
		if k.Service != "" && !slices.Contains(k.Service.Listeners(), k.Name) {
			t.Errorf("%s is not among the listeners of %s", k.Name, k.Service)
		}
		if got, ok := ByName(k.Name); !ok || got != k {
			t.Errorf("ByName(%s): got %v, %v", k.Name, got, ok)
		}
	}
	if _, ok := ByName("telnet"); ok {
		t.Error("ByName knows telnet")
	}
}
