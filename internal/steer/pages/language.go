package pages

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// languageCookie keeps the reader's choice. It is a choice, not a secret; the __Host- prefix only keeps
// other hosts of the domain from making it for us.
const languageCookie = "__Host-postseal-language"

// languageLife is how long a browser remembers the choice.
const languageLife = 365 * 24 * time.Hour

// languageOf picks the wording for a reader: the one chosen in the page, else the one that the browser
// prefers, else the first.
func languageOf(r *http.Request, have []*words) *words {
	if c, err := r.Cookie(languageCookie); err == nil {
		for _, w := range have {
			if w.code == c.Value {
				return w
			}
		}
	}
	return preferred(r.Header.Get("Accept-Language"), have)
}

// preferred reads an Accept-Language header (RFC 9110 section 12.5.4): of the languages that we have, the
// one of the greatest weight, and among equals the one named first. What cannot be read is passed over.
func preferred(header string, have []*words) *words {
	best, weight := have[0], 0.0
	for part := range strings.SplitSeq(header, ",") {
		tag, parameters, _ := strings.Cut(part, ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
		for _, w := range have {
			if strings.EqualFold(primary, w.code) && q > weight {
				best, weight = w, q
			}
		}
	}
	return best
}

// switched answers a request that chooses a language with ?lang= : it keeps the choice and sends the
// reader back to the same page without it. A GET may do that: it changes nothing but the reader's view.
func switched(w http.ResponseWriter, r *http.Request, have []*words) bool {
	query := r.URL.Query()
	chosen := query.Get("lang")
	if chosen == "" {
		return false
	}
	for _, known := range have {
		if known.code == chosen {
			http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: chosen, Path: "/", MaxAge: int(languageLife / time.Second),
				Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		}
	}
	// The path is one of our own routes, so the target cannot be another site.
	var kept []string
	for _, name := range keptParameters() {
		for _, value := range query[name] {
			kept = append(kept, name, value)
		}
	}
	http.Redirect(w, r, address(r.URL.Path, kept...), http.StatusSeeOther)
	return true
}

// keptParameters are those that say which page is meant; whatever else an address brings is dropped.
func keptParameters() []string {
	return []string{"token", "id", "listener", "status", "domain", "within", "all", "page", "days", "authority", "want", "who", "act", "object", "step", "answers",
		"serial", "search", "profile", "requester", "after"}
}

// choice is one language in the switch.
type choice struct {
	Code, Name, Href string
	Current          bool
}

// choices are the languages in the switch of a page at path; keep are parameters in pairs.
func choices(have []*words, current *words, path string, keep []string) []choice {
	var all []choice
	for _, w := range have {
		all = append(all, choice{w.code, w.name, address(path, append([]string{"lang", w.code}, keep...)...), w == current})
	}
	return all
}

// address makes a relative URL of a path and the parameters that are not empty.
func address(path string, pairs ...string) string {
	values := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Add(pairs[i], pairs[i+1])
		}
	}
	u := url.URL{Path: path, RawQuery: values.Encode()}
	return u.String()
}
