package plan

import (
	_ "embed" // authorities.json
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postseal/internal/issue/selfsigned"
)

//go:embed authorities.json
var authoritiesJSON []byte

// Unknown is the value of a fact that nobody has shown. It is never taken for yes, and never for no.
const Unknown = "unknown"

// Fact is one thing that is known of an authority, and from where.
type Fact struct {
	Value  string `json:"value"` // "yes", "no", "paid", "on request", "short-lived", a number, or Unknown
	Source string `json:"source,omitempty"`
	Date   string `json:"date,omitempty"` // when it was said or, where the source has no date, read
	Note   string `json:"note,omitempty"`
}

// Known reports whether the fact is one.
func (f Fact) Known() bool { return f.Value != "" && f.Value != Unknown }

// Life is how long the certificates of an authority last from a day on.
type Life struct {
	From   string `json:"from"`
	Days   int    `json:"days"`
	Source string `json:"source"`
	Date   string `json:"date"`
}

// Authority is a public authority, in facts.
type Authority struct {
	ID         string `json:"id"` // the word of --authority
	Name       string `json:"name"`
	ACME       Fact   `json:"acme"`
	EAB        Fact   `json:"eab"` // an account there needs a key that was handed out before
	ARI        Fact   `json:"ari"` // it says when to renew, RFC 9773
	Wildcard   Fact   `json:"wildcard"`
	CommonName Fact   `json:"commonName"` // the subject has one, which some old devices want
	IP         Fact   `json:"ip"`
	ClientAuth Fact   `json:"clientAuth"`
	MaxNames   Fact   `json:"maxNames"` // in one certificate
	Cost       Fact   `json:"cost"`     // "free", "paid" or "free or paid"
	Windows    Fact   `json:"windows"`  // trusts it, as the next three
	IOS        Fact   `json:"ios"`
	OldAndroid Fact   `json:"oldAndroid"` // below 7.1.1
	Java       Fact   `json:"java"`
	Life       []Life `json:"life"` // by day; empty for unknown
}

// Authorities returns the public authorities that there are facts of.
func Authorities() []Authority { return slices.Clone(authorities()) }

var authorities = sync.OnceValue(func() []Authority {
	var all []Authority
	mustParse(authoritiesJSON, &all)
	return all
})

// mustParse reads data that is part of the program.
func mustParse(data []byte, into any) {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		panic(fmt.Sprintf("plan: internal error: embedded data: %v", err))
	}
}

// Words for issuers that are no public authority.
const (
	IssuerSelf   = "self"   // each certificate signs itself
	IssuerPublic = "public" // some public authority, by the common rules only
)

// UnknownAuthorityError reports a word that names no authority.
type UnknownAuthorityError struct{ Word string }

func (e *UnknownAuthorityError) Error() string {
	return fmt.Sprintf("authority %.80q: there are no facts of it", e.Word)
}

// AuthorityWords returns every word that names an issuer.
func AuthorityWords() []string {
	words := []string{IssuerPublic, IssuerSelf}
	for _, a := range authorities() {
		words = append(words, a.ID)
	}
	return words
}

// terms are what an issuer lets us do.
type terms struct {
	id, name string
	public   bool
	maxNames int
	wildcard bool
	ip       string // the value of the fact
	life     func(day time.Time) int
	assumed  []Text // what is not known and was taken for something
}

// assumedNames is how many names fit when nobody says: the number of most, and the bound of our own requests.
const assumedNames = selfsigned.MaxNames

// selfDays is the life of a self-signed certificate when nobody asks for another (package desk).
const selfDays = 825

func selfTerms() *terms {
	return &terms{id: IssuerSelf, name: "self-signed", maxNames: selfsigned.MaxNames, wildcard: true, ip: "yes", life: func(time.Time) int { return selfDays }}
}

// termsOf finds the terms of a word of [AuthorityWords]; empty is IssuerPublic.
func termsOf(word string) (*terms, error) {
	switch word {
	case IssuerSelf:
		return selfTerms(), nil
	case IssuerPublic, "":
		return &terms{id: IssuerPublic, name: "a public authority", public: true, maxNames: assumedNames, wildcard: true, ip: Unknown, life: PublicLife}, nil
	}
	all := authorities()
	i := slices.IndexFunc(all, func(a Authority) bool { return strings.EqualFold(a.ID, word) })
	if i < 0 {
		return nil, &UnknownAuthorityError{Word: word}
	}
	a := all[i]
	t := &terms{id: a.ID, name: a.Name, public: true, maxNames: assumedNames, ip: a.IP.Value, life: a.LifeAt}
	if n, err := strconv.Atoi(a.MaxNames.Value); err == nil {
		t.maxNames = min(n, assumedNames)
		if n > assumedNames {
			t.assumed = append(t.assumed, Text{
				fmt.Sprintf("%s takes %d names in one certificate; requests made here have at most %d", a.Name, n, assumedNames),
				fmt.Sprintf("%s은(는) TLS 인증서 하나에 이름을 %d개까지 받지만, 여기서 만드는 요청서에는 %d개까지 들어갑니다", a.Name, n, assumedNames)})
		}
	} else {
		t.assumed = append(t.assumed, Text{
			fmt.Sprintf("how many names %s takes is not known; %d are assumed", a.Name, assumedNames),
			fmt.Sprintf("%s이(가) 이름을 몇 개까지 받는지 알려져 있지 않아 %d개로 보았습니다", a.Name, assumedNames)})
	}
	switch a.Wildcard.Value {
	case "yes", "paid":
		t.wildcard = true
	case Unknown:
		t.assumed = append(t.assumed, Text{
			fmt.Sprintf("whether %s signs wildcards is not known; none is planned", a.Name),
			fmt.Sprintf("%s이(가) 와일드카드를 발급하는지 알려져 있지 않아 계획에 넣지 않았습니다", a.Name)})
	}
	return t, nil
}

// LifeAt returns how many days a certificate lasts that the authority issues on a day: by its own word, and never longer
// than the rules for all.
func (a Authority) LifeAt(day time.Time) int {
	days := PublicLife(day)
	for _, l := range a.Life {
		if l.From <= day.UTC().Format(time.DateOnly) {
			days = min(PublicLife(day), l.Days)
		}
	}
	return days
}

// takesAddress says whether an address may be in a certificate of the issuer.
func (t *terms) takesAddress() bool { return t.ip == "yes" || t.ip == "short-lived" }
