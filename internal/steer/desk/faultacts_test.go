package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
)

// sweptActs are the acts of the organisation's own authority. The name begins with that of the desk's method.
func sweptActs() map[string]func() sweptAct {
	purposes := len(ca.Purposes())
	return map[string]func() sweptAct{
		"InitAuthority": func() sweptAct {
			return sweptAct{act: initialised, query: `SELECT count(*) FROM authority WHERE state = 'active'`, want: 1 + purposes, again: []error{ErrAuthorityExists}}
		},
		"InitAuthority below another": func() sweptAct {
			return sweptAct{act: asked(state.WayForeign), query: `SELECT count(*) FROM authority_request`, want: purposes, again: []error{ErrAuthorityExists, ErrAuthorityWaits}, unplanned: true}
		},
		"ImportAuthority": func() sweptAct {
			var answer []byte
			var sum string
			return sweptAct{before: func(t *testing.T, h *house) {
				must(t, asked(state.WayCeremony)(t.Context(), h))
				var root *ceremony.Root
				answer = hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{})
				sum = rootIn(t, answer)
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.ImportAuthority(ctx, tester(), AuthorityAnswer{Files: []ImportFile{{"answer", answer}}, Root: sum})
				return butFor[*AnswerError](err) // the list in it is published already
			}, query: `SELECT count(*) FROM authority WHERE state = 'active'`, want: 1 + purposes, again: []error{ErrNothingWaits}}
		},
		"Withdraw": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) { must(t, asked(state.WayForeign)(t.Context(), h)) }, act: func(ctx context.Context, h *house) error {
				_, err := h.Withdraw(ctx, tester(), WithdrawRequest{})
				return err
			}, query: `SELECT count(*) FROM authority_request`, again: []error{ErrNothingWaits, ErrNoAuthority}}
		},
		"Extend": func() sweptAct {
			return sweptAct{before: founds, act: extended, query: certifiedAnew, want: 1 + 2*purposes, again: []error{ErrNothingNew}}
		},
		"Extend elsewhere": func() sweptAct {
			return sweptAct{before: rootless, act: extended, query: `SELECT count(*) FROM authority_request`, want: purposes, again: []error{ErrNothingNew}, unplanned: true}
		},
		"Rollover servers": func() sweptAct { return rolledOver("servers", 1) },
		"Rollover root":    func() sweptAct { return rolledOver("root", 1) },
		"Rollover elsewhere": func() sweptAct {
			return sweptAct{before: rootless, act: func(ctx context.Context, h *house) error {
				_, err := h.Rollover(ctx, tester(), RolloverRequest{Name: "servers"})
				return err
			}, query: `SELECT count(*) FROM authority_request`, want: 1, again: []error{ErrAuthorityWaits}, unplanned: true}
		},
		"ExportRoot": func() sweptAct {
			return sweptAct{before: founds, act: func(ctx context.Context, h *house) error {
				_, err := h.ExportRoot(ctx, tester(), RootKeyRequest{Password: horse(), Confirm: true})
				return err
			}, query: `SELECT count(*) > 0 FROM audit WHERE act = 'ca root-export'`, want: 1}
		},
		"RemoveRoot": func() sweptAct {
			var file []byte
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				file = exported(t, h)
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.RemoveRoot(ctx, tester(), RootKeyRequest{File: ImportFile{"root.pfx", file}, Password: horse()})
				return err
			}, query: `SELECT count(*) FROM authority WHERE name = 'root' AND secret_id IS NULL`, want: 1, again: []error{ErrKeyElsewhere}}
		},
		"ImportRoot": func() sweptAct {
			var file []byte
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				file = exported(t, h)
				_, err := h.RemoveRoot(t.Context(), tester(), RootKeyRequest{File: ImportFile{"root.pfx", file}, Password: horse()})
				must(t, err)
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.ImportRoot(ctx, tester(), RootKeyRequest{File: ImportFile{"root.pfx", file}, Password: horse()})
				return err
			}, query: `SELECT count(*) FROM authority WHERE name = 'root' AND secret_id IS NOT NULL`, want: 1, again: []error{ErrKeyHere}}
		},
		"Issue": func() sweptAct {
			return sweptAct{before: founds, act: issues, query: `SELECT count(*) FROM lineage JOIN issuance ON requester = 'lineage shop' AND certificate IS NOT NULL AND revoked_at IS NULL WHERE name = 'shop'`, want: 1, again: []error{ErrLineageExists}}
		},
		"Issue for a second person": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				twoPersons(t, h)
			}, act: issues, query: `SELECT count(*) > 0 FROM approval`, want: 1}
		},
		"Renew": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				must(t, issues(t.Context(), h))
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.Renew(ctx, tester(), RenewRequest{ID: "shop"})
				return err
			}, query: `SELECT count(*) > 1 FROM generation JOIN lineage ON lineage.id = lineage_id WHERE lineage.name = 'shop'`, want: 1}
		},
		"Certify": func() sweptAct {
			var csr ImportFile
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				csr = newCSR(t, "a.example.com")
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.Certify(ctx, tester(), CertifyRequest{CSR: csr})
				return err
			}, query: `SELECT count(*) > 0 FROM issuance WHERE certificate IS NOT NULL`, want: 1}
		},
		"Certify for a second person": func() sweptAct {
			var csr ImportFile
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				csr = newCSR(t, "build.example.com")
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.Certify(ctx, tester(), CertifyRequest{Profile: "code-signing", CSR: csr})
				return err
			}, query: `SELECT count(*) > 0 FROM approval`, want: 1}
		},
		"Approve": func() sweptAct {
			a := decided(func(ctx context.Context, h *house, id string) error {
				_, err := h.Approve(ctx, state.Actor{Who: "second", From: "test"}, Decision{ID: id})
				return err
			})
			a.query, a.want = `SELECT count(*) FROM issuance JOIN approval ON approval.serial = issuance.serial WHERE certificate IS NOT NULL AND state = 'approved'`, 1
			return a
		},
		"Approve a lineage": func() sweptAct {
			var id string
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				twoPersons(t, h)
				must(t, issues(t.Context(), h))
				all, err := h.Pending(t.Context(), PendingQuery{})
				must(t, err)
				id = all[0].ID
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.Approve(ctx, state.Actor{Who: "second", From: "test"}, Decision{ID: id})
				return err
			}, query: `SELECT count(*) FROM lineage, issuance JOIN approval ON approval.serial = issuance.serial WHERE name = 'shop' AND certificate IS NOT NULL AND approval.state = 'approved'`, want: 1, again: []error{ErrDecided}}
		},
		"Reject": func() sweptAct {
			a := decided(func(ctx context.Context, h *house, id string) error {
				_, err := h.Reject(ctx, tester(), Decision{ID: id})
				return err
			})
			a.query, a.want = `SELECT count(*) FROM approval WHERE state = 'rejected'`, 1
			return a
		},
		"IssuePerson who encrypts": func() sweptAct { return personal("smime-encrypt") },
		"IssuePerson who signs in": func() sweptAct { return personal("user") },
		"PersonKey": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				must(t, personal("smime-encrypt").act(t.Context(), h))
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.PersonKey(ctx, tester(), PersonKeyRequest{ID: "kim@example.com", Password: horse()})
				return err
			}, query: `SELECT count(*) > 0 FROM audit WHERE act = 'ca person-key'`, want: 1}
		},
		"Revoke": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				must(t, issues(t.Context(), h))
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.Revoke(ctx, tester(), RevokeRequest{ID: "shop"})
				return err
			}, query: `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL`, want: 1, again: []error{state.ErrExists}}
		},
		"Revoke in parts": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				for n := range 4 {
					h.certified(t, tester(), fmt.Sprintf("n%d.example.com", n))
				}
				must(t, issues(t.Context(), h))
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.Revoke(ctx, tester(), RevokeRequest{Profile: "server", Reason: "superseded"})
				return err
			}, query: `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND reason = 4`, want: 5, again: []error{state.ErrExists}, below: 2}
		},
		"RevokeAuthority":          func() sweptAct { return fallen(1, 0) },
		"RevokeAuthority in parts": func() sweptAct { return fallen(5, 2) },
		"AcceptZLint": func() sweptAct {
			return sweptAct{before: founds, act: func(ctx context.Context, h *house) error {
				_, err := h.AcceptZLint(ctx, tester(), ZLintRequest{Lint: "e_x", Reason: "it is right"})
				return err
			}, query: `SELECT count(*) > 0 FROM audit WHERE act = 'ca zlint-accept'`, want: 1}
		},
		"SetCAProfile": func() sweptAct {
			return sweptAct{before: founds, act: profileSet, query: `SELECT count(*) FROM profile`, want: 1}
		},
		"RemoveCAProfile": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				must(t, profileSet(t.Context(), h))
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.RemoveCAProfile(ctx, tester(), ProfileRemoval{Name: "printers"})
				return butFor[*UnknownProfileError](err)
			}, query: `SELECT count(*) FROM profile`}
		},
		"KeepBook": func() sweptAct {
			return sweptAct{before: endedLine, act: func(ctx context.Context, h *house) error {
				_, err := h.KeepBook(ctx, tester(), KeepRequest{Days: 30})
				return err
			}, query: `SELECT count(*) FROM issuance`, unplanned: true}
		},
		"ForgetEnded": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				endedLine(t, h)
				h.store(t, func(tx *state.Tx) error { return tx.SetBookRule(30) })
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.ForgetEnded(ctx, tester())
				return err
			}, query: `SELECT count(*) FROM issuance`, unplanned: true}
		},
		"TendLists": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				endedLine(t, h)
				h.exec(t, `UPDATE revocation_shard SET closed = TRUE, ends_at = ends_at - ? WHERE number = 1`, (400 * 24 * time.Hour).Microseconds())
				must(t, h.TendLists(t.Context())) // its last list is signed, and holds for a day
				h.exec(t, `UPDATE revocation_shard SET this_update = this_update - ?1, next_update = next_update - ?1 WHERE number = 1`, (2 * 24 * time.Hour).Microseconds())
			}, act: func(ctx context.Context, h *house) error { return h.TendLists(ctx) }, query: `SELECT count(*) FROM revocation_shard WHERE number = 1`, unplanned: true}
		},
		"RevocationList": func() sweptAct {
			return sweptAct{before: founds, act: func(ctx context.Context, h *house) error {
				_, err := h.RevocationList(ctx, ListRequest{})
				return err
			}, query: `SELECT count(*) FROM revocation_shard WHERE number = 0 AND crl_number <> ''`, want: 1, unplanned: true}
		},
		"responder": func() sweptAct {
			return sweptAct{before: founds, act: func(ctx context.Context, h *house) error {
				_, err := h.responder(ctx, "servers")
				return err
			}, query: `SELECT count(*) > 0 FROM authority_plan WHERE purpose = 'ocsp' AND certificate IS NOT NULL`, want: 1}
		},
		"NewEAB": func() sweptAct {
			return sweptAct{before: founds, act: func(ctx context.Context, h *house) error {
				_, err := h.NewEAB(ctx, tester(), EABRequest{})
				return err
			}, query: `SELECT count(*) > 0 FROM acme_key`, want: 1}
		},
		"RevokeEAB": func() sweptAct {
			var id string
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				k, err := h.NewEAB(t.Context(), tester(), EABRequest{})
				must(t, err)
				id = k.ID
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.RevokeEAB(ctx, tester(), EABRevocation{ID: id})
				return butFor[*UnknownEABError](err)
			}, query: `SELECT count(*) FROM acme_key WHERE revoked_at IS NOT NULL`, want: 1}
		},
		"RevokeAccount": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				h.store(t, func(tx *state.Tx) error {
					return tx.AddACMEAccount(state.ACMEAccount{ID: "one", Authority: "servers", Thumbprint: "t", JWK: "{}", Status: state.ACMEValid})
				})
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.RevokeAccount(ctx, tester(), EABRevocation{ID: "one"})
				return butFor[*UnknownAccountError](err)
			}, query: `SELECT count(*) FROM acme_account WHERE status = 'revoked'`, want: 1}
		},
		"MoveWindow": func() sweptAct {
			return sweptAct{before: founds, act: windowMoved, query: `SELECT count(*) > 0 FROM acme_window`, want: 1}
		},
		"RestoreWindow": func() sweptAct {
			var id string
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				must(t, windowMoved(t.Context(), h))
				all, err := h.Windows(t.Context())
				must(t, err)
				id = all[0].ID
			}, act: func(ctx context.Context, h *house) error {
				_, err := h.RestoreWindow(ctx, tester(), WindowName{ID: id})
				return butFor[*UnknownWindowError](err)
			}, query: `SELECT count(*) FROM acme_window`}
		},
		"FinishIssuances": func() sweptAct {
			return sweptAct{before: func(t *testing.T, h *house) {
				founds(t, h)
				h.fault.setAfter(faultRefused, 1) // planned, and not recorded
				_ = issues(t.Context(), h)        // it fails, and that is wanted
				h.fault.again = true
				h.fault.setAfter(faultRefused, 1)
				_ = personal("user").act(t.Context(), h)
				h.fault.again = false
				h.fault.set(faultNone)
				must(t, nothingElse(h.count(t, `SELECT count(*) FROM issuance WHERE certificate IS NULL`), 2))
			}, act: func(ctx context.Context, h *house) error { return h.FinishIssuances(ctx) },
				query: `SELECT count(*) FROM issuance WHERE certificate IS NOT NULL AND secret_id IS NULL`, want: 2, several: true}
		},
	}
}

// certifiedAnew counts what the authorities were ever certified as.
const certifiedAnew = `SELECT count(*) FROM authority_certificate`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// butFor is the error, unless it is the one that says that it was done before; what was done is counted.
func butFor[E error](err error) error {
	if _, done := errors.AsType[E](err); done {
		return nil
	}
	return err
}

func nothingElse(got, want int) error {
	if got != want {
		return fmt.Errorf("got %d, want %d", got, want)
	}
	return nil
}

func initialised(_ context.Context, h *house) error { return initialise(h.Desk) }

func founds(t *testing.T, h *house) {
	t.Helper()
	must(t, initialise(h.Desk))
}

func asked(way string) func(context.Context, *house) error {
	return func(ctx context.Context, h *house) error {
		_, err := h.InitAuthority(ctx, tester(), AuthorityRequest{Superior: way})
		return err
	}
}

func exported(t *testing.T, h *house) []byte {
	t.Helper()
	out, err := h.ExportRoot(t.Context(), tester(), RootKeyRequest{Password: horse(), Confirm: true})
	must(t, err)
	return out.Data
}

// rootless has its authorities below a root that is elsewhere.
func rootless(t *testing.T, h *house) {
	t.Helper()
	must(t, asked(state.WayCeremony)(t.Context(), h))
	var root *ceremony.Root
	_, err := h.answer(t, hold(t, h.waiting(t).Ceremony, &root, ceremony.Options{}))
	must(t, err)
}

func extended(ctx context.Context, h *house) error {
	_, err := h.Extend(ctx, tester(), ExtendRequest{Domains: []string{"example.org"}})
	return err
}

func rolledOver(name string, more int) sweptAct {
	return sweptAct{before: founds, act: func(ctx context.Context, h *house) error {
		_, err := h.Rollover(ctx, tester(), RolloverRequest{Name: name})
		return err
	}, query: `SELECT count(*) FROM authority WHERE name = '` + name + `-2' AND state = 'active'`, want: more, again: []error{ErrNoAuthority}}
}

func issues(ctx context.Context, h *house) error {
	_, err := h.Issue(ctx, tester(), IssueRequest{Domains: []string{"shop.example.com"}, Lineage: "shop", Enable: "HTTP"})
	return err
}

// twoPersons lets the profile of servers want a second person.
func twoPersons(t *testing.T, h *house) {
	t.Helper()
	v, err := h.CAProfile(t.Context(), "server")
	must(t, err)
	text, err := json.Marshal(v.Profile)
	must(t, err)
	var f ProfileFile
	must(t, json.Unmarshal(text, &f))
	f.Approval = true
	_, err = h.SetCAProfile(t.Context(), tester(), ProfileRequest{Profile: f})
	must(t, err)
}

// decided is an act on a request that waits.
func decided(act func(context.Context, *house, string) error) sweptAct {
	var id string
	return sweptAct{before: func(t *testing.T, h *house) {
		founds(t, h)
		held, err := h.Certify(t.Context(), tester(), CertifyRequest{Profile: "code-signing", CSR: newCSR(t, "build.example.com")})
		must(t, err)
		id = held.Waiting
	}, act: func(ctx context.Context, h *house) error { return act(ctx, h, id) }, again: []error{ErrDecided}}
}

// personal issues for a person; what was not handed out is revoked, and then he asks again.
func personal(profile string) sweptAct {
	return sweptAct{before: founds, act: func(ctx context.Context, h *house) error {
		_, err := h.IssuePerson(ctx, tester(), PersonRequest{Profile: profile, Email: "kim@example.com", Kind: string(keys.ECDSAP256), Password: horse()})
		return err
	}, query: `SELECT count(*) FROM issuance WHERE certificate IS NOT NULL AND revoked_at IS NULL AND secret_id IS NULL AND serial IN (SELECT object FROM audit WHERE act = 'ca person')`, want: 1}
}

func profileSet(ctx context.Context, h *house) error {
	_, err := h.SetCAProfile(ctx, tester(), ProfileRequest{Profile: ProfileFile{ProfileOptions: ca.ProfileOptions{Name: "printers", Purpose: ca.PurposeServers, Domains: []string{"example.com"}}}})
	return err
}

func windowMoved(ctx context.Context, h *house) error {
	_, err := h.MoveWindow(ctx, tester(), WindowRequest{})
	return err
}

// endedLine has one certificate in the book, which was revoked and ended long ago.
func endedLine(t *testing.T, h *house) {
	t.Helper()
	founds(t, h)
	c := h.certified(t, tester(), "a.example.com")
	_, err := h.Revoke(t.Context(), tester(), RevokeRequest{ID: c.Serial})
	must(t, err)
	const query = `UPDATE issuance SET not_after = not_after - ?1, revoked_at = revoked_at - ?1`
	h.exec(t, query, (400 * 24 * time.Hour).Microseconds())
}

// otherActs are the acts that are no business of the authority; they have faults of their own.
var otherActs = map[string]string{
	"AcceptAudit": "TestHeadFaults", "Activate": "TestActFaults", "AddAnchors": "TestActFaults", "AddDistrust": "TestActFaults", "ApplyPlan": "TestApplyPlanFaults", "Ask": "TestActFaults",
	"Backup": "TestRestoreFaults", "Disable": "TestActFaults", "Enable": "TestActFaults", "Export": "TestActFaults", "ForgetTrust": "TestActFaults", "Import": "TestActFaults", "Kept": "TestRecoveryActFaults",
	"New": "TestActFaults", "NewLink": "TestALinkWorksOnce", "NewToken": "TestTokensAreNotInTheState", "Remove": "TestActFaults", "RenewByRequest": "TestActFaults", "RevokeToken": "TestATokenEnds",
	"Rollback": "TestActFaults", "SetInternal": "TestActFaults", "SetLineage": "TestActFaults", "SetListener": "TestActFaults", "SetRecovery": "TestRecoveryActFaults", "SignOut": "TestSignInExpires", "Tested": "TestRecoveryActFaults",
}

// TestEveryActOfTheAuthorityIsSwept: whatever changes something for somebody is in the sweep of faults, or is listed as no
// business of the authority.
func TestEveryActOfTheAuthorityIsSwept(t *testing.T) {
	t.Parallel()
	swept := map[string]bool{}
	for name := range sweptActs() {
		first, _, _ := strings.Cut(name, " ")
		swept[first] = true
	}
	actor := reflect.TypeFor[state.Actor]()
	of := reflect.TypeFor[*Desk]()
	for i := range of.NumMethod() {
		m := of.Method(i)
		acts := false
		for n := range m.Type.NumIn() {
			acts = acts || m.Type.In(n) == actor
		}
		if _, other := otherActs[m.Name]; acts && swept[m.Name] == other {
			t.Errorf("%s: in the sweep %v, listed as another's %v", m.Name, swept[m.Name], other)
		}
	}
}

// fallen revokes an authority that has issued so many, so many in one transaction.
func fallen(issued, below int) sweptAct {
	return sweptAct{before: func(t *testing.T, h *house) {
		founds(t, h)
		must(t, issues(t.Context(), h))
		for n := range issued - 1 {
			h.certified(t, tester(), fmt.Sprintf("n%d.example.com", n))
		}
	}, act: func(ctx context.Context, h *house) error {
		_, err := h.RevokeAuthority(ctx, tester(), RevokeAuthorityRequest{Name: "servers", Reason: "cACompromise"})
		return err
	}, query: `SELECT count(*) FROM issuance WHERE revoked_at IS NOT NULL AND reason = 0 AND NOT EXISTS (SELECT 1 FROM authority_revocation WHERE serial = '')
		AND EXISTS (SELECT 1 FROM authority WHERE name = 'servers' AND state = '` + state.AuthorityRevoked + `')`, want: issued, again: []error{state.ErrAuthorityRevoked}, below: below}
}
