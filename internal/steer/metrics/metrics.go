// Package metrics tells Prometheus what status tells people.
//
// Everything is read when it is asked for: there is no copy that could be old. Times are in seconds, as is the
// custom there; days left are postseal_certificate_remaining_seconds / 86400. A certificate is named by lineage,
// generation, state, key and thumbprint, so a renewal is a new series beside the old one, and an alarm on the
// lineage looks at the current one:
//
//	min by (lineage) (postseal_certificate_remaining_seconds{state="current"}) < 7 * 86400
//
// Better alarm on postseal_conditions: the server knows which lineage renews by itself.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"postseal/internal/ground/health"
	"postseal/internal/ground/x509cert"
	"postseal/internal/serve/front"
	"postseal/internal/steer/desk"
)

// Options say where numbers come from.
type Options struct {
	Desk     *desk.Desk
	Counters func() map[string]front.Count // of the open listeners; nil for none
	Refused  func() uint64                 // requests told to wait; nil for none
	Log      *slog.Logger
}

// scrapeTimeout bounds one look at everything.
const scrapeTimeout = 20 * time.Second

// Handler answers with the numbers in the format of Prometheus.
func Handler(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&collector{o}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelError), MaxRequestsInFlight: 4, Timeout: scrapeTimeout})
}

// collector is a prometheus.Collector over the desk.
type collector struct{ Options }

// Describe names nothing: which lineages there are is not known before. Such a collector is called unchecked.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// certificateLabels name one member of a generation.
func certificateLabels() []string {
	return []string{"lineage", "generation", "state", "key", "thumbprint"}
}

// sink turns values into metrics.
type sink struct{ out chan<- prometheus.Metric }

func (s sink) value(kind prometheus.ValueType, name, help string, labels []string, value float64, values ...string) {
	s.out <- prometheus.MustNewConstMetric(prometheus.NewDesc("postseal_"+name, help, labels, nil), kind, value, values...)
}

func (s sink) gauge(name, help string, labels []string, value float64, values ...string) {
	s.value(prometheus.GaugeValue, name, help, labels, value, values...)
}

// Collect looks at everything once.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	s := sink{out}
	if err := c.collect(ctx, s); err != nil {
		c.Log.ErrorContext(ctx, "collecting metrics", "err", err)
		out <- prometheus.NewInvalidMetric(prometheus.NewDesc("postseal_up", "Whether the state can be read.", nil, nil), err)
		return
	}
	s.gauge("up", "Whether the state can be read.", nil, 1)
}

func (c *collector) collect(ctx context.Context, s sink) error {
	status, err := c.Desk.Status(ctx)
	if err != nil {
		return err
	}
	lineages, err := c.Desk.Lineages(ctx)
	if err != nil {
		return err
	}
	tokens, err := c.Desk.Tokens(ctx)
	if err != nil {
		return err
	}
	notices, err := c.Desk.Notices(ctx, desk.NoticesRequest{})
	if err != nil {
		return err
	}
	told(s, notices)
	now := time.Now()
	for _, l := range lineages {
		for _, g := range l.Generations {
			for _, x := range g.Certificates {
				certificate(s, l.Lineage, g.State, x, now)
			}
		}
	}
	conditions(s, status)
	for _, l := range status.Listeners {
		if l.Enabled {
			s.gauge("listener_up", "Whether an enabled listener is open.", []string{"listener"}, truth(l.State == desk.ListenerOpen), l.Listener)
			s.gauge("listener_sessions", "Sessions that are open now.", []string{"listener"}, float64(l.Sessions), l.Listener)
		}
	}
	for _, t := range tokens {
		s.gauge("token_expiry_timestamp_seconds", "When a token of the API ends.", []string{"token", "scope"}, float64(t.ExpiresAt.Unix()), t.Name, string(t.Scope))
	}
	if c.Counters != nil {
		for name, n := range c.Counters() {
			count(s, name, n)
		}
	}
	if c.Refused != nil {
		s.value(prometheus.CounterValue, "api_locked_out_total", "Requests and sign-ins that were told to wait.", nil, float64(c.Refused()))
	}
	return nil
}

func certificate(s sink, lineage, state string, x desk.Certificate, now time.Time) {
	if x.NotAfter.IsZero() { // a request that waits
		return
	}
	values := []string{lineage, strconv.Itoa(x.Generation), state, x.KeyType, x.Thumbprint}
	s.gauge("certificate_expiry_timestamp_seconds", "When a certificate ends.", certificateLabels(), float64(x.NotAfter.Unix()), values...)
	s.gauge("certificate_remaining_seconds", "What is left of a certificate; negative once it has ended.", certificateLabels(), x.NotAfter.Sub(now).Seconds(), values...)
	s.gauge("certificate_valid", "Whether the status of a certificate is Valid.", certificateLabels(), truth(x.Status == x509cert.StatusValid), values...)
}

func conditions(s sink, status *desk.Status) {
	type key struct{ code, object, severity string }
	held := make(map[key]float64)
	failing := 0
	for _, list := range [][]health.Condition{status.Attention, status.Information} {
		for _, c := range list {
			held[key{string(c.Code), c.Object, string(c.Severity)}]++
			if c.Code == health.CodeRenewalFailed {
				failing++
			}
		}
	}
	for k, n := range held {
		s.gauge("conditions", "What is wrong now, or to be remembered.", []string{"code", "object", "severity"}, n, k.code, k.object, k.severity)
	}
	s.gauge("attention", "Conditions that need a person.", nil, float64(len(status.Attention)))
	s.gauge("renewals_failing", "Lineages that were due and could not be renewed.", nil, float64(failing))
}

// told are the open notices, and how the channels do.
func told(s sink, list *desk.NoticeList) {
	type key struct{ kind, stage string }
	open := make(map[key]float64)
	for _, n := range list.Notices {
		open[key{n.Kind, strconv.Itoa(n.Stage)}]++
	}
	for k, n := range open {
		s.gauge("notices_open", "Notices whose cause is there; stage is the days left at most, 0 for now, 1000 for overdue.", []string{"kind", "stage"}, n, k.kind, k.stage)
	}
	for _, c := range list.Channels {
		s.gauge("notices_waiting", "Notices that a channel has not said yet.", []string{"channel"}, float64(c.Waiting), c.Channel)
		s.gauge("notices_failed_tries", "Tries of a channel that failed, one after the other.", []string{"channel"}, float64(c.Tries), c.Channel)
	}
}

func count(s sink, listener string, n front.Count) {
	for _, c := range []struct {
		name, help string
		value      int64
	}{
		{"sessions_total", "Sessions that were accepted.", n.Sessions},
		{"logins_total", "Logins at the back end.", n.Logins},
		{"login_failures_total", "Logins that the back end refused.", n.LoginFailures},
		{"backend_failures_total", "Logins that no back end could answer.", n.BackendFailures},
		{"handshake_failures_total", "TLS handshakes that failed.", n.HandshakeFailures},
		{"injections_total", "Sessions with plaintext ahead of the TLS handshake.", n.Injected},
		{"refusals_total", "Connections turned away because there was no room.", n.Refused},
		{"evictions_total", "Silent connections that made room for newcomers.", n.Evicted},
		{"panics_total", "Sessions ended by a fault of ours.", n.Panics},
	} {
		s.value(prometheus.CounterValue, "listener_"+c.name, c.help, []string{"listener"}, float64(c.value), listener)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
