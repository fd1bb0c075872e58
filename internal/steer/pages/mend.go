package pages

import (
	"postseal/internal/ground/health"
	"postseal/internal/steer/desk"
)

// mending is what can be done about a condition right here: a button that shows what it would change, or the page where it
// is mended.
type mending struct {
	Label   string
	Button  string // address that a form is sent to; empty when it is a page
	Page    string
	Lineage string
	At      string // the listener
}

// mends says for each condition what mends it. What only a person can do elsewhere has a command in its hint and nothing
// here.
func (w *words) mends(lineages []desk.LineageView) func(health.Condition) *mending {
	here := make(map[string]bool) // by lineage
	for _, l := range lineages {
		here[l.Lineage] = l.RenewsHere
	}
	return func(c health.Condition) *mending {
		renews, known := here[c.Object]
		switch c.Code {
		case health.CodeCertificateEnding, health.CodeCertificateExpired, health.CodeRenewalFailed, health.CodeCertificateRevoked:
			switch {
			case !known:
				return nil
			case renews:
				return &mending{Label: w.say("mend.renew"), Button: "/certificate/renew", Lineage: c.Object}
			}
			return &mending{Label: w.say("mend.request"), Button: "/certificate/renew-request", Lineage: c.Object}
		case health.CodeRenewalWaiting:
			return &mending{Label: w.say("mend.activate"), Button: "/certificate/activate", Lineage: c.Object}
		case health.CodeListenerClosed:
			return &mending{Label: w.say("mend.disable", c.Object), Button: "/listeners/disable", At: c.Object}
		case health.CodeListenerWithoutCertificate, health.CodeManagementWithoutCertificate, health.CodeNameNotCovered:
			return &mending{Label: w.say("mend.choose"), Page: "/certificates"}
		case health.CodeServedNotBound:
			return &mending{Label: w.say("mend.check"), Page: "/check"}
		case health.CodeTokenEnding:
			return &mending{Label: w.say("mend.tokens"), Page: "/tokens"}
		case health.CodeNoRecoveryKey, health.CodeRecoveryUntested, health.CodeRecoveryUnsigned, health.CodeRecoveryIncomplete, health.CodeNoBackup, health.CodeBackupOld:
			return &mending{Label: w.say("mend.backup"), Page: "/backup"}
		}
		return nil
	}
}
