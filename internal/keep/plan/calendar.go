package plan

import (
	_ "embed" // rules.json
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed rules.json
var rulesJSON []byte

// Kinds of rules.
const (
	KindLife       = "life"       // how long certificates last
	KindValidation = "validation" // how one proves that a domain is one's own
	KindClientAuth = "clientAuth" // whether a server's certificate may also show who a client is
	KindRoot       = "root"       // what the keepers of root stores ask
	KindACME       = "acme"
	KindSignature  = "signature"
	KindSMIME      = "smime"
	KindRevocation = "revocation"
)

// Rule is something that changes on a day, with who says so.
type Rule struct {
	ID        string `json:"id"`
	Date      string `json:"date"` // 2006-01-02, UTC
	Kind      string `json:"kind"`
	Days      int    `json:"days,omitempty"`      // of a life, or for which a proof is good
	Authority string `json:"authority,omitempty"` // that it is a rule of; empty for all public ones
	What      Text   `json:"what"`
	Do        Text   `json:"do"`
	Source    string `json:"source"`
	AsOf      string `json:"asOf"` // day of the source
}

// Day is the day of the rule, at midnight UTC.
func (r Rule) Day() time.Time {
	day, err := time.Parse(time.DateOnly, r.Date)
	if err != nil {
		panic("plan: internal error: embedded data: " + err.Error())
	}
	return day
}

// Rules returns every rule, by day.
func Rules() []Rule { return slices.Clone(rules()) }

// rules are read once: a calendar of ten thousand certificates asks for them all the time. Nobody changes them.
var rules = sync.OnceValue(func() []Rule {
	var all []Rule
	mustParse(rulesJSON, &all)
	slices.SortStableFunc(all, func(a, b Rule) int { return strings.Compare(a.Date, b.Date) })
	return all
})

// PublicLife returns how many days a public certificate that is issued on a day may last.
func PublicLife(day time.Time) int {
	days := 825 // before the first rule of ours
	for _, r := range rules() {
		if r.Kind == KindLife && r.Authority == "" && !r.Day().After(day) {
			days = r.Days
		}
	}
	return days
}

// lifeDays are the days on which lives change, from a moment on.
func lifeDays(from time.Time, authority string) []time.Time {
	days := []time.Time{from}
	for _, r := range rules() {
		if r.Kind == KindLife && (r.Authority == "" || r.Authority == authority) && r.Day().After(from) && !slices.ContainsFunc(days, r.Day().Equal) {
			days = append(days, r.Day())
		}
	}
	return days
}

// RenewalsPerYear says how often a certificate of so many days is renewed in a year, when that is done with a third of
// its life left, as authorities advise.
func RenewalsPerYear(days int) float64 {
	if days <= 0 {
		return 0
	}
	return 365.25 / (float64(days) * 2 / 3)
}

// Subject is a line of certificates, as far as rules look at it.
type Subject struct {
	Lineage    string    `json:"lineage"` // or the name of what is planned
	Names      []string  `json:"names"`
	Listeners  []string  `json:"listeners"`
	Partner    string    `json:"partner,omitempty"` // it is shown to
	Origin     string    `json:"origin"`            // OriginPublic and so on
	Issuer     string    `json:"issuer,omitempty"`  // RFC 4514 text
	Automated  bool      `json:"automated"`         // renews by itself
	ClientAuth bool      `json:"clientAuth"`        // says that it is for clients too
	Mail       bool      `json:"mail"`              // is for S/MIME
	CommonName bool      `json:"commonName"`
	SHA1       bool      `json:"sha1"`
	NotBefore  time.Time `json:"notBefore,omitzero"`
	NotAfter   time.Time `json:"notAfter,omitzero"`
}

// Where a certificate comes from, as rules see it.
const (
	OriginPublic  = "public"  // an authority that systems trust
	OriginPrivate = "private" // an authority of our own, or of another organisation
	OriginSelf    = "self"    // it signs itself
	OriginUnknown = "unknown" // a request without its answer
)

// How much a rule means for a subject.
const (
	EffectBreaks = "breaks" // something stops working on that day, or at the renewal after it
	EffectWork   = "work"   // more is to be done
	EffectWatch  = "watch"  // it may matter; look
	EffectNone   = "none"   // and why not
)

// Effect is what a rule means for one subject.
type Effect struct {
	Date      string   `json:"date"` // from which it counts
	Rule      string   `json:"rule,omitempty"`
	Subject   string   `json:"subject"`
	Listeners []string `json:"listeners"`
	Partner   string   `json:"partner,omitempty"`
	Effect    string   `json:"effect"`
	What      Text     `json:"what"`
	Do        Text     `json:"do"`
}

// Point is one mark on a time line.
type Point struct {
	Date   string `json:"date"`
	Kind   string `json:"kind"`   // of the rule, or "end" of a certificate
	Effect string `json:"effect"` // the worst for any subject; EffectNone where nobody is concerned
	Label  Text   `json:"label"`
	Rule   string `json:"rule,omitempty"`
	Lines  int    `json:"lines"` // of certificates that are concerned
}

// Calendar is what changes, and what that means for the subjects.
type Calendar struct {
	From    string   `json:"from"` // the day that it was made for
	Rules   []Rule   `json:"rules"`
	Effects []Effect `json:"effects"` // by date
	Points  []Point  `json:"points"`  // by date, for a picture
}

// NewCalendar tells, from a moment on, which rules come and what they mean for the subjects. Rules of the past are kept
// if past is set; their effects are told in any case where they still matter.
func NewCalendar(from time.Time, subjects []Subject, past bool) *Calendar {
	today := from.UTC().Format(time.DateOnly)
	c := &Calendar{From: today, Rules: []Rule{}, Effects: []Effect{}, Points: []Point{}}
	for _, r := range rules() {
		if past || r.Date >= today {
			c.Rules = append(c.Rules, r)
		}
	}
	for _, s := range subjects {
		c.Effects = append(c.Effects, Impact(from, s)...)
	}
	slices.SortStableFunc(c.Effects, func(a, b Effect) int {
		return strings.Compare(a.Date+a.Subject, b.Date+b.Subject)
	})
	c.point(subjects, today)
	return c
}

// point draws the time line.
func (c *Calendar) point(subjects []Subject, today string) {
	order := []string{EffectNone, EffectWatch, EffectWork, EffectBreaks}
	for _, r := range c.Rules {
		p := Point{Date: r.Date, Kind: r.Kind, Effect: EffectNone, Label: r.What, Rule: r.ID}
		for _, e := range c.Effects {
			if e.Rule == r.ID && e.Effect != EffectNone {
				p.Lines++
				if slices.Index(order, e.Effect) > slices.Index(order, p.Effect) {
					p.Effect = e.Effect
				}
			}
		}
		c.Points = append(c.Points, p)
	}
	for _, s := range subjects {
		if s.NotAfter.IsZero() {
			continue
		}
		p := Point{Date: s.NotAfter.UTC().Format(time.DateOnly), Kind: "end", Effect: EffectWork, Lines: 1, Label: Text{s.Lineage + " ends", s.Lineage + " 만료"}}
		switch {
		case p.Date < today:
			p.Effect = EffectBreaks
		case s.Automated:
			p.Effect = EffectNone
		}
		c.Points = append(c.Points, p)
	}
	slices.SortStableFunc(c.Points, func(a, b Point) int { return strings.Compare(a.Date, b.Date) })
}
