package desk

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"postseal/internal/ground/durable"
	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
)

// rootListWarning is how long before the end of a root's list somebody is told to bring the root: a ceremony takes weeks
// to arrange.
const rootListWarning = 90 * 24 * time.Hour

// listFromElsewhere returns the list of an authority whose key is not here: what somebody gave us is what there is. It lies
// in the state too, because nobody here could sign it again.
func (d *Desk) listFromElsewhere(ctx context.Context, a state.Authority, shard int64, last keptList) (keptList, error) {
	if last.path != "" && time.Now().Before(last.next) {
		return last, nil
	}
	var s state.Shard
	var der []byte
	err := d.db.View(ctx, func(tx *state.Tx) (err error) {
		if s, err = tx.Shard(a.ID, shard); err != nil || shard != 0 {
			return err
		}
		der, err = tx.AuthorityList(a.ID)
		return err
	})
	if err != nil {
		return keptList{}, err
	}
	if der == nil || s.CRLNumber == "" || !time.Now().Before(s.NextUpdate) {
		return keptList{}, fmt.Errorf("the revocation list of %s: %w", a.Name, ErrKeyElsewhere)
	}
	return d.keepList(s, func(staged *durable.Staged) error {
		_, err := staged.Write(der)
		return err
	})
}

// acceptList checks a list that was signed elsewhere, and returns what the state says of it.
func acceptList(der []byte, a state.Authority, last string, fallen []ceremony.Fallen) (state.Shard, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return state.Shard{}, err
	}
	s := state.Shard{AuthorityID: a.ID, CRLNumber: list.Number.String(), ThisUpdate: list.ThisUpdate.UTC(), NextUpdate: list.NextUpdate.UTC()}
	if !newerNumber(s.CRLNumber, last) || !time.Now().Before(s.NextUpdate) {
		return state.Shard{}, &AnswerError{Name: a.Name, Reason: "its revocation list is not newer than the one that is published"}
	}
	if now := time.Now(); now.Before(s.ThisUpdate) { // a machine without a network has nobody who sets its clock
		return state.Shard{}, &AnswerError{Name: a.Name, Reason: "its revocation list begins only on " + s.ThisUpdate.Format(time.RFC3339) + ", and clients would refuse it until then; set the clock of the machine that signs, and sign again"}
	}
	for _, f := range fallen {
		if !slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return ca.SerialText(e.SerialNumber) == f.Serial }) {
			return state.Shard{}, &AnswerError{Name: a.Name, Reason: "its revocation list does not name the certificate " + f.Serial + " of " + f.Name + ", which was revoked since; write the request again"}
		}
	}
	return s, nil
}

// newerNumber compares numbers of lists, which are decimal without leading zeros.
func newerNumber(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// rootListConditions says when the list of a root that is elsewhere comes near its end.
func rootListConditions(tx *state.Tx, now time.Time) (list []health.Condition, err error) {
	all, err := tx.Authorities()
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Purpose != string(ca.PurposeRoot) || a.SecretID != "" || a.State == state.AuthorityPending {
			continue
		}
		s, err := tx.Shard(a.ID, 0)
		if err != nil {
			return nil, err
		}
		if fallen, err := tx.AuthorityRevocations(a.ID); err != nil {
			return nil, err
		} else if len(fallen) > 0 && s.Dirty {
			list = append(list, health.Condition{Code: health.CodeRevocationUnsaid, Severity: health.Attention, Object: a.Name,
				Text: "an authority is revoked, and the revocation list of " + a.Name + " does not say so: its key is elsewhere"})
		}
		if left := s.NextUpdate.Sub(now); left < rootListWarning {
			c := health.Condition{Code: health.CodeRootListEnding, Severity: health.Attention, Object: a.Name,
				Text: "the revocation list of " + a.Name + ", whose key is elsewhere, ends on " + s.NextUpdate.UTC().Format(time.DateOnly)}
			if left <= 0 {
				c.Text = "the revocation list of " + a.Name + ", whose key is elsewhere, has ended: clients that look at it refuse everything"
			}
			list = append(list, c)
		}
	}
	return list, nil
}
