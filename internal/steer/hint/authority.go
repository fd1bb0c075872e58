package hint

import (
	"postseal/internal/ground/hsm"
	"postseal/internal/ground/state"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/acmeserver"
	"postseal/internal/issue/ca"
	"postseal/internal/issue/ceremony"
	"postseal/internal/issue/challenge"
	"postseal/internal/issue/crl"
	"postseal/internal/issue/ocsp"
	"postseal/internal/issue/signed"
	"postseal/internal/issue/zlint"
	"postseal/internal/steer/desk"
)

// authorityEntries are about the organisation's own authority.
func authorityEntries() []entry {
	return []entry{
		// StepError comes last of what it may wrap: the cause matters more than the step.
		is("ca.ErrOutcomeUnknown", ca.ErrOutcomeUnknown, "look before you ask again: postseal ca list says whether the certificate is there"),
		is("ca.ErrSerialTaken", ca.ErrSerialTaken, "ask again: the next serial is drawn anew; if it happens twice, the machine's source of random numbers is broken, and nothing more should be issued"),
		is("ca.ErrIssuer", ca.ErrIssuer, "the certificate and the key of this authority do not fit what is asked of it; ask the authority that is for it"),
		as("ca.ClockError", always[*ca.ClockError]("nothing was issued; set the clock of this server (timedatectl set-ntp true), and ask again")),
		as("ca.LintError", always[*ca.LintError]("nothing was signed; this is a fault of postseal, please report it")),
		as("ca.StepError", always[*ca.StepError]("the certificate is written down and not handed out; it is finished when the server starts; see: postseal ca list")),
		wrong(as("ca.NameError", func(e *ca.NameError) string {
			if e.Name == "" {
				return "name it, with --domain or --email, or make the request anew: openssl req … -addext subjectAltName=DNS:NAME"
			}
			return "ask for names that the profile certifies; see them: postseal ca profile show PROFILE; change it: postseal ca profile set FILE"
		})),
		wrong(as("ca.KeyError", always[*ca.KeyError]("make another key, of a kind that the profile takes: postseal ca profile show PROFILE"))),
		wrong(as("ca.LifeError", always[*ca.LifeError]("ask for less, or leave it to the profile"))),
		wrong(as("ca.ProfileError", always[*ca.ProfileError]("correct the profile; what was in force before still is"))),
		wrong(is("crl.ErrUnknownReason", crl.ErrUnknownReason, "leave the reason out if none of them fits")),
		is("desk.ErrAuthorityExists", desk.ErrAuthorityExists, "nothing was changed; look at it with: postseal ca show; add an authority for a purpose that has none: postseal ca init --purpose PURPOSE"),
		is("desk.ErrNoAuthority", desk.ErrNoAuthority, "make one: postseal ca init; which parts there are of one that was made: postseal ca show"),
		is("desk.ErrKeyElsewhere", desk.ErrKeyElsewhere, "bring its key back: postseal ca root import FILE; or let it sign where it is: postseal ca request --out FILE, then postseal ca ceremony FILE"),
		is("desk.ErrKeyHere", desk.ErrKeyHere, "nothing was changed; to take it out: postseal ca root remove --exported FILE"),
		is("desk.ErrExportUnproven", desk.ErrExportUnproven, "nothing was removed; write the file first: postseal ca root export --out FILE"),
		is("desk.ErrAuthorityWaits", desk.ErrAuthorityWaits, "write the request again: postseal ca request --out FILE; take the answer in: postseal ca import FILE; or take it back: postseal ca withdraw"),
		is("desk.ErrNothingWaits", desk.ErrNothingWaits, "nothing was changed; see the authorities: postseal ca show"),
		as("desk.AnswerError", always[*desk.AnswerError]("nothing was changed; see what waits, and what was asked: postseal ca request --json")),
		as("ca.SubordinateError", always[*ca.SubordinateError]("nothing was changed; ask the authority above for a certificate of a subordinate authority, with its whole chain; for AD CS see docs/howto-adcs-subordinate.md")),
		as("ceremony.FileError", always[*ceremony.FileError]("write the request again on the server: postseal ca request --out FILE; the answer is what postseal ca ceremony has written")),
		is("desk.ErrApproval", desk.ErrApproval, "ask with: postseal ca issue --csr FILE; the request then waits for a second person: postseal ca pending"),
		wrong(is("desk.ErrShortPassword", desk.ErrShortPassword, "give a longer one, or, where a program takes no other: --short-password")),
		as("desk.UntrustedRootError", func(e *desk.UntrustedRootError) string {
			return "compare its SHA-256 with what the owner of the root, or the protocol of the ceremony, says, and name it: postseal ca import FILE --root " + e.SHA256
		}),
		is("desk.ErrRootRevocation", desk.ErrRootRevocation, "give it a successor and every machine the new root: postseal ca rollover root; then believe it no more: postseal trust distrust FILE"),
		is("state.ErrAuthorityRevoked", state.ErrAuthorityRevoked, "another issues in its place: postseal ca show; without one make it: postseal ca init --purpose PURPOSE"),
		is("zlint.ErrNoProgram", zlint.ErrNoProgram, "put postseal-zlint beside postseal: make build makes both"),
		is("zlint.ErrNoChild", zlint.ErrNoChild, "put the postseal-zlint of the same release beside postseal; until then what waits is not read: postseal ca health"),
		is("desk.ErrNothingNew", desk.ErrNothingNew, "nothing was changed; see what they certify: postseal ca show"),
		is("desk.ErrNoSecurityModule", desk.ErrNoSecurityModule, "name its library, token and file with the PIN in postseal.toml, under security-module: postseal help config"),
		is("desk.ErrKeyInModule", desk.ErrKeyInModule, "what it signs is signed there; to have a key outside, make a copy with the tools of the module's maker"),
		is("hsm.ErrNotBuilt", hsm.ErrNotBuilt, "use a program that was built with: make pkcs11"),
		is("hsm.ErrPIN", hsm.ErrPIN, "correct the file that security-module.pin-file in postseal.toml names; it is tried when it has changed; how many tries are left, the tools of the module's maker say"),
		is("hsm.ErrNoKey", hsm.ErrNoKey, "see which keys are there: postseal ca module; put the token back that has it, or a copy of it"),
		wrong(is("hsm.ErrKind", hsm.ErrKind, "choose another kind, such as --root-key ecdsa-p384")),
		is("hsm.ErrUnreachable", hsm.ErrUnreachable, "see that the module runs and holds the token, and that security-module in postseal.toml names both: postseal help config; try it: postseal ca module"),
		is("hsm.ErrOptions", hsm.ErrOptions, "correct security-module in postseal.toml; every key is explained by: postseal help config"),
		is("hsm.ErrRef", hsm.ErrRef, "the address of the key in the state is damaged: restore a backup: postseal backup restore FILE --key KEY"),
		is("desk.ErrKeyNotKept", desk.ErrKeyNotKept, "keys of smime-encrypt that were made here are kept, and no others; issue a new one: postseal ca issue --profile smime-encrypt --email ADDRESS --out FILE"),
		is("desk.ErrSamePerson", desk.ErrSamePerson, "another administrator agrees: with a token of his own, made on the server (postseal admin token new --name NAME --scope admin), from his machine, postseal --remote URL ca approve ID; see: postseal help remote"),
		is("desk.ErrDecided", desk.ErrDecided, "nothing was changed; see: postseal ca pending --all"),
		is("desk.ErrBuiltInProfile", desk.ErrBuiltInProfile, "nothing was changed; see: postseal ca profile list"),
		wrong(as("desk.UnknownProfileError", always[*desk.UnknownProfileError]("see the profiles: postseal ca profile list"))),
		is("acme.ErrSignature", acme.ErrSignature, "the client signs with another key than that of its account; let it make a new account"),
		as("acme.AlgorithmError", always[*acme.AlgorithmError]("let the client use ES256, ES384, RS256 or EdDSA")),
		is("acmeserver.ErrNoDirectory", acmeserver.ErrNoDirectory, "the directories are those of the authorities that issue here: postseal ca show"),
		as("challenge.AddressError", always[*challenge.AddressError]("allow the network with acme.networks in postseal.toml, if the name is right")),
		is("desk.ErrNoEnrolment", desk.ErrNoEnrolment, "choose a profile for names of hosts that needs nobody to agree, such as server; see: postseal ca show"),
		as("desk.UnknownEABError", always[*desk.UnknownEABError]("see what there is: postseal ca eab list")),
		as("desk.UnknownAccountError", always[*desk.UnknownAccountError]("see what there is: postseal ca account list")),
		as("desk.UnknownWindowError", always[*desk.UnknownWindowError]("see what there is: postseal ca ari list")),
		as("desk.UnknownIssuedError", func(e *desk.UnknownIssuedError) string {
			switch {
			case e.SelfSigned:
				return "put another in its place: postseal cert renew " + e.Lineage + "; where it was trusted, take that back, with its file (postseal cert export ID --format der --out FILE): postseal trust distrust FILE"
			case e.Lineage != "":
				return "ask the authority that has signed it; then get another, with a new key: postseal cert renew " + e.Lineage + " --request --out FILE"
			}
			return "see what was issued: postseal ca list"
		}),
		is("ocsp.ErrSigner", ocsp.ErrSigner, "the signer of OCSP answers is made anew by the server; start it again"),
		is("ocsp.ErrMalformed", ocsp.ErrMalformed, "look into the question with: openssl ocsp -reqin FILE -req_text"),
		wrong(is("signed.ErrUnsuitableKey", signed.ErrUnsuitableKey, "choose another kind for the authority's key")),
		is("state.ErrShardFull", state.ErrShardFull, "ask again: it is drawn up for the next revocation list"),
		is("state.ErrExists", state.ErrExists, "nothing was changed; look at what is there first"),
	}
}
