package hint

import (
	"postseal/internal/ground/audit"
	"postseal/internal/ground/backup"
	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// recoveryEntries are about backups and the recovery key.
func recoveryEntries() []entry {
	return []entry{
		wrong(as("backup.RecipientError", always[*backup.RecipientError]("a recipient of age begins with age1; see it with: age-keygen -y KEY-FILE"))),
		is("backup.ErrNotABackup", backup.ErrNotABackup, "give a file that was made with: postseal backup create FILE"),
		is("backup.ErrTruncated", backup.ErrTruncated, "take another copy of this backup, or an older one; a copy is checked with: postseal backup verify FILE --key KEY"),
		is("backup.ErrAltered", backup.ErrAltered, "take another copy of this backup, or an older one; a copy is checked with: postseal backup verify FILE --key KEY"),
		is("backup.ErrOtherKey", backup.ErrOtherKey, "use the recovery key that the organisation had when the backup was made; a key that was replaced still opens the backups of its time"),
		is("backup.ErrNotAKey", backup.ErrNotAKey, "give the file that was made with: postseal recovery init --out FILE"),
		as("backup.NewerError", always[*backup.NewerError]("nothing was changed; use the release of postseal that wrote it, or a newer one; see: postseal version")),
		is("desk.ErrNoRecoveryKey", desk.ErrNoRecoveryKey, "make one first: postseal recovery init --out FILE"),
		is("desk.ErrRecoveryUnsigned", desk.ErrRecoveryUnsigned, "somebody has written to the database: use a backup from before, or, where the sealing key is there, make a new one: postseal recovery init --out FILE"),
		is("desk.ErrRecoveryForeign", desk.ErrRecoveryForeign, "the newest recovery key of this organisation is needed; its public half is shown by: postseal recovery show"),
		as("desk.UnrecoverableError", always[*desk.UnrecoverableError]("where the sealing key is there, make a new recovery key, for which all are wrapped: postseal recovery init --out FILE; elsewhere take an older backup")),
		is("desk.ErrBackupForeign", desk.ErrBackupForeign, "restore it into a directory of its own with --data DIR, and keep the keys of one organisation apart from those of another"),
		is("desk.ErrSealingKeyHere", desk.ErrSealingKeyHere, "if it is the one of this server, nothing needs to be recovered: postseal status; if it is not, move it away and run the command again"),
		as("desk.AuditBrokenError", always[*desk.AuditBrokenError]("see every fault, and find out who writes to the database: postseal audit verify")),
		is("desk.ErrAuditWhole", desk.ErrAuditWhole, "nothing needs to be done; see: postseal audit verify"),
		is("audit.ErrNotAHead", audit.ErrNotAHead, "put the file audit-head back from a copy, or go on without it: postseal audit accept"),
		is("audit.ErrHeadForged", audit.ErrHeadForged, "find out who writes to the data directory: postseal audit verify"),
		is("state.ErrNotEmpty", state.ErrNotEmpty, "name an empty directory with --data DIR, or move what is in it away first; if a restore ended before it could say that it was done, what is there is the backup: postseal recovery use RECOVERY-KEY, or postseal serve where the sealing key is"),
	}
}

// keysLost says how to go on without the sealing key file.
func keysLost(e *desk.KeysLostError) string {
	back := "put the file back from where it is kept, or name it with --sealing-key FILE"
	if e.Recovery {
		return back + "; or make a new one with the recovery key: postseal recovery use FILE"
	}
	return back + "; there is no recovery key, so if the file is gone for good, so are the private keys: see what that means with postseal recovery abandon-keys --dry-run"
}
