package pages

import (
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast computes what WCAG 2.2 asks in success criterion 1.4.3: text at least 4.5 to 1; and in 1.4.11: what is
// drawn at least 3 to 1.
func TestContrast(t *testing.T) {
	t.Parallel()
	source, err := fs.ReadFile(files, "static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, found := strings.Cut(string(source), "@media screen and (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("the style sheet has no dark scheme")
	}
	dark, _, _ := strings.Cut(rest, "\n}\n")
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colours := make(map[string]string)
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
			colours[m[1]] = m[2]
		}
		for _, c := range []struct {
			least   float64
			ink, on string
		}{
			{4.5, "ink", "paper"}, {4.5, "ink", "card"}, {4.5, "ink", "field"}, {4.5, "ink", "good-field"}, {4.5, "ink", "bad-field"},
			{4.5, "soft", "paper"}, {4.5, "soft", "card"}, {4.5, "link", "card"}, {4.5, "link", "paper"}, {4.5, "on-link", "link"},
			{4.5, "bad", "paper"}, {4.5, "on-bad", "bad"}, {3, "edge", "card"}, {3, "edge", "paper"}, {3, "wax", "card"}, {4.5, "good", "card"}, {4.5, "warn", "card"}, {4.5, "bad", "card"},
			{3, "good", "gone"}, {3, "warn", "gone"}, {3, "bad", "bad-field"}, {3, "good", "good-field"},
		} {
			if colours[c.ink] == "" || colours[c.on] == "" {
				t.Errorf("%s: the style sheet does not say --%s or --%s", scheme, c.ink, c.on)
				continue
			}
			if got := contrast(t, colours[c.ink], colours[c.on]); got < c.least {
				t.Errorf("%s: %s on %s: got %.2f to 1, want %.1f", scheme, c.ink, c.on, got, c.least)
			}
		}
	}
}

// contrast is the ratio of the relative luminances of two colours.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(channel uint64) float64 {
		c := float64(channel&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}
