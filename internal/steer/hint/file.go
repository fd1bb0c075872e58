package hint

import (
	"strings"

	"postseal/internal/ground/certfile"
	"postseal/internal/issue/request"
)

// fileEntries are about files that certificates come and go in, and about requests.
func fileEntries() []entry {
	return []entry{
		as("certfile.PasswordMissingError", always[*certfile.PasswordMissingError]("give its password with --password-file FILE or --password-env VARIABLE")),
		as("certfile.PasswordError", always[*certfile.PasswordError]("give the right password with --password-file FILE; a damaged file looks the same: try it with openssl pkcs12 -info -in FILE")),
		as("certfile.MismatchError", always[*certfile.MismatchError]("the two files do not belong together: give the key that was made with the request for this certificate")),
		as("certfile.SignatureError", always[*certfile.SignatureError]("ask the authority for the certificate again; if its issuer has a new key under an old name, give the issuer's new certificate too: postseal cert import FILE ISSUER")),
		as("certfile.UnsupportedError", always[*certfile.UnsupportedError]("write it anew with OpenSSL 3, for example: openssl pkcs12 -in OLD -legacy -nodes | openssl pkcs12 -export -out NEW")),
		as("certfile.FormatError", func(e *certfile.FormatError) string {
			if strings.Contains(e.Error(), "unsupported elliptic curve") { // the library has no named error for it
				return "mail programs do not take that curve either: make a new key, of P-256 or P-384, and ask for a certificate for it: postseal cert request"
			}
			return "ask for the file again as PFX, PEM or P7B; look into this one with: openssl asn1parse -in FILE, with -inform DER if it is no text"
		}),
		as("certfile.LimitError", always[*certfile.LimitError]("no certificate needs that much; take the certificates that you need out of the file first")),
		is("certfile.ErrNoMAC", certfile.ErrNoMAC, "write it anew with a MAC: openssl pkcs12 -in OLD -nodes | openssl pkcs12 -export -out NEW"),
		is("certfile.ErrExportPassword", certfile.ErrExportPassword, "give one with --password-file FILE or --password-env VARIABLE"),
		wrong(is("certfile.ErrUnknownProfile", certfile.ErrUnknownProfile, "the profiles are modern and windows2016")),
		wrong(is("request.ErrNoName", request.ErrNoName, "give at least one --domain")),
		wrong(is("request.ErrUnknownUsage", request.ErrUnknownUsage, "the usages are serverAuth, clientAuth, emailProtection, codeSigning, timeStamping and ocspSigning")),
		wrong(as("request.TooManyNamesError", always[*request.TooManyNamesError]("spread the names over several requests"))),
		as("request.UnsuitableKeyError", always[*request.UnsuitableKeyError]("ask with another kind of key: --key ecdsa-p256, --key rsa-2048")),
	}
}
