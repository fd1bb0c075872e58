package pages

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/crl"
	"postseal/internal/keep/plan"
	"postseal/internal/keep/trustfile"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/hint"
	"postseal/internal/steer/probe"
)

func TestBothLanguagesHaveTheSameKeys(t *testing.T) {
	t.Parallel()
	en, ko := languages()[0].texts, languages()[1].texts
	for key, text := range en {
		other, ok := ko[key]
		if !ok {
			t.Errorf("korean.go has no %q", key)
			continue
		}
		if text == "" || other == "" {
			t.Errorf("%q is empty in a language", key)
		}
		if got, want := strings.Count(other, "%s"), strings.Count(text, "%s"); got != want {
			t.Errorf("%q has %d places to fill in Korean, %d in English", key, got, want)
		}
	}
	for key := range ko {
		if _, ok := en[key]; !ok {
			t.Errorf("english.go has no %q", key)
		}
	}
}

// TestKoreanNamesCertificatesInFull: 인증서 alone is another thing to Korean readers.
func TestKoreanNamesCertificatesInFull(t *testing.T) {
	t.Parallel()
	w := languages()[1]
	for _, texts := range [][]string{slices.Collect(maps.Values(w.texts)), slices.Collect(maps.Values(w.conditions)),
		slices.Collect(maps.Values(w.hints)), slices.Collect(maps.Values(w.phrases)), slices.Collect(maps.Values(w.problems))} {
		for _, text := range texts {
			if rest := strings.ReplaceAll(text, "TLS 인증서", ""); strings.Contains(rest, "인증서") {
				t.Errorf("%q: write TLS 인증서", text)
			}
		}
	}
}

// TestKeysAreUsedAndThere: each key that the templates and the code name is a text, and each text is named.
func TestKeysAreUsedAndThere(t *testing.T) {
	t.Parallel()
	texts := languages()[0].texts
	used := make(map[string]bool)
	templates, err := fs.Glob(files, "templates/*.html")
	if err != nil || len(templates) == 0 {
		t.Fatalf("templates: got %v, %v", templates, err)
	}
	for _, name := range templates {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.T "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
			used[m[1]] = true
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	tables := []string{"english.go", "korean.go", "vocabulary.go", "translation.go"}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(tables, name) {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// The keys that are said at once must be there; of the others it is enough to stand somewhere as a whole.
		for _, m := range regexp.MustCompile(`(?:say\(|(?:title|intro|send): |errEntry\()"([^"]+)"[,)]`).FindAllStringSubmatch(string(source), -1) {
			used[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`\.fail\(w, r, [^"]*"([^"]+)"\)`).FindAllStringSubmatch(string(source), -1) {
			used["problem."+m[1]], used["problem."+m[1]+".title"] = true, true
		}
		for _, m := range regexp.MustCompile(`(?:ask\("[a-z-]+", |check\(|choose\()"([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
			used["field."+m[1]] = true
			if help := "field." + m[1] + ".help"; texts[help] != "" {
				used[help] = true
			}
		}
		for _, m := range regexp.MustCompile(`newStep\("[a-z/-]+", "([^"]+[^".])"|newStep\(act, "([^"]+[^".])"`).FindAllStringSubmatch(string(source), -1) {
			used[m[1]+m[2]], used[m[1]+m[2]+".done"] = true, true
		}
		for _, m := range regexp.MustCompile(`add\("(detail\.[a-z-]+)"|\{"([a-z]+)", "/`).FindAllStringSubmatch(string(source), -1) {
			if m[1] != "" {
				used[m[1]] = true
			} else {
				used["nav."+m[2]] = true
			}
		}
	}
	for _, s := range []string{state.StateCurrent, state.StateNext, state.StatePrevious, state.StateRetired, state.StatePending, "number"} {
		used["generation."+s] = true
	}
	for _, root := range x509cert.RootTypes() {
		used["root."+string(root)] = true
	}
	for _, role := range []string{state.RoleDefault, state.RoleName} {
		used["role."+role] = true
	}
	for _, origin := range []string{state.AnchorAdded, state.AnchorPushed} {
		used["trust."+origin] = true
	}
	for _, kind := range []string{state.DistrustCertificate, state.DistrustSPKI, state.DistrustIssuer} {
		used["distrust."+kind] = true
	}
	for _, s := range x509cert.Statuses() {
		used["status."+string(s)] = true
	}
	for _, state := range []string{desk.ListenerOpen, desk.ListenerClosed, desk.ListenerDisabled, desk.ListenerStopped} {
		used["state."+state] = true
	}
	for _, k := range listener.Kinds() {
		used["tls."+k.Upgrade] = true
	}
	for _, role := range []string{desk.RoleInternal, desk.RoleAuth} {
		used["use."+role] = true
	}
	used["tls.stls"] = true
	for _, code := range probe.Codes() {
		used["finding."+string(code)] = true
	}
	for _, severity := range []probe.Severity{probe.OK, probe.Info, probe.Warn, probe.Bad} {
		used["severity."+string(severity)] = true
	}
	for _, scope := range desk.Scopes() {
		used["scope."+string(scope)], used["scope."+string(scope)+".help"] = true, true
	}
	for _, choice := range plan.ChoiceWords() {
		used["choice."+choice], used["choice."+choice+".teach"] = true, true
	}
	for _, zone := range []plan.Zone{plan.ZoneInside, plan.ZoneEdge, plan.ZoneManagement, plan.ZoneInternal, "partner"} {
		used["zone."+string(zone)] = true
	}
	for _, issuer := range []string{plan.IssuerPublic, plan.IssuerSelf} {
		used["issuer."+issuer] = true
	}
	for _, effect := range []string{plan.EffectBreaks, plan.EffectWork, plan.EffectWatch} {
		used["effect."+effect] = true
	}
	for _, fits := range []string{plan.FitYes, plan.FitNo, plan.FitUnknown} {
		used["fits."+fits] = true
	}
	for _, want := range plan.WantWords() {
		used["want."+want] = true
	}
	for _, text := range []string{"plan.makes", "plan.asks", "plan.there", "fact.acme", "fact.eab", "fact.ari", "fact.wildcard", "fact.common-name", "fact.ip", "fact.client-auth"} {
		used[text] = true
	}
	for _, a := range plan.Authorities() {
		for _, f := range []plan.Fact{a.ACME, a.EAB, a.ARI, a.Wildcard, a.CommonName, a.IP, a.ClientAuth, a.Cost, a.Windows, a.IOS, a.OldAndroid, a.Java} {
			used["value."+f.Value] = true
		}
	}
	for _, p := range trustfile.Platforms() {
		for _, end := range []string{"", ".1", ".2"} {
			used["install."+string(p)+end] = true
		}
	}
	for _, purpose := range []ca.Purpose{ca.PurposeRoot, ca.PurposeServers, ca.PurposeClients, ca.PurposeSMIME, ca.PurposeCode, ca.PurposeIPsec} {
		used["purpose."+string(purpose)] = true
	}
	for _, s := range []string{state.AuthorityPending, state.AuthorityActive, state.AuthorityRetired, state.AuthorityRevoked} {
		used["authority.state."+s] = true
	}
	for _, s := range []string{state.ApprovalWaiting, state.ApprovalApproved, state.ApprovalRejected} {
		used["waiting.status."+s] = true
	}
	for _, s := range desk.BookStatuses() {
		used["book.status."+s] = true
	}
	for _, reason := range append(reasonsToChoose(), crl.Unspecified) {
		used["reason."+reason.String()] = true
	}
	for _, profile := range ca.Builtin([]string{"example.com"}) {
		used["profile."+profile.Name] = true
	}
	for _, set := range []string{desk.PublicAuthority, desk.PublicServer} {
		used["public."+set], used["public."+set+".teach"] = true, true
	}
	for _, outcome := range []string{state.NoticeSent, state.NoticeUnsure, state.NoticePerhaps, state.NoticeGaveUp} {
		used["told."+outcome] = true
	}
	used["channel.mail"], used["channel.webhook"] = true, true
	for group, words := range map[string][]string{
		"acme.state.": {"open", "used", "expired", "revoked"}, "acme.account.": {state.ACMEValid, state.ACMEDeactivated, state.ACMERevoked}, "acme.within.": {"1", "6", "24", "72", "168"},
		"profiles.names.": {string(ca.NameHost), string(ca.NameAddress), string(ca.NameEmail)}, "profiles.origin.": {"built-in", desk.ProfileChanged, desk.ProfileOwn},
		"superior.": {"here", "here.help", state.WayCeremony, state.WayCeremony + ".help", state.WayForeign, state.WayForeign + ".help"}, "root.way.": {state.WayCeremony, state.WayForeign},
		"root-remove.": {"title", "intro"}, "root-import.": {"title", "intro"}, "act.ca-root-": {"remove", "remove.done", "import", "import.done"},
		"person.for.": {"smime-sign", "smime-encrypt", "user"}, "fall.reason.": desk.AuthorityReasons(),
	} {
		for _, word := range words {
			used[group+word] = true
		}
	}
	for _, act := range auditedActs(t) {
		used["did."+act] = true
	}
	for key := range used {
		if _, ok := texts[key]; !ok {
			t.Errorf("the text %q is used, and not there", key)
		}
	}
	for key := range texts {
		if !used[key] {
			t.Errorf("the text %q is there, and not used", key)
		}
	}
}

// auditedActs are the acts that package desk writes into the audit trail, read from its source: an act that nobody has
// words for would stand there in code.
func auditedActs(t *testing.T) []string {
	t.Helper()
	acts := []string{"disable-listener", "abandon-keys", "ca approve", "ca reject"} // not written in the call
	sources, err := filepath.Glob("../desk/*.go")
	enrolling, also := filepath.Glob("../../issue/acmeserver/*.go")
	if err != nil || also != nil || len(sources) == 0 || len(enrolling) == 0 {
		t.Fatalf("the sources of packages desk and acmeserver: %v, %v, %v, %v", sources, err, enrolling, also)
	}
	sources = append(sources, enrolling...)
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:\.Audit\(|[sS]tore(?:Requests)?\(tx, |act := |act = |act, undo := )"([a-z -]+)"`).FindAllStringSubmatch(string(source), -1) {
			acts = append(acts, m[1])
		}
	}
	return acts
}

// objects are what a condition of any code may be about.
func objects() []string { return []string{"", listener.IMAPS, "mail-example-com"} }

func TestEveryConditionIsTranslated(t *testing.T) {
	t.Parallel()
	en, ko := languages()[0], languages()[1]
	for _, code := range health.Codes() {
		for _, object := range objects() {
			c := health.Condition{Code: code, Object: object, Text: "it is so", Since: time.Now()}
			got := ko.notice(c, map[string]time.Time{object: time.Date(2030, 1, 2, 12, 0, 0, 0, time.Local)})
			if !isKorean(got.Text) {
				t.Errorf("%s: got the text %q, want Korean; write it in korean.go", code, got.Text)
			}
			if !isKorean(plain(got.Hint)) {
				t.Errorf("%s: got the hint %q, want Korean; its commands and the {1}, {2} in korean.go do not fit, or it is not there", code, plain(got.Hint))
			}
			if text := got.Text + plain(got.Hint); strings.ContainsAny(text, "{}") {
				t.Errorf("%s: a place is not filled: %q", code, text)
			}
			if object == listener.IMAPS && strings.Contains(ko.conditions[code], "{object}") != strings.Contains(got.Text, object) {
				t.Errorf("%s: the object is not in %q", code, got.Text)
			}
			if strings.Contains(ko.conditions[code], "{end}") != strings.Contains(got.Text, "2030-01-02") {
				t.Errorf("%s: the end is not in %q", code, got.Text)
			}
			want := typed(pieces(hint.ForCondition(c)))
			if got := typed(got.Hint); !slices.Equal(got, want) {
				t.Errorf("%s: commands: got %q, want those of the English hint, %q", code, got, want)
			}
			if got := en.notice(c, nil); got.Text != "It is so" || !strings.EqualFold(plain(got.Hint), hint.ForCondition(c)) {
				t.Errorf("%s: in English got %q, %q, want what the command line says", code, got.Text, plain(got.Hint))
			}
		}
	}
	for code := range ko.conditions {
		if !slices.Contains(health.Codes(), code) {
			t.Errorf("korean.go has the condition %s, which there is not", code)
		}
	}
	for code := range ko.hints {
		if !slices.Contains(health.Codes(), code) {
			t.Errorf("korean.go has a hint for %s, which there is not", code)
		}
	}
}

// TestCommandsAreFound: no command of a hint is left among the words, where it would not stand out.
func TestCommandsAreFound(t *testing.T) {
	t.Parallel()
	for _, code := range health.Codes() {
		for _, object := range objects() {
			text := hint.ForCondition(health.Condition{Code: code, Object: object})
			cut := pieces(text)
			if got := plain(cut); got != text {
				t.Errorf("%s: got %q, want %q", code, got, text)
			}
			for _, p := range cut {
				if !p.Command && (strings.Contains(p.Text, "postseal ") || strings.Contains(p.Text, " --")) {
					t.Errorf("%s: a command is among the words %q", code, p.Text)
				}
			}
		}
	}
	for text, want := range map[string][]string{
		"start it: postseal serve": {"postseal serve"},
		"see them: postseal ca eab list; then: postseal ca zlint accept e_dnsname --reason TEXT": {"postseal ca eab list", "postseal ca zlint accept e_dnsname --reason TEXT"},
		"bring it: postseal ca root import FILE, or: postseal ca rollover root":                  {"postseal ca root import FILE", "postseal ca rollover root"},
		`postseal cert new --name "A B" --services MANAGEMENT, or use one`:                       {`postseal cert new --name "A B" --services MANAGEMENT`},
		"warn; postseal cert new --domain NAME makes one that fits":                              {"postseal cert new --domain NAME"},
		"see: ss -ltnp; then: postseal listener disable imaps, go on":                            {"ss -ltnp", "postseal listener disable imaps"},
		"postseal setup --org NAME --domain DOMAIN --data DIR":                                   {"postseal setup --org NAME --domain DOMAIN --data DIR"},
		"확인해 보십시오: postseal status":                                                              {"postseal status"},
		"to try now: postseal cert renew mail-example-com":                                       {"postseal cert renew mail-example-com"},
		"look before you try again: postseal status, postseal cert list and wait":                {"postseal status", "postseal cert list"},
	} {
		if got := typed(pieces(text)); !slices.Equal(got, want) {
			t.Errorf("commands in %q: got %q, want %q", text, got, want)
		}
	}
}

func TestAHintThatChangedStaysEnglish(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ english, translation, want string }{
		{"start it: postseal serve", "시작: {1}", "시작: postseal serve"},
		{"start it: postseal serve", "", "Start it: postseal serve"},
		{"start it: postseal serve", "시작하십시오", "Start it: postseal serve"},
		{"start it", "시작: {1}", "Start it"},
		{"postseal status", "{1} 그리고 {2}", "postseal status"},
	} {
		if got := plain(translated(c.english, c.translation)); got != c.want {
			t.Errorf("%q with %q: got %q, want %q", c.english, c.translation, got, c.want)
		}
	}
}

// TestPhrasesAreSaid: what other packages say in English is translated word for word, so it must be said so.
func TestPhrasesAreSaid(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{trial: true})
	o.makeCertificate(t, "Mail", 90, "")
	said := []string{hint.For(desk.ErrSignInLink).Text}
	status, err := o.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range status.Listeners {
		said = append(said, l.Backend)
	}
	for _, c := range status.Certificates {
		said = append(said, c.StatusReason)
	}
	ko := languages()[1]
	for _, text := range said {
		if !isKorean(ko.phrase(text)) {
			t.Errorf("%q has no translation", text)
		}
	}
	for text := range ko.phrases {
		if !slices.Contains(said, text) {
			t.Errorf("nobody says %q any more", text)
		}
	}
}

func FuzzPieces(f *testing.F) {
	for _, code := range health.Codes() {
		f.Add(hint.ForCondition(health.Condition{Code: code, Object: "imaps"}))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := plain(pieces(text)); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
		translated(text, text)
	})
}

// plain is a sentence without its form.
func plain(sentence []piece) string {
	var b strings.Builder
	for _, p := range sentence {
		b.WriteString(p.Text)
	}
	return b.String()
}

// typed are the commands of a sentence.
func typed(sentence []piece) []string {
	var all []string
	for _, p := range sentence {
		if p.Command {
			all = append(all, p.Text)
		}
	}
	return all
}

// isKorean says whether a text has Korean letters.
func isKorean(text string) bool { return regexp.MustCompile(`\p{Hangul}`).MatchString(text) }

// TestWordsHaveOneMeaning: a key stands in one vocabulary only. Of two the later would win, without a word.
func TestWordsHaveOneMeaning(t *testing.T) {
	t.Parallel()
	seen := make(map[string]said)
	for _, v := range vocabularies() {
		for key, words := range v {
			if before, there := seen[key]; there {
				t.Errorf("%s is %q and %q", key, before.en, words.en)
			}
			seen[key] = words
		}
	}
}
