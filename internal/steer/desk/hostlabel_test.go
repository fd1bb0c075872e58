package desk

import (
	"strings"
	"testing"
)

func TestHostLabel(t *testing.T) {
	t.Parallel()
	for hostname, want := range map[string]string{
		"":                                 "mail",
		"box":                              "box",
		"My_Host.corp.example":             "myhost",
		"MX-1.example.org":                 "mx-1",
		"-a-":                              "a",
		"---":                              "mail",
		"...":                              "mail",
		".box":                             "mail",
		"_.x":                              "mail",
		"10":                               "10",
		"\u00fcber":                        "ber",
		"\u212aelvin":                      "elvin",
		"xn--bcher-kva":                    "xn-bcher-kva",
		"ab----c":                          "ab-c",
		"a--b":                             "a--b",
		"ab--":                             "ab",
		strings.Repeat("a", 70):            strings.Repeat("a", 63),
		strings.Repeat("a", 62) + "-b":     strings.Repeat("a", 62),
		"a b;c":                            "abc",
		"box\n":                            "box",
		strings.Repeat("-", 10) + "b.test": "b",
	} {
		if got := HostLabel(hostname); got != want {
			t.Errorf("%q: got %q, want %q", hostname, got, want)
		}
	}
}
