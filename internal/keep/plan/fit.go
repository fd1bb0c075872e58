package plan

import (
	"fmt"
	"slices"
	"strconv"
)

// Wants is what is asked of an authority.
type Wants struct {
	Features []string `json:"features"` // of WantWords
	Names    int      `json:"names,omitempty"`
}

// UnknownWantError reports a word that is nothing one can ask of an authority.
type UnknownWantError struct{ Word string }

func (e *UnknownWantError) Error() string {
	return fmt.Sprintf("wish %.80q: there is no such wish", e.Word)
}

// want is one thing to ask for: the fact that answers, and the values with which it is fulfilled.
type want struct {
	word   string
	fact   func(Authority) Fact
	yes    []string
	is, ko string // what is asked for, in words
}

func wants() []want {
	return []want{
		{"acme", func(a Authority) Fact { return a.ACME }, []string{"yes"}, "ACME", "ACME"},
		{"no-eab", func(a Authority) Fact { return a.EAB }, []string{"no"}, "an account without a key handed out before (EAB)", "사전 발급 키(EAB) 없는 계정"},
		{"ari", func(a Authority) Fact { return a.ARI }, []string{"yes"}, "a word on when to renew (ARI)", "갱신 시점 안내(ARI)"},
		{"wildcard", func(a Authority) Fact { return a.Wildcard }, []string{"yes", "paid"}, "wildcards", "와일드카드"},
		{"common-name", func(a Authority) Fact { return a.CommonName }, []string{"yes"}, "a common name", "일반 이름(CN)"},
		{"ip", func(a Authority) Fact { return a.IP }, []string{"yes", "short-lived"}, "IP addresses", "IP 주소"},
		{"client-auth", func(a Authority) Fact { return a.ClientAuth }, []string{"yes", "on request"}, "clientAuth", "클라이언트 인증"},
		{"free", func(a Authority) Fact { return a.Cost }, []string{"free", "free or paid"}, "no cost", "무료"},
		{"windows", func(a Authority) Fact { return a.Windows }, []string{"yes"}, "trust by Windows", "Windows의 신뢰"},
		{"ios", func(a Authority) Fact { return a.IOS }, []string{"yes"}, "trust by iOS", "iOS의 신뢰"},
		{"old-android", func(a Authority) Fact { return a.OldAndroid }, []string{"yes"}, "trust by old Android", "오래된 Android의 신뢰"},
		{"java", func(a Authority) Fact { return a.Java }, []string{"yes"}, "trust by Java", "Java의 신뢰"},
	}
}

// WantWords returns every word of [Wants].
func WantWords() []string {
	var words []string
	for _, w := range wants() {
		words = append(words, w.word)
	}
	return words
}

// Answers of a [Fit].
const (
	FitYes     = "yes"
	FitNo      = "no"
	FitUnknown = Unknown // nothing speaks against it, but something is not known
)

// Fit says whether an authority does what is asked of it.
type Fit struct {
	Authority Authority `json:"authority"`
	Fits      string    `json:"fits"`
	Reasons   []Text    `json:"reasons"`

	against []Text // those of Reasons that make it FitNo
}

// Against returns the reasons for which an authority does not fit; none where it does, or where too little is known.
func (f Fit) Against() []Text { return f.against }

// Fits answers for every authority, those that fit first. The error is an [*UnknownWantError].
func Fits(w Wants) ([]Fit, error) {
	for _, word := range w.Features {
		if !slices.Contains(WantWords(), word) {
			return nil, &UnknownWantError{Word: word}
		}
	}
	var all []Fit
	for _, a := range Authorities() {
		all = append(all, a.fit(w))
	}
	order := []string{FitYes, FitUnknown, FitNo}
	slices.SortStableFunc(all, func(a, b Fit) int { return slices.Index(order, a.Fits) - slices.Index(order, b.Fits) })
	return all, nil
}

func (a Authority) fit(w Wants) Fit {
	f := Fit{Authority: a, Fits: FitYes, Reasons: []Text{}}
	say := func(fits string, reason Text) {
		if f.Fits != FitNo && fits != FitYes {
			f.Fits = fits
		}
		f.Reasons = append(f.Reasons, reason)
		if fits == FitNo {
			f.against = append(f.against, reason)
		}
	}
	for _, one := range wants() {
		if !slices.Contains(w.Features, one.word) {
			continue
		}
		fact := one.fact(a)
		note := ""
		if fact.Note != "" {
			note = " (" + fact.Note + ")"
		}
		switch {
		case !fact.Known():
			say(FitUnknown, Text{one.is + ": not known" + note, one.ko + ": 알려져 있지 않음"})
		case slices.Contains(one.yes, fact.Value):
			say(FitYes, Text{one.is + ": " + fulfilled(fact.Value) + note, one.ko + ": 가능"})
		default:
			say(FitNo, Text{one.is + ": " + fact.Value + note, one.ko + ": 불가"})
		}
	}
	if w.Names > 0 {
		most, err := strconv.Atoi(a.MaxNames.Value)
		switch {
		case err != nil:
			say(FitUnknown, Text{fmt.Sprintf("%d names in one certificate: not known", w.Names), fmt.Sprintf("인증서 하나에 이름 %d개: 알려져 있지 않음", w.Names)})
		case most < w.Names:
			say(FitNo, Text{fmt.Sprintf("%d names in one certificate: at most %d", w.Names, most), fmt.Sprintf("인증서 하나에 이름 %d개: 최대 %d개", w.Names, most)})
		default:
			say(FitYes, Text{fmt.Sprintf("%d names in one certificate: up to %d", w.Names, most), fmt.Sprintf("인증서 하나에 이름 %d개: 가능(최대 %d개)", w.Names, most)})
		}
	}
	return f
}

// fulfilled is how a value reads that is what was asked for: "no" can be good news.
func fulfilled(value string) string {
	if value == "no" {
		return "yes"
	}
	return value
}
