package metrics

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/serve/front"
	"postseal/internal/steer/desk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// organisation is a desk over a new organisation, with a listener that could not be opened.
func organisation(t *testing.T) (*desk.Desk, *health.Set) {
	t.Helper()
	dir := t.TempDir()
	db, err := state.Open(t.Context(), state.Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	o := desk.SetupOptions{Organisation: "Example", Domains: []string{"example.com"}, Host: "mail1.example.com", Mode: desk.ModeFront, Sealing: filepath.Join(dir, "sealing-key")}
	who := state.Actor{Who: "tester", From: "test"}
	if err := desk.Setup(t.Context(), db, o, who); err != nil {
		t.Fatal(err)
	}
	set := new(health.Set)
	d, err := desk.Open(t.Context(), desk.Options{State: db, Sealing: o.Sealing, Health: set})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.New(t.Context(), who, desk.NewRequest{Name: "Short \"one\"\\", Lineage: "short", Domains: []string{"a.example.com"}, Kinds: []string{"ed25519"}, Days: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.NewToken(t.Context(), who, desk.TokenRequest{Name: "prometheus"}); err != nil {
		t.Fatal(err)
	}
	return d, set
}

// scrape asks for the numbers and reads them with Prometheus's own parser.
func scrape(t *testing.T, o Options) (map[string]*dto.MetricFamily, string) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(o).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(w.Body.String()))
	if err != nil || w.Code != 200 {
		t.Fatalf("got %d, %v\n%s", w.Code, err, w.Body)
	}
	return families, w.Body.String()
}

// value finds the one metric of a family with these labels.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	var found []*dto.Metric
	for _, m := range families[name].GetMetric() {
		have := make(map[string]string)
		for _, l := range m.Label {
			have[l.GetName()] = l.GetValue()
		}
		all := true
		for i := 0; i < len(labels); i += 2 {
			all = all && have[labels[i]] == labels[i+1]
		}
		if all {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s %q: found %d", name, labels, len(found))
	}
	if c := found[0].GetCounter(); c != nil {
		return c.GetValue()
	}
	return found[0].GetGauge().GetValue()
}

func TestNumbersAreThoseOfStatus(t *testing.T) {
	t.Parallel()
	d, set := organisation(t)
	set.Raise(health.Condition{Code: health.CodeRenewalFailed, Severity: health.Attention, Object: "short", Text: "x"})
	counters := func() map[string]front.Count {
		return map[string]front.Count{"imaps": {Sessions: 7, Current: 2, LoginFailures: 3}}
	}
	families, text := scrape(t, Options{Desk: d, Counters: counters, Refused: func() uint64 { return 9 }})
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, families, "postseal_attention"); int(got) != len(status.Attention) || got == 0 {
		t.Errorf("attention: got %v, want %d", got, len(status.Attention))
	}
	left := value(t, families, "postseal_certificate_remaining_seconds", "lineage", "short", "state", "current", "generation", "1", "key", "Ed25519")
	if days := left / (24 * time.Hour).Seconds(); days < 2.9 || days > 3 {
		t.Errorf("got %v days left, want nearly 3", days)
	}
	for name, want := range map[string]float64{"postseal_up": 1, "postseal_renewals_failing": 1, "postseal_api_locked_out_total": 9} {
		if got := value(t, families, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if got := value(t, families, "postseal_listener_sessions_total", "listener", "imaps"); got != 7 {
		t.Errorf("sessions: got %v, want 7", got)
	}
	if got := value(t, families, "postseal_conditions", "code", "renewalFailed", "object", "short"); got != 1 {
		t.Errorf("conditions: got %v, want 1", got)
	}
	if got := value(t, families, "postseal_listener_up", "listener", "imaps"); got != 0 {
		t.Errorf("a stopped server's listener is up: %v", got)
	}
	value(t, families, "postseal_token_expiry_timestamp_seconds", "token", "prometheus")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}
