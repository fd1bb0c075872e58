package wizard

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/ground/x509cert"
	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
)

// today is a day on which certificates last 200 days.
var today = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// answered are answers in the form of Answers.Form.
func answered(t *testing.T, text string) Answers {
	t.Helper()
	form, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return Read(form)
}

func TestPropose(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		name, answers string
		names         string // of the certificate, the common name first
		services      string
		rest          string
		missing       string
	}{
		{"one service", "kind=self-signed&services=IMAP&outside=mail.example.com", "mail.example.com", "IMAP", "", ""},
		{"inside and outside", "kind=self-signed&services=IMAP,HTTP&outside=mail.example.com&inside=IMAP%3Dmail.local", "mail.example.com mail.local", "HTTP IMAP", "", ""},
		{"a name for one service", "kind=public&services=HTTP,IMAP&outside=mail.example.com&outside=HTTP%3Dautodiscover.example.com", "mail.example.com autodiscover.example.com", "HTTP IMAP", "", ""},
		{"no public authority signs it", "kind=public&services=IMAP&outside=mail.example.com&inside=mail.local", "mail.example.com", "IMAP", "mail.local", ""},
		{"management has a key of its own", "kind=self-signed&services=IMAP,MANAGEMENT&outside=mail.example.com", "mail.example.com", "IMAP", "mail.example.com", ""},
		{"management alone", "kind=self-signed&services=MANAGEMENT&outside=mail.example.com", "mail.example.com", "MANAGEMENT", "", ""},
		{"by hand", "kind=public&services=IMAP&outside=mail.example.com&domain=*.example.com", "*.example.com", "IMAP", "", ""},
		{"by hand, and not enough", "kind=public&services=IMAP&outside=mail.example.com&outside=imap.example.com&domain=mail.example.com", "mail.example.com", "IMAP", "", "imap.example.com"},
		{"by hand alone", "kind=self-signed&services=IMAP&domain=a.example.com", "a.example.com", "IMAP", "", ""},
		{"another common name", "kind=public&services=IMAP&outside=mail.example.com&outside=imap.example.com&common-name=mail.example.com", "mail.example.com imap.example.com", "IMAP", "", ""},
		{"none", "kind=public&services=IMAP&outside=mail.example.com&common-name=none", "mail.example.com", "IMAP", "", ""},
		{"in Korean", "kind=public&services=IMAP&outside=메일.한국", "xn--h32bq4v.xn--3e0b707e", "IMAP", "", ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			p, err := answered(t, one.answers).Propose(today)
			if err != nil {
				t.Fatal(err)
			}
			var services, rest []string
			for _, s := range p.Services {
				services = append(services, string(s))
			}
			for _, r := range p.Rest {
				rest = append(rest, r.Names...)
				if r.Why.English == "" || r.Why.Korean == "" {
					t.Errorf("nothing says why %v are apart", r.Names)
				}
			}
			for what, pair := range map[string][2]string{"names": {strings.Join(p.Names, " "), one.names}, "services": {strings.Join(services, " "), one.services},
				"rest": {strings.Join(rest, " "), one.rest}, "missing": {strings.Join(p.Missing, " "), one.missing}} {
				if pair[0] != pair[1] {
					t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
				}
			}
			if none := strings.Contains(one.answers, "common-name=none"); (p.CommonName == "") != none || !none && p.CommonName != p.Names[0] {
				t.Errorf("common name: got %q of %v", p.CommonName, p.Names)
			}
		})
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	const good = "kind=public&services=IMAP&outside=mail.example.com&authority=letsencrypt"
	for _, one := range []struct {
		name, answers string
		step          Step
		want          string // in the error; empty for none
	}{
		{"nothing", "", StepKind, "--kind is missing"},
		{"another kind", "kind=purple", StepKind, "want self-signed, own, public"},
		{"our authority", "kind=own&services=IMAP&outside=mail.example.com", StepReview, ""},
		{"our authority, two keys", "kind=own&services=IMAP&outside=mail.example.com&key=ecdsa-p256&key=rsa-2048", StepKey, "one key at a time"},
		{"our authority, what its profile decides", "kind=own&services=IMAP&outside=mail.example.com&days=30", StepKey, "the profile of our own authority decides it"},
		{"our authority, exportable", "kind=own&services=IMAP&outside=mail.example.com&exportable=1", StepKey, "decides it"},
		{"our authority, without a common name", "kind=own&services=IMAP&outside=mail.example.com&common-name=none", StepNames, "of the first name"},
		{"no service", "kind=public", StepServices, "--services is missing"},
		{"no such service", "kind=public&services=GOPHER", StepServices, "GOPHER"},
		{"no name", "kind=public&services=IMAP,POP&outside=IMAP%3Da.example.com", StepServices, "reach POP?"},
		{"a name for another service", "kind=public&services=IMAP&outside=POP%3Da.example.com", StepServices, "not among --services"},
		{"a name for no service", "kind=public&services=IMAP&outside=X%3Da.example.com", StepServices, "--outside"},
		{"no name at all", "kind=public&services=IMAP&outside=a..b", StepNames, "a..b"},
		{"no public name", "kind=public&services=IMAP&outside=mail.local", StepNames, "only names below the public DNS"},
		{"no public name by hand", "kind=public&services=IMAP&outside=mail.example.com&domain=mail.local", StepNames, "no public authority signs it"},
		{"common name of another", good + "&common-name=x.example.com", StepNames, "not among the names"},
		{"no common name of itself", "kind=self-signed&services=IMAP&outside=mail.example.com&common-name=none", StepNames, "its issuer too"},
		{"no authority", "kind=public&services=IMAP&outside=mail.example.com", StepAuthority, "--authority is missing"},
		{"no such wish", good + "&want=green", StepAuthority, "green"},
		{"no such validation", good + "&validation=extended", StepAuthority, "want domain or organisation"},
		{"no organisation", good + "&validation=organisation", StepOrganisation, "--o is missing"},
		{"no country", good + "&validation=organisation&o=Example", StepOrganisation, "--c is missing"},
		{"no place", good + "&validation=organisation&o=Example&c=KR", StepOrganisation, "--l is missing"},
		{"a state will do", good + "&validation=organisation&o=Example&c=kr&st=Seoul", StepReview, ""},
		{"a country in three", good + "&c=KOR", StepOrganisation, "two letters"},
		{"too long", good + "&o=" + strings.Repeat("x", 65), StepOrganisation, "O"},
		{"no such key", good + "&key=dsa", StepKey, "dsa"},
		{"no days", "kind=self-signed&services=IMAP&outside=mail.example.com&days=x", StepKey, "--days"},
		{"too long a name", good + "&name=" + strings.Repeat("x", 64), StepKey, "--name"},
		{"good", good, StepReview, ""},
		{"another authority", "kind=public&services=IMAP&outside=mail.example.com&authority=other", StepReview, ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			step, err := answered(t, one.answers).Problem(StepReview, today)
			if step != one.step || (err == nil) != (one.want == "") || err != nil && !strings.Contains(err.Error(), one.want) {
				t.Errorf("got %s, %v, want %s, %q", step, err, one.step, one.want)
			}
			// Whoever has not come so far is not told of it.
			if i := slices.Index(answered(t, one.answers).Steps(), one.step); i > 0 && one.want != "" {
				if _, err := answered(t, one.answers).Problem(answered(t, one.answers).Steps()[i-1], today); err != nil {
					t.Errorf("the step before: %v", err)
				}
			}
		})
	}
}

// TestEditsStay goes back, changes a service, and finds the names as they were typed.
func TestEditsStay(t *testing.T) {
	t.Parallel()
	a := answered(t, "kind=public&services=IMAP&outside=mail.example.com&domain=mail.example.com&domain=imap.example.com")
	a.Services = "IMAP,HTTP"
	a.Outside = append(a.Outside, "HTTP=www.example.com")
	p, err := a.Propose(today)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"mail.example.com", "imap.example.com"}; !slices.Equal(p.Names, want) || !p.Edited {
		t.Errorf("names: got %v, edited %v, want %v", p.Names, p.Edited, want)
	}
	if want := []string{"www.example.com"}; !slices.Equal(p.Missing, want) {
		t.Errorf("missing: got %v, want %v", p.Missing, want)
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ name, answers, command string }{
		{"self-signed", "kind=self-signed&services=IMAP&outside=mail.example.com", "postseal cert new --name mail.example.com --domain mail.example.com --services IMAP"},
		{"with everything", "kind=self-signed&services=IMAP&outside=mail.example.com&o=Example, Ltd.&c=kr&key=ed25519&days=30&exportable=1&name=Mail&lineage=mail",
			`postseal cert new --name Mail --domain mail.example.com --subject CN=mail.example.com,O=Example\, Ltd.,C=KR --key ed25519 --days 30 --exportable --services IMAP --lineage mail`},
		{"our authority", "kind=own&services=IMAP,HTTP&outside=mail.example.com&inside=mail.local&key=rsa-2048&lineage=mail",
			"postseal ca issue --domain mail.example.com --domain mail.local --key rsa-2048 --enable HTTP,IMAP --lineage mail"},
		{"request", "kind=public&services=IMAP&outside=mail.example.com&authority=digicert&o=Example&key=rsa-2048&key=ecdsa-p256",
			"postseal cert request --name mail.example.com --domain mail.example.com --subject O=Example --key rsa-2048 --key ecdsa-p256"},
		{"without a common name", "kind=public&services=IMAP&outside=mail.example.com&authority=other&common-name=none",
			"postseal cert request --name mail.example.com --domain mail.example.com --no-common-name"},
	} {
		t.Run(one.name, func(t *testing.T) {
			r, err := answered(t, one.answers).Result(today)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.Command(), " "); got != one.command {
				t.Errorf("got  %s\nwant %s", got, one.command)
			}
			if made := len(slices.DeleteFunc([]bool{r.New != nil, r.Issue != nil, r.Ask != nil}, func(b bool) bool { return !b })); made != 1 {
				t.Errorf("got %d requests, want one", made)
			}
			if r.New != nil && r.New.Subject != "" {
				if _, err := x509cert.ParseSubject(r.New.Subject); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	a := answered(t, "kind=public&services=IMAP&outside=*.example.com&want=old-android&authority=letsencrypt&ou=IT")
	p, err := a.Propose(today)
	if err != nil {
		t.Fatal(err)
	}
	fits, err := a.Fits(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, fit := range fits {
		var said []string
		for _, why := range fit.Reasons {
			said = append(said, why.English)
		}
		if text := strings.Join(said, "\n"); !strings.Contains(text, "wildcards: ") || !strings.Contains(text, "old Android: ") || !strings.Contains(text, "common name: ") {
			t.Errorf("%s: got the reasons %q", fit.Authority.ID, text)
		}
		if fit.Authority.ID == "letsencrypt" && fit.Fits != plan.FitNo {
			t.Errorf("letsencrypt for old Android: got %s, want no", fit.Fits)
		}
	}
	r, err := a.Result(today)
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, n := range r.Notes {
		notes = append(notes, n.English)
	}
	if text := strings.Join(notes, "\n"); !strings.Contains(text, "Let's Encrypt does not fit") || !strings.Contains(text, "organisational unit") || strings.Contains(text, "names in one certificate") {
		t.Errorf("got the notes %q", text)
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	o := &desk.Opening{Server: "mail1.example.com", Needs: []plan.Need{{Name: "mail.example.com", Services: []listener.Service{listener.ServiceIMAP}, Zone: plan.ZoneInside},
		{Name: "mail1.example.com", Services: []listener.Service{listener.ServiceManagement}, Zone: plan.ZoneManagement}}}
	if got := SuggestServices(o); !slices.Equal(got, []listener.Service{listener.ServiceIMAP}) {
		t.Errorf("services: got %v", got)
	}
	if got := SuggestNames(o, listener.ServiceIMAP); !slices.Equal(got, []string{"mail.example.com"}) {
		t.Errorf("names: got %v", got)
	}
	if got := SuggestNames(o, listener.ServiceSMTP); !slices.Equal(got, []string{"mail1.example.com"}) {
		t.Errorf("names of a service that is off: got %v", got)
	}
	if got := SuggestServices(&desk.Opening{}); len(got) != 4 || slices.Contains(got, listener.ServiceManagement) {
		t.Errorf("services beside other servers: got %v", got)
	}
}

// FuzzAnswers reads anything a form can bring: it never panics, it reads back what it writes, and what is good makes a
// request that package desk takes.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{"", "kind=self-signed&services=IMAP&outside=mail.example.com", "kind=public&services=HTTP&outside=a.example.com&domain=b.example.com&authority=other&common-name=none&c=KR",
		"kind=public&services=IMAP&outside=IMAP%3D&inside=%3D&o=%00", "exportable=1&days=-1&key=dsa&want=x", "kind=own&services=IMAP&outside=mail.local&key=rsa-2048"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil || len(text) > 4096 {
			return
		}
		a := Read(form)
		if again := Read(a.Form()); !reflect.DeepEqual(a, again) {
			t.Fatalf("got %+v, want %+v", again, a)
		}
		step, err := a.Problem(StepReview, today)
		if !slices.Contains(a.Steps(), step) {
			t.Fatalf("there is no step %q", step)
		}
		if err != nil {
			return
		}
		r, err := a.Result(today)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case r.New != nil:
			err = r.New.Check()
		case r.Issue != nil:
			err = r.Issue.Check()
		default:
			err = r.Ask.Check()
		}
		if err != nil || len(r.Proposal.Names) == 0 {
			t.Fatalf("got %v and the names %v", err, r.Proposal.Names)
		}
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	_, err := Answers{}.Problem(StepReview, today)
	if missing, ok := errors.AsType[*MissingError](err); !ok || missing.Answer != "kind" {
		t.Errorf("got %v, want a MissingError for kind", err)
	}
	if !slices.IsSorted(Words()) || !slices.Contains(Words(), "outside") || !slices.Contains(Words(), "c") {
		t.Errorf("words: got %v", Words())
	}
}
