package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func public() Subject {
	return Subject{Lineage: "mail", Origin: OriginPublic, CommonName: true, Listeners: []string{"imaps"}, Issuer: "CN=R12,O=Sectigo Limited,C=GB",
		NotBefore: today.AddDate(0, -1, 0), NotAfter: today.AddDate(0, 5, 0)}
}

func effects(s Subject) []string {
	var all []string
	for _, e := range Impact(today, s) {
		all = append(all, fmt.Sprintf("%s %s %s", e.Date, e.Effect, e.Rule))
	}
	return all
}

func TestImpact(t *testing.T) {
	t.Parallel()
	byHand := public()
	automated, client, partner, acme, self, private, request, broken, ended, noName := public(), public(), public(), public(), public(), public(), public(), public(), public(), public()
	automated.Automated = true
	client.ClientAuth = true
	partner.Partner = "bank"
	acme.Issuer = "CN=YR1,O=Let's Encrypt,C=US"
	self.Origin = OriginSelf
	private.Origin = OriginPrivate
	request.Origin, request.NotBefore, request.NotAfter = OriginUnknown, time.Time{}, time.Time{}
	broken.SHA1 = true
	ended.NotAfter = today.AddDate(0, 0, -2)
	noName.CommonName = false
	for _, c := range []struct {
		name       string
		subject    Subject
		want, none []string
	}{
		{"by hand", byHand, []string{"2027-03-15 work life-100", "2029-03-15 work life-47", "2027-03-15 work dcv-100", "2027-03-15 watch caa-account", "2027-04-28 work "}, []string{"none", "breaks", "le-64", "clientauth"}},
		{"automated", automated, []string{"2027-03-15 none life-100"}, []string{"work", "breaks"}},
		{"for clients", client, []string{"2027-03-15 breaks clientauth-end"}, []string{"digicert"}},
		{"to a partner", partner, []string{"2027-03-15 watch clientauth-end"}, []string{"breaks"}},
		{"of Let's Encrypt", acme, []string{"2027-02-10 work le-64", "2028-02-16 work le-45"}, []string{"life-100", "life-47"}}, // shorter already
		{"self-signed", self, []string{"2026-11-28 none ", "2027-04-28 work "}, []string{"life", "breaks"}},
		{"of our own authority", private, []string{"2026-11-28 none "}, []string{"life"}},
		{"a request", request, []string{"2027-03-15 work life-100"}, []string{"2027-04-28"}},
		{"SHA-1", broken, []string{"2026-11-28 breaks sha1"}, nil},
		{"ended", ended, []string{"2026-11-28 breaks "}, nil},
		{"without common name", noName, []string{"2026-11-28 watch le-tlsserver"}, nil},
	} {
		got := effects(c.subject)
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: %q is missing in %q", c.name, want, got)
			}
		}
		for _, none := range c.none {
			if slices.ContainsFunc(got, func(e string) bool { return strings.Contains(e, none) }) {
				t.Errorf("%s: %q is in %q", c.name, none, got)
			}
		}
		for _, e := range Impact(today, c.subject) {
			if e.What.Korean == "" || e.Do.Korean == "" || e.What.English == "" || e.Do.English == "" || e.Listeners == nil {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
	}
	mail := public()
	mail.Mail = true
	if got := effects(mail); !slices.Contains(got, "2027-07-01 watch smime-eku") || slices.ContainsFunc(got, func(e string) bool { return strings.Contains(e, "life") }) {
		t.Errorf("S/MIME: got %q", got)
	}
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	one, two := public(), public()
	two.Lineage, two.ClientAuth = "client", true
	c := NewCalendar(today, []Subject{one, two}, false)
	if c.Rules[0].Date < c.From || len(NewCalendar(today, nil, true).Rules) != len(Rules()) {
		t.Errorf("got rules from %s", c.Rules[0].Date)
	}
	if !slices.IsSortedFunc(c.Effects, func(a, b Effect) int { return strings.Compare(a.Date, b.Date) }) || !slices.IsSortedFunc(c.Points, func(a, b Point) int { return strings.Compare(a.Date, b.Date) }) {
		t.Error("not in order")
	}
	for _, want := range []Point{{Rule: "life-100", Effect: EffectWork, Lines: 2}, {Rule: "clientauth-end", Effect: EffectBreaks, Lines: 1}, {Rule: "mpic-5", Effect: EffectWatch, Lines: 2}, {Rule: "smime-eku", Effect: EffectNone}} {
		i := slices.IndexFunc(c.Points, func(p Point) bool { return p.Rule == want.Rule })
		if got := c.Points[i]; got.Effect != want.Effect || got.Lines != want.Lines {
			t.Errorf("%s: got %+v, want %s of %d", want.Rule, got, want.Effect, want.Lines)
		}
	}
	if n := len(slices.DeleteFunc(slices.Clone(c.Points), func(p Point) bool { return p.Kind != "end" })); n != 2 {
		t.Errorf("got %d ends, want 2", n)
	}
}

func TestSubjectsOfAnInventory(t *testing.T) {
	t.Parallel()
	all := inventory(t, []Need{need("mail.example.com", ZoneInside), need("a.example.com", ZoneManagement), need("mx.example.com", PartnerZone("bank"))}).Subjects()
	if len(all) != 3 || all[0].Origin != OriginPublic || all[1].Origin != OriginSelf || all[2].Partner != "bank" {
		t.Errorf("got %+v", all)
	}
}

// TestICalendar reads the file back as RFC 5545 says: unfold, then look at each content line.
func TestICalendar(t *testing.T) {
	t.Parallel()
	s := public()
	s.Lineage = "메일,인증;서" // letters of three octets at the fold, and what must be escaped
	c := NewCalendar(today, []Subject{s}, true)
	text := string(c.ICalendar(today))
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n") {
			t.Errorf("a line of %d octets: %q", len(line), line)
		}
	}
	events, inside := 0, false
	uids := make(map[string]bool)
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSuffix(text, "\r\n"), "\r\n ", ""), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("no content line: %q", line)
		}
		switch {
		case line == "BEGIN:VEVENT" && !inside:
			inside, events = true, events+1
		case line == "END:VEVENT" && inside:
			inside = false
		case name == "UID":
			if uids[value] {
				t.Errorf("UID %s stands there twice", value)
			}
			uids[value] = true
		case name == "DTSTART;VALUE=DATE":
			if _, err := time.Parse("20060102", value); err != nil {
				t.Error(err)
			}
		case name == "SUMMARY", name == "DESCRIPTION":
			if plain := strings.NewReplacer(`\\`, "", `\,`, "", `\;`, "", `\n`, "").Replace(value); strings.ContainsAny(plain, `,;\`) {
				t.Errorf("not escaped: %q", line)
			}
		case !slices.Contains([]string{"BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "METHOD", "DTSTAMP", "URL", "TRANSP"}, name):
			t.Errorf("unknown: %q", line)
		}
	}
	asked := len(slices.DeleteFunc(slices.Clone(c.Effects), func(e Effect) bool { return e.Effect == EffectNone }))
	if want := len(c.Rules) + asked; events != want || len(uids) != want || inside || !strings.HasPrefix(text, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n") || !strings.HasSuffix(text, "END:VCALENDAR\r\n") {
		t.Errorf("got %d events and %d UIDs, want %d", events, len(uids), want)
	}
}
