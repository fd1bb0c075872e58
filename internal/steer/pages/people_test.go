package pages

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"postseal/internal/ground/keys"
	"postseal/internal/steer/desk"
)

// TestPeopleInPages: whoever was certified is on just one page, the newest first, and is found by address; and a key is
// offered again where it is kept, and nowhere else: not of a request that the person made himself.
func TestPeopleInPages(t *testing.T) {
	t.Parallel()
	o, _ := newAuthority(t)
	const n = bookPerPage + 5
	for i := range n {
		r := desk.PersonRequest{Profile: personProfiles()[i%3], Email: fmt.Sprintf("p%d@example.com", i), Kind: string(keys.ECDSAP256), Password: desk.NewPassword(keys.Secret("s3cret pass"))}
		if _, err := o.IssuePerson(t.Context(), tester(), r); err != nil {
			t.Fatal(err)
		}
	}
	own := desk.CertifyRequest{Profile: "smime-encrypt", CSR: desk.ImportFile{Name: "x.csr", Data: []byte(makeCSR(t, "unused.example.com"))}, Emails: []string{"own@example.com"}}
	if _, err := o.Certify(t.Context(), tester(), own); err != nil {
		t.Fatal(err)
	}
	h := Admin(o.Desk, testLog(t))
	session := signIn(t, o, h)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	names := regexp.MustCompile(`<a class="word" href="[^"]+">(?:p(\d+)|own)@example\.com</a>`)
	target, seen := "/authority/people", []string{}
	keysOffered := 0
	for range 3 {
		body := read(t, ask(t, h, request{target: target, session: session}))
		for _, m := range names.FindAllStringSubmatch(body, -1) {
			seen = append(seen, m[1])
		}
		keysOffered += strings.Count(body, `href="/authority/people/key?`)
		m := next.FindStringSubmatch(body)
		if m == nil {
			break
		}
		target = strings.ReplaceAll(m[1], "&amp;", "&")
		if language := ask(t, h, request{target: target + "&lang=ko", session: session}); language.StatusCode != http.StatusSeeOther || !strings.Contains(language.Header.Get("Location"), "after=") {
			t.Errorf("the switch of the language loses the page: %v", language.Header)
		}
	}
	want := []string{""}
	for i := n - 1; i >= 0; i-- {
		want = append(want, fmt.Sprint(i))
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", seen, want)
	}
	if wanted := (n + 1) / 3; keysOffered != wanted {
		t.Errorf("%d keys are offered again, want %d", keysOffered, wanted)
	}
	for search, want := range map[string]string{"P7@example.com": "7", "own@example.com": "", "nobody@example.com": "-"} {
		body := read(t, ask(t, h, request{target: address("/authority/people", "search", search), session: session}))
		found := names.FindAllStringSubmatch(body, -1)
		if want == "-" && len(found) != 0 || want != "-" && (len(found) != 1 || found[0][1] != want) {
			t.Errorf("searching %s: got %v", search, found)
		}
	}
	if body := read(t, ask(t, h, request{target: "/authority/people?search=own@example.com", session: session, language: "ko"})); strings.Contains(body, "/authority/people/key") {
		t.Error("a key that was never here is offered")
	}
}
