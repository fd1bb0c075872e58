package letter

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/keep/notice"
	"postseal/internal/steer/desk"
)

// letters are one of each kind, with every condition there is.
func letters() []desk.Letter {
	at := time.Date(2030, 1, 7, 7, 0, 0, 0, time.UTC)
	var items []notice.Item
	for _, code := range health.Codes() {
		items = append(items, notice.Item{Notice: state.Notice{ID: "1", Kind: string(code), Object: "mail", Stage: 30, Text: "it is so", OpenedAt: at, EndsAt: at.AddDate(0, 1, 0)}})
	}
	over := items[0]
	over.Closing = true
	report := &desk.Report{Organisation: "Example", Server: "mail1.example.com", MadeAt: at, Since: at.AddDate(0, 0, -7),
		NeedsYou: []health.Condition{{Code: health.CodeServedNotBound, Object: "imaps", Text: "x"}},
		Changed:  []desk.ReportChange{{Number: 1, At: at, Who: "root\nForged: line", From: "socket", Act: "enable", Object: "mail"}},
		Ends:     []desk.Certificate{{Name: "Mail", Lineage: "mail", KeyType: "ECDSA P-256", NotAfter: at.AddDate(0, 1, 0)}}}
	base := desk.Letter{Organisation: "Example", Server: "mail1.example.com", MadeAt: at}
	with := func(change func(*desk.Letter)) desk.Letter {
		l := base
		change(&l)
		return l
	}
	return []desk.Letter{
		with(func(l *desk.Letter) {
			l.Kind, l.News, l.Doubt, l.Late = desk.LetterNotices, append(items, over), true, at
		}),
		with(func(l *desk.Letter) { l.Kind, l.News, l.Still = desk.LetterNotices, items[:1], items[1:] }),
		with(func(l *desk.Letter) { l.Kind, l.News = desk.LetterNotices, []notice.Item{over} }),
		with(func(l *desk.Letter) { l.Kind, l.News = desk.LetterNotices, []notice.Item{over, over} }),
		with(func(l *desk.Letter) { l.Kind, l.Report, l.Doubt = desk.LetterReport, report, true }),
		with(func(l *desk.Letter) { l.Kind, l.Report = desk.LetterReport, &desk.Report{} }),
		with(func(l *desk.Letter) { l.Kind = desk.LetterTest }),
	}
}

// TestLetters: nothing is left without words, Korean letters are Korean, a line of somebody else's making is none of
// ours, and programs can read the rest.
func TestLetters(t *testing.T) {
	t.Parallel()
	for _, language := range []string{English, Korean, "xx"} {
		for i, l := range letters() {
			m := Word(language)(l)
			whole := m.Subject + "\n" + m.Text
			for _, bad := range []string{"⟨", "%!", "{object}", "\nForged"} {
				if strings.Contains(whole, bad) {
					t.Errorf("%s %d: %q in %s", language, i, bad, whole)
				}
			}
			if hangul := regexp.MustCompile(`\p{Hangul}`).MatchString(m.Text); hangul != (language == Korean) {
				t.Errorf("%s %d: Korean %v: %s", language, i, hangul, m.Text)
			}
			if strings.ContainsAny(m.Subject, "\r\n") || len([]rune(m.Subject)) > 201 {
				t.Errorf("%s %d: subject %q", language, i, m.Subject)
			}
			var h hook
			if err := json.Unmarshal(m.JSON, &h); err != nil || h.Version != 1 || len(h.Notices) != len(l.News)+len(l.Still) {
				t.Errorf("%s %d: got %v, %v", language, i, h, err)
			}
		}
	}
}

func TestEverythingHasBothLanguages(t *testing.T) {
	t.Parallel()
	verbs := regexp.MustCompile(`%[sd]`)
	for key, s := range texts() {
		if s.en == "" || s.ko == "" || len(verbs.FindAllString(s.en, -1)) != len(verbs.FindAllString(s.ko, -1)) {
			t.Errorf("%s: %q and %q do not fit", key, s.en, s.ko)
		}
	}
}

func TestAMailIsNeverEndless(t *testing.T) {
	t.Parallel()
	l := letters()[1]
	for range 20_000 {
		l.News = append(l.News, l.News[0])
	}
	if m := Word(Korean)(l); len(m.Text) > 200<<10 || len(m.JSON) > 2<<20 || !strings.Contains(m.Text, "postseal notice list") {
		t.Errorf("got %d bytes of text, %d of JSON", len(m.Text), len(m.JSON))
	}
}
