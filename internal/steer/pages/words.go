package pages

import (
	"fmt"
	"strconv"
	"time"

	"postseal/internal/ground/health"
)

// words is the wording of the pages in one language. It is made once and never changed.
type words struct {
	code, name string // "ko", "한국어"
	texts      map[string]string

	// What comes to the pages in English is translated by these; without an entry it stays English.
	conditions map[health.Code]string
	hints      map[health.Code]string
	phrases    map[string]string // whole sentences of other packages
	patterns   []pattern         // sentences of other packages with something in them
	problems   map[string]string // refusals, by the name of their error
}

// said is a text in both languages, side by side, so that nobody changes one and forgets the other.
type said struct{ en, ko string }

// vocabulary is the wording of one page, by key.
type vocabulary map[string]said

// vocabularies are those of all pages. A page that has words of its own adds its vocabulary here; what every page and
// the first one say stands in english.go and korean.go.
func vocabularies() []vocabulary {
	return []vocabulary{frameWords(), actWords(), certificatesWords(), certificateWords(), makeWords(), importWords(), exportWords(), enableWords(),
		listenersWords(), trustWords(), overviewWords(), historyWords(),
		checkWords(), planWords(), calendarWords(), auditWords(), backupWords(), tokensWords(), wizardWords(),
		noticesWords(), reportWords(), publicTrustWords(), authorityWords(), rootWords(), healthWords(), monthsWords(), peopleWords(), pendingWords(), enrolmentWords(), shapeWords(), fallWords(), askedWords()}
}

// languages are those of the pages, the default first.
func languages() []*words {
	en, ko := english(), korean()
	for _, v := range vocabularies() {
		for key, text := range v {
			en.texts[key], ko.texts[key] = text.en, text.ko
		}
	}
	return []*words{en, ko}
}

// say returns the text of key. A key that is not there shows itself; a test looks for that.
func (w *words) say(key string, args ...any) string {
	text, ok := w.texts[key]
	if !ok {
		return "⟨" + key + "⟩"
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// phrase translates a sentence of another package.
func (w *words) phrase(english string) string {
	if text, ok := w.phrases[english]; ok {
		return text
	}
	return english
}

// days says a number of days.
func (w *words) days(n int) string {
	if n == 1 {
		return w.say("day", grouped(n))
	}
	return w.say("days", grouped(n))
}

// grouped prints a number with its thousands apart, as both languages do.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// plainNumber prints a number that is a name: a port, a generation.
func plainNumber[N uint16 | int](n N) string { return strconv.Itoa(int(n)) }

// stamp is a moment for machines and for people.
type stamp struct{ Machine, Human string }

// day shows the day of a moment; its hour stands only in what machines read.
func day(t time.Time) stamp {
	return stamp{t.UTC().Format(time.RFC3339), t.Local().Format(time.DateOnly)}
}

// minute shows a moment in the server's zone and names the zone: a page without script does not know its
// reader's, and an administrator compares with the server's log.
func minute(t time.Time) stamp {
	return stamp{t.UTC().Format(time.RFC3339), t.Local().Format("2006-01-02 15:04 MST")}
}
