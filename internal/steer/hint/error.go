package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"postseal/internal/ground/config"
	"postseal/internal/ground/listener"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
	"postseal/internal/keep/keyring"
	"postseal/internal/steer/desk"
)

// entries is the table of errors; the first match counts, so the particular stands before the general.
func entries() []entry {
	table := append(planEntries(), usageEntries()...)
	table = append(table, stateEntries()...)
	table = append(table, deskEntries()...)
	table = append(table, keyEntries()...)
	table = append(table, sessionEntries()...)
	table = append(table, fileEntries()...)
	table = append(table, trustEntries()...)
	table = append(table, authorityEntries()...)
	table = append(table, recoveryEntries()...)
	table = append(table, probeEntries()...)
	table = append(table, tokenEntries()...)
	return append(table, systemEntries()...)
}

func usageEntries() []entry {
	return []entry{
		wrong(as("listener.UnknownServiceError", always[*listener.UnknownServiceError]("the services are HTTP, IMAP, POP, SMTP and MANAGEMENT; see: postseal help services"))),
		wrong(as("config.UnknownListenerError", always[*config.UnknownListenerError]("the listeners are "+strings.Join(listener.Names(), ", ")+"; see: postseal help ports"))),
		wrong(as("config.AddressError", always[*config.AddressError]("give addresses like --bind 127.0.0.1 or --listen imaps=192.0.2.1:993; see: postseal help ports"))),
		wrong(is("config.ErrPortOffset", config.ErrPortOffset, "give a number from 0 to 50000, like --port-offset 10000; see: postseal help ports")),
		wrong(as("desk.ListenerServiceError", func(e *desk.ListenerServiceError) string {
			if k, ok := listener.ByName(e.Listener); ok && k.Service != "" {
				return fmt.Sprintf("%s belongs to %s; add it to --services, or leave --listener out to take all listeners of the services", e.Listener, k.Service)
			}
			return "leave --listener out to take all listeners of the services; see: postseal help services"
		})),
		wrong(as("desk.ValueError", func(e *desk.ValueError) string {
			return fmt.Sprintf("correct %s and run the command again; every flag is explained with --help", e.Name)
		})),
		wrong(as("x509cert.InvalidNameError", always[*x509cert.InvalidNameError]("give names like mail.example.com or *.example.com (one label, left-most); see: postseal help names"))),
		wrong(as("x509cert.InvalidSubjectError", always[*x509cert.InvalidSubjectError]("write subjects as RFC 4514 does: --subject \"CN=mail.example.com,O=Example,C=KR\""))),
		wrong(as("x509cert.InvalidThumbprintError", always[*x509cert.InvalidThumbprintError]("give 8 or more hex digits of a thumbprint, or the name of a lineage; see: postseal cert list, postseal lineage list"))),
		wrong(as("selfsigned.LifeError", always[*selfsigned.LifeError](fmt.Sprintf("give a life of 1 to %d days with --days", selfsigned.MaxDays)))),
		wrong(as("selfsigned.TooManyNamesError", always[*selfsigned.TooManyNamesError](fmt.Sprintf("spread the names over several certificates, at most %d each", selfsigned.MaxNames)))),
		wrong(is("selfsigned.ErrNoSubject", selfsigned.ErrNoSubject, "give a --domain of at most 64 characters, or a --subject")),
		as("config.FileError", func(e *config.FileError) string {
			return fmt.Sprintf("correct %s; every key is explained by: postseal help config", e.Path)
		}),
	}
}

func stateEntries() []entry {
	return []entry{
		is("state.ErrNoOrganisation", state.ErrNoOrganisation, "if the data directory is the right one (--data), set up: postseal setup --org \"Example\" --domain example.com; to try it out: postseal serve --trial"),
		as("state.InUseError", func(e *state.InUseError) string {
			if e.Holder == state.HolderServe {
				return fmt.Sprintf("a server runs there already; stop it with: kill %d, or use another --data directory", e.PID)
			}
			return fmt.Sprintf("wait until process %d is done, then run the command again", e.PID)
		}),
		is("state.ErrCorrupt", state.ErrCorrupt, "nothing was changed; keep the directory as it is, and put a copy of postseal.db from DIR/backups or from your own backup in its place"),
		is("state.ErrNewer", state.ErrNewer, "nothing was changed; run the newer release of postseal that wrote it, or restore the copy in DIR/backups that was made before its migration"),
		is("state.ErrNotOurs", state.ErrNotOurs, "run the command as the user that owns the directory (sudo -u USER postseal …), or give the directory to this user with chown"),
		is("state.ErrDirectory", state.ErrDirectory, "name a directory that this user, and nobody else, may write to with --data DIR, or mend the permissions of this one: chmod 700 DIR"),
		is("state.ErrOutcomeUnknown", state.ErrOutcomeUnknown, "look before you try again: postseal status, postseal cert list"),
		is("state.ErrDiskFull", state.ErrDiskFull, "make room, then run the command again: nothing was half done"),
		is("state.ErrNotFound", state.ErrNotFound, "look at what there is: postseal cert list, postseal lineage list, postseal listener list"),
		is("state.ErrStale", state.ErrStale, "nothing was changed; run the command again to see what would change now"),
	}
}

func deskEntries() []entry {
	return []entry{
		as("desk.KeysLostError", keysLost),
		is("desk.ErrSealingKeyMissing", desk.ErrSealingKeyMissing, "put the file back from where it is kept, or name it with --sealing-key FILE; without it the private keys cannot be opened"),
		is("desk.ErrSealingKeyForeign", desk.ErrSealingKeyForeign, "name the sealing key of this server with --sealing-key FILE, or the right data directory with --data DIR"),
		is("desk.ErrOrganisationExists", desk.ErrOrganisationExists, "nothing was changed; look at it with: postseal status, or set up another one with --data DIR"),
		is("desk.ErrSealingKeyExists", desk.ErrSealingKeyExists, "if its state was lost, put postseal.db back from a backup; if it is of no use any more, move the sealing key away and set up again"),
		is("desk.ErrNotTrial", desk.ErrNotTrial, "start it without --trial, or try with a directory of its own: postseal serve --trial --data DIR"),
		is("desk.ErrDefaultBinding", desk.ErrDefaultBinding, "give the listener to another certificate: postseal cert enable OTHER --services SERVICE"),
		is("desk.ErrNotBound", desk.ErrNotBound, "see what is bound where: postseal listener list, postseal cert show ID"),
		is("desk.ErrLineageExists", desk.ErrLineageExists, "choose another name with --lineage, or leave it out; see: postseal lineage list"),
		is("desk.ErrNoPrivateKey", desk.ErrNoPrivateKey, "only a certificate whose private key is here can serve; see: postseal cert show ID"),
		is("desk.ErrNotCurrent", desk.ErrNotCurrent, "put that generation in force first: postseal cert activate ID; see which there are: postseal lineage show LINEAGE"),
		is("desk.ErrNotAnAuthority", desk.ErrNotAnAuthority, "give the certificate of the authority that issued it; a server's own certificate is taken in with: postseal cert import"),
		is("desk.ErrNothingToImport", desk.ErrNothingToImport, "name files that hold a certificate, in PFX, PEM, DER, P7B, ZIP or JKS; look into one with: openssl x509 -in FILE -noout -text"),
		is("desk.ErrNoMatchingKey", desk.ErrNoMatchingKey, "import it together with the file of its key: postseal cert import CERTIFICATE KEY; a request that waits is seen with: postseal cert list --status PendingRequest"),
		is("desk.ErrKeyFromOutside", desk.ErrKeyFromOutside, "import it into a lineage of its own, without --lineage, and let that serve: postseal cert enable LINEAGE --services LIST"),
		is("desk.ErrImportEnded", desk.ErrImportEnded, "ask its authority for a new one: postseal cert request"),
		is("desk.ErrRequestFormat", desk.ErrRequestFormat, "--format pem or --format der; the certificate can leave once its answer was taken in: postseal cert import FILE"),
		is("desk.ErrNotExportable", desk.ErrNotExportable, "the certificate without its key leaves with --format der or p7b, or --format pem --no-key; for a key that may leave, make or import one with --exportable"),
		is("desk.ErrNotSelfSigned", desk.ErrNotSelfSigned, "ask its authority for the next one: postseal cert renew ID --request --out FILE"),
		is("desk.ErrNoPrevious", desk.ErrNoPrevious, "see the generations there are: postseal lineage show LINEAGE"),
		is("desk.ErrEnded", desk.ErrEnded, "make a new generation instead: postseal cert renew LINEAGE"),
		is("desk.ErrRevoked", desk.ErrRevoked, "ask its authority for another, with a new key: postseal cert renew LINEAGE --request --out FILE"),
		is("desk.ErrPending", desk.ErrPending, "when the answer is there, take it in: postseal cert import ANSWER; which requests wait: postseal cert list --status PendingRequest"),
		is("desk.ErrSignInLink", desk.ErrSignInLink, "make a new one on the server: postseal admin link"),
		is("desk.ErrManagementClosed", desk.ErrManagementClosed, "see why: postseal status; it may be that no server is running"),
		is("desk.ErrAuthCertificate", desk.ErrAuthCertificate, "choose another certificate, or make one: postseal cert new --name NAME --domain DOMAIN"),
		is("desk.ErrConfirmation", desk.ErrConfirmation, "look at what would change with --dry-run, then add --yes"),
		as("desk.UnknownCertificateError", always[*desk.UnknownCertificateError]("see what there is: postseal cert list, postseal lineage list")),
		as("desk.AmbiguousIDError", always[*desk.AmbiguousIDError]("give more characters of the thumbprint")),
		as("desk.UnknownServerError", always[*desk.UnknownServerError]("see which servers there are: postseal status")),
		as("desk.UnknownLineageError", always[*desk.UnknownLineageError]("see which lineages there are: postseal lineage list")),
		as("desk.InUseError", inUse),
		as("desk.ListenError", listenFailed),
		is("keyring.ErrNoCertificate", keyring.ErrNoCertificate, "bind one: postseal cert enable ID --services SERVICE; see: postseal listener list"),
		is("keyring.ErrUnknownListener", keyring.ErrUnknownListener, "see which listeners there are: postseal listener list"),
		is("keyring.ErrUnknownLineage", keyring.ErrUnknownLineage, "bind one that is there: postseal cert enable LINEAGE --services SERVICE; see: postseal lineage list"),
		is("keyring.ErrDefaultBinding", keyring.ErrDefaultBinding, "give the listener one default: postseal cert enable ID --services SERVICE --listener NAME"),
		is("keyring.ErrUnusableMember", keyring.ErrUnusableMember, "put another certificate in its place: postseal cert enable ID --services SERVICE"),
		as("keyring.SnapshotError", always[*keyring.SnapshotError]("what was served before is served on; put another certificate in its place: postseal cert enable ID --services SERVICE")),
	}
}

// inUse says how to replace a certificate, so that it can be removed.
func inUse(e *desk.InUseError) string {
	var steps []string
	if e.Services != "" {
		steps = append(steps, "postseal cert enable OTHER --services "+e.Services)
	}
	if e.Role == desk.RoleInternal {
		steps = append(steps, "postseal cert set-internal OTHER")
	}
	for _, name := range e.ByName {
		steps = append(steps, "postseal cert disable "+e.Lineage+" --listener "+name)
	}
	if e.Role == desk.RoleAuth {
		rest := ""
		if len(steps) > 0 {
			rest = "; what it serves can be given away: " + strings.Join(steps, ", then ")
		}
		return "tokens are signed with it; it renews by itself and cannot be removed while it is the auth certificate" + rest
	}
	return "replace it first with another certificate (postseal cert new makes one): " + strings.Join(steps, ", then ")
}

// listenFailed tells a port in use from one that we may not have.
func listenFailed(e *desk.ListenError) string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return fmt.Sprintf("another program answers there (see: ss -ltnp); stop it, move ours with --listen %s=ADDRESS:PORT or --port-offset N, or leave it out: postseal listener disable %s", e.Listener, e.Listener)
	case errors.Is(e.Err, syscall.EACCES), errors.Is(e.Err, syscall.EPERM):
		return "ports below 1024 need the capability cap_net_bind_service: run as root, give it in the systemd unit (AmbientCapabilities=CAP_NET_BIND_SERVICE), or use --port-offset 10000"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("this machine does not have that address; give one that it has with --bind or --listen %s=ADDRESS:PORT", e.Listener)
	}
	return fmt.Sprintf("give it another place with --listen %s=ADDRESS:PORT; see: postseal help ports", e.Listener)
}

// systemEntries are errors of the operating system, whoever met them.
func systemEntries() []entry {
	return []entry{
		is("syscall.ENOSPC", syscall.ENOSPC, "the disk is full; make room, then run the command again: nothing was half done"),
		is("syscall.ECONNREFUSED", syscall.ECONNREFUSED, "nobody listens there: see that the program runs, and that address and port are right; for --remote: postseal help remote"),
		is("syscall.EROFS", syscall.EROFS, "the file system is read-only; mount it for writing or use another --data directory"),
		is("fs.ErrNotExist", fs.ErrNotExist, "look at the name of the file, and at the directory that it is in"),
		is("fs.ErrPermission", fs.ErrPermission, "run the command as the owner of the data directory, or mend the permissions"),
	}
}
