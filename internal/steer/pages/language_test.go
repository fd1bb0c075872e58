package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestLanguageOfAReader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cookie, header, want string }{
		{"", "", "en"},
		{"", "ko", "ko"},
		{"", "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"},
		{"", "en-GB,en;q=0.9,ko;q=0.8", "en"},
		{"", "de-DE,de;q=0.9,ko;q=0.5,en;q=0.3", "ko"},
		{"", "fr, de", "en"},
		{"", "en;q=0,KO;q=0.1", "ko"},
		{"", "ko;q=0", "en"},
		{"", "ko;q=NaN,en;q=0.1", "en"},
		{"", "ko;q=2", "en"},
		{"", "*", "en"},
		{"", "korean", "en"},
		{"ko", "en", "ko"},
		{"en", "ko", "en"},
		{"xx", "ko", "ko"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", c.header)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: languageCookie, Value: c.cookie})
		}
		if got := languageOf(r, languages()).code; got != c.want {
			t.Errorf("cookie %q, Accept-Language %q: got %s, want %s", c.cookie, c.header, got, c.want)
		}
	}
}

func FuzzPreferred(f *testing.F) {
	for _, seed := range []string{"", "ko", "en-GB,en;q=0.9,ko;q=0.8", ";;,,q=", "ko;q=-1", "*;q=0.5, ko;Q=1"} {
		f.Add(seed)
	}
	have := languages()
	f.Fuzz(func(t *testing.T, header string) {
		if got := preferred(header, have); got != have[0] && got != have[1] {
			t.Errorf("Accept-Language %q: got %v, want one of ours", header, got)
		}
	})
}
