package plan

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
)

func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

func isSource(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

// TestAuthoritiesAreSourced: a fact has a source and a date, or is unknown.
func TestAuthoritiesAreSourced(t *testing.T) {
	t.Parallel()
	yesNo := []string{"yes", "no"}
	ids := map[string]bool{IssuerSelf: true, IssuerPublic: true}
	for _, a := range Authorities() {
		if ids[a.ID] || a.Name == "" || regexp.MustCompile(`^[a-z]+$`).FindString(a.ID) == "" {
			t.Errorf("id %q, name %q", a.ID, a.Name)
		}
		ids[a.ID] = true
		for name, f := range map[string]struct {
			fact   Fact
			values []string
		}{
			"acme": {a.ACME, yesNo}, "eab": {a.EAB, yesNo}, "ari": {a.ARI, yesNo}, "wildcard": {a.Wildcard, []string{"yes", "no", "paid"}}, "commonName": {a.CommonName, yesNo},
			"ip": {a.IP, []string{"yes", "no", "short-lived"}}, "clientAuth": {a.ClientAuth, []string{"yes", "no", "on request"}}, "maxNames": {a.MaxNames, nil},
			"cost": {a.Cost, []string{"free", "paid", "free or paid"}}, "windows": {a.Windows, yesNo}, "ios": {a.IOS, yesNo}, "oldAndroid": {a.OldAndroid, yesNo}, "java": {a.Java, yesNo},
		} {
			if !f.fact.Known() {
				if f.fact.Value != Unknown {
					t.Errorf("%s %s: got no value; write unknown", a.ID, name)
				}
				continue
			}
			if !isSource(f.fact.Source) || !isDate(f.fact.Date) {
				t.Errorf("%s %s: source %q of %q", a.ID, name, f.fact.Source, f.fact.Date)
			}
			if n, err := strconv.Atoi(f.fact.Value); name == "maxNames" && (err != nil || n < 1 || n > 2000) {
				t.Errorf("%s %s: got %q", a.ID, name, f.fact.Value)
			}
			if f.values != nil && !slices.Contains(f.values, f.fact.Value) {
				t.Errorf("%s %s: got %q, want one of %v", a.ID, name, f.fact.Value, f.values)
			}
		}
		for i, l := range a.Life {
			if !isDate(l.From) || !isDate(l.Date) || !isSource(l.Source) || l.Days < 1 || l.Days > 398 || i > 0 && l.From <= a.Life[i-1].From {
				t.Errorf("%s: life %+v", a.ID, l)
			}
		}
		if days := a.LifeAt(today); days < 1 || days > PublicLife(today) {
			t.Errorf("%s: a life of %d days, the law says %d", a.ID, days, PublicLife(today))
		}
	}
}

func TestRulesAreSourced(t *testing.T) {
	t.Parallel()
	ids := make(map[string]bool)
	kinds := []string{KindLife, KindValidation, KindClientAuth, KindRoot, KindACME, KindSignature, KindSMIME, KindRevocation}
	before := ""
	for _, r := range Rules() {
		if ids[r.ID] || !isDate(r.Date) || !isDate(r.AsOf) || !isSource(r.Source) || !slices.Contains(kinds, r.Kind) || r.Date < before || r.Kind == KindLife && r.Days < 1 {
			t.Errorf("%+v", r)
		}
		ids[r.ID], before = true, r.Date
		for _, text := range []Text{r.What, r.Do} {
			hangul := strings.ContainsFunc(text.Korean, func(c rune) bool { return unicode.Is(unicode.Hangul, c) })
			if text.English == "" || !hangul || strings.HasSuffix(text.English, ".") {
				t.Errorf("%s: %+v", r.ID, text)
			}
		}
	}
}

// TestPublicLife: the days of the ballot, to the second.
func TestPublicLife(t *testing.T) {
	t.Parallel()
	for day, want := range map[string]int{
		"2026-03-14T23:59:59Z": 398, "2026-03-15T00:00:00Z": 200, "2027-03-14T23:59:59Z": 200, "2027-03-15T00:00:00Z": 100, "2029-03-14T23:59:59Z": 100, "2029-03-15T00:00:00Z": 47, "2040-01-01T00:00:00Z": 47,
	} {
		at, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := PublicLife(at); got != want {
			t.Errorf("%s: got %d, want %d", day, got, want)
		}
	}
	for days, want := range map[int]string{398: "1.4", 200: "2.7", 100: "5.5", 47: "11.7", 45: "12.2", 0: "0.0"} {
		if got := strconv.FormatFloat(RenewalsPerYear(days), 'f', 1, 64); got != want {
			t.Errorf("%d days: got %s renewals a year, want %s", days, got, want)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	find := func(w Wants, id string) Fit {
		t.Helper()
		all, err := Fits(w)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(f Fit) bool { return f.Authority.ID == id })
		return all[i]
	}
	for _, c := range []struct {
		wants Wants
		id    string
		want  string
	}{
		{Wants{}, "letsencrypt", FitYes},
		{Wants{Features: []string{"acme", "no-eab", "ari", "wildcard", "free"}, Names: 100}, "letsencrypt", FitYes},
		{Wants{Names: 101}, "letsencrypt", FitNo},
		{Wants{Features: []string{"old-android"}}, "letsencrypt", FitNo},
		{Wants{Features: []string{"old-android", "client-auth"}}, "google", FitYes},
		{Wants{Features: []string{"no-eab"}}, "google", FitNo},
		{Wants{Features: []string{"java"}}, "google", FitUnknown},
		{Wants{Features: []string{"java", "no-eab"}}, "google", FitNo},
		{Wants{Names: 6}, "actalis", FitNo},
		{Wants{Names: 6}, "sectigo", FitUnknown},
	} {
		f := find(c.wants, c.id)
		if f.Fits != c.want || len(f.Reasons) != len(c.wants.Features)+min(c.wants.Names, 1) {
			t.Errorf("%+v, %s: got %s, %v, want %s", c.wants, c.id, f.Fits, f.Reasons, c.want)
		}
	}
	all, err := Fits(Wants{Features: []string{"old-android"}})
	if err != nil || all[0].Fits != FitYes || all[len(all)-1].Fits != FitNo {
		t.Errorf("got %v, %v, want those that fit first", all, err)
	}
	if _, err := Fits(Wants{Features: []string{"green bar"}}); err == nil {
		t.Error("green bar: want an error")
	}
}
