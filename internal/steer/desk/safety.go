package desk

import (
	"context"
	"fmt"
	"time"

	"postseal/internal/ground/health"
)

// backupAge is how old the newest backup may be before status says so.
const backupAge = 7 * 24 * time.Hour

// safety says what would not survive this machine, and fills in s what would.
func (d *Desk) safety(ctx context.Context, v *view, s *Status) ([]health.Condition, error) {
	var all []health.Condition
	add := func(code health.Code, severity health.Severity, text string) {
		all = append(all, health.Condition{Code: code, Severity: severity, Text: text})
	}
	r, err := d.Recovery(ctx)
	if err != nil {
		return nil, err
	}
	s.RecoveryKey, s.LastBackup = r.ID, r.Backup
	if r.Unsigned {
		add(health.CodeRecoveryUnsigned, health.Attention, "the recovery key in the database is not signed by the organisation: somebody has written to the database, and no key is wrapped for it")
		return all, nil
	}
	switch {
	case r.ID == "":
		add(health.CodeNoRecoveryKey, health.Information, "there is no recovery key: without the sealing key file every private key is lost")
		return all, nil // nor can there be a backup that brings everything back
	case r.Missing > 0:
		add(health.CodeRecoveryIncomplete, health.Attention, fmt.Sprintf("%d private keys are not wrapped for the recovery key: it does not bring them back", r.Missing))
	}
	if r.TestedAt.IsZero() {
		add(health.CodeRecoveryUntested, health.Information, "the recovery key was never tried: whether its file is whole and can be found, nobody knows")
	}
	switch {
	case r.Backup == nil:
		add(health.CodeNoBackup, health.Information, "there is no backup: with this disk the organisation is lost")
	case time.Since(r.Backup.MadeAt) > backupAge:
		add(health.CodeBackupOld, health.Information, fmt.Sprintf("the newest backup is %d days old (%s)", int(time.Since(r.Backup.MadeAt).Hours()/24), r.Backup.File))
	}
	return all, nil
}
