package hint

import (
	"postseal/internal/ground/health"
)

// conditions is the table of health conditions.
func conditions() map[health.Code]func(health.Condition) string {
	say := func(text string) func(health.Condition) string { return func(health.Condition) string { return text } }
	return map[health.Code]func(health.Condition) string{
		health.CodeSnapshotRefused: say("what was served before is served on; undo the last change with the command that it printed; the log names the error"),
		health.CodeListenerClosed: func(c health.Condition) string {
			return "see who has the port: ss -ltnp; then: postseal listener disable " + object(c, "NAME") + ", postseal listener enable " + object(c, "NAME")
		},
		health.CodeManagementWithoutCertificate: say(`postseal cert new --name "Postseal Management" --services MANAGEMENT, or use one that is there: postseal cert enable ID --services MANAGEMENT`),
		health.CodeListenerWithoutCertificate:   say("postseal cert enable ID --services SERVICE, or do without it: postseal listener disable NAME"),
		health.CodeCertificateExpired: func(c health.Condition) string {
			return "make its next generation: postseal cert renew " + object(c, "LINEAGE") + "; if an authority signed it: " + askAgain(c) + "; or let another take over: postseal cert enable OTHER --services LIST"
		},
		health.CodeCertificateEnding: func(c health.Condition) string {
			return "make its next generation: postseal cert renew " + object(c, "LINEAGE") + "; if an authority signed it: " + askAgain(c) + "; or let another take over: postseal cert enable OTHER --services LIST"
		},
		health.CodeCertificateRevoked: func(c health.Condition) string {
			return "clients will refuse it: get another, with a new key; of our own authority: postseal cert renew " + object(c, "LINEAGE") + "; of another: " + askAgain(c) + "; or let another take over: postseal cert enable OTHER --services LIST"
		},
		health.CodeServedNotBound: func(c health.Condition) string {
			return "see which program has the port and what lies between: ss -ltnp; what should be served: postseal cert explain --listener " + object(c, "NAME") + "; look again: postseal check --all"
		},
		health.CodeRevocationUnchecked:       say("nothing stops; let this server reach the addresses that the text names, through revocation.proxy or revocation.allow in postseal.toml: postseal help config"),
		health.CodeAuthCertificateMissing:    say("restore the state from a copy that has it"),
		health.CodeNoBackend:                 say("this release knows no mail server but the trial mailbox behind its front ends; close them until then: postseal listener disable NAME"),
		health.CodeServerNotRunning:          say("start it: postseal serve"),
		health.CodeNoRecoveryKey:             say("make one, and keep its file away from this machine: postseal recovery init --out FILE"),
		health.CodeRecoveryUntested:          say("fetch its file and try it: postseal recovery test FILE; if its making was cut short, the key lies in FILE.new, and the same postseal recovery init --out FILE puts it in its place"),
		health.CodeRecoveryUnsigned:          say("find out who writes to the database; then make a new recovery key: postseal recovery init --out FILE"),
		health.CodeRecoveryIncomplete:        say("make a new recovery key, for which everything is wrapped: postseal recovery init --out FILE"),
		health.CodeNoBackup:                  say("make one on another disk, and let it be made every night: postseal backup create FILE"),
		health.CodeBackupOld:                 say("make a new one, and let it be made every night: postseal backup create FILE"),
		health.CodeAuditBroken:               say("see every fault, and find out who writes to the database: postseal audit verify; then restore a backup from before: postseal backup restore FILE --key KEY, or go on from here: postseal audit accept"),
		health.CodeAuditUnsigned:             say("it is tried again by itself every minute; see that the data directory can be written to; to try now: postseal audit verify"),
		health.CodeSecurityModuleUnreachable: say("nothing is issued, and lists and answers end, until it signs again; see that it runs, holds the token and takes the PIN; try it: postseal ca module"),
		health.CodeAuthorityUntended:         say("it is tried again by itself within the hour; see that the disk has room and the data directory can be written to; see how the authority stands: postseal ca health"),
		health.CodeZLintFinds: func(c health.Condition) string {
			return "see in what: postseal ca zlint list; take back what is wrong: postseal ca revoke SERIAL; or say why it is right: postseal ca zlint accept " + object(c, "LINT") + " --reason TEXT"
		},
		health.CodeRevocationUnsaid: say("let the root sign another: postseal ca request --out FILE, then postseal ca ceremony FILE where the root is, then postseal ca import ANSWER; or bring its key back: postseal ca root import FILE"),
		health.CodeRootListEnding:   say("let the root sign another: postseal ca request --out FILE, then postseal ca ceremony FILE where the root is, then postseal ca import ANSWER; or bring its key back: postseal ca root import FILE"),
		health.CodeTrialMailbox:     say("for real use set up a real organisation in a directory of its own: postseal setup --org NAME --domain DOMAIN --data DIR"),
		health.CodeTrialNotServed:   say("start it with its mailbox: postseal serve --trial"),
		health.CodeRenewalFailed: func(c health.Condition) string {
			return "it is tried again by itself; to try now and see the error: postseal cert renew " + object(c, "LINEAGE")
		},
		health.CodeRenewalWaiting: func(c health.Condition) string {
			return "put it in force: postseal cert activate " + object(c, "LINEAGE")
		},
		health.CodeCertificateUntrusted: func(c health.Condition) string {
			return "see why: postseal cert show " + object(c, "LINEAGE") + "; replace one that signs itself: postseal cert renew " + object(c, "LINEAGE") + "; trust an authority: postseal trust add FILE; or let another take over: postseal cert enable OTHER --services LIST"
		},
		health.CodeClientsObject: func(c health.Condition) string {
			return "it is served as it was enabled; see everything: postseal cert show " + object(c, "LINEAGE") + ", or let another take over: postseal cert enable OTHER --services LIST"
		},
		health.CodeTokenEnding:    say("give the program that uses it a new one: postseal admin token new --name NAME, and then: postseal admin token revoke NAME"),
		health.CodeAuditNotSent:   say("nothing is lost, and it is tried again; see that the collector answers, or mend audit.syslog in postseal.toml: postseal help config"),
		health.CodeNoticeNotSent:  say("it is tried again by itself; see what is wrong: postseal notice test; mend the keys of notices in postseal.toml: postseal help config; see what waits: postseal notice list"),
		health.CodeNameNotCovered: say("clients that ask for the server by its name will warn; make one that fits: postseal cert new --name NAME --domain DOMAIN --services LIST"),
	}
}

// askAgain is the command that asks an authority for the next generation of what a condition is about.
func askAgain(c health.Condition) string {
	return "postseal cert renew " + object(c, "LINEAGE") + " --request --out FILE"
}

// object is what a condition is about; a condition that names nothing must not leave a hole in the command.
func object(c health.Condition, otherwise string) string {
	if c.Object == "" {
		return otherwise
	}
	return c.Object
}
