package hint

import (
	"fmt"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
	"postseal/internal/serve/trial"
)

// keyEntries are about keys, and about files that hold secrets.
func keyEntries() []entry {
	return []entry{
		wrong(is("keys.ErrUnknownKind", keys.ErrUnknownKind, "the kinds of keys are ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096 and ed25519")),
		is("keys.ErrEncrypted", keys.ErrEncrypted, "decrypt it first: openssl pkey -in FILE -out NEW"),
		is("keys.ErrNoPrivateKey", keys.ErrNoPrivateKey, "the file must hold just one private key, in PEM or DER; look at it with: openssl pkey -in FILE -noout -text_pub"),
		is("keys.ErrSealedOtherwise", keys.ErrSealedOtherwise, "the sealing key does not open it: is --sealing-key the file of this server and this data directory? If the database was altered, put a copy back"),
		as("keys.WeakKeyError", always[*keys.WeakKeyError]("make a certificate with a new key: postseal cert new, or ask an authority for one: postseal cert request")),
		as("keys.FileModeError", func(e *keys.FileModeError) string {
			return fmt.Sprintf("run: chmod 600 %s; if others may have read it, replace what it protects", e.Path)
		}),
		as("selfsigned.UnsuitableKeyError", always[*selfsigned.UnsuitableKeyError]("make it with another kind of key: --key ecdsa-p256, --key rsa-2048")),
		is("x509cert.ErrCertificateTooLong", x509cert.ErrCertificateTooLong, "no certificate is that long; look at the file with: openssl x509 -in FILE -noout -text"),
		is("trial.ErrPasswordUnusable", trial.ErrPasswordUnusable, "write 1 to 128 printable ASCII characters on one line, or remove DIR/trial-password to get a new one"),
	}
}
