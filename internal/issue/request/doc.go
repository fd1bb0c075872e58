// Package request makes certificate requests.
//
// Who wants a certificate from an authority sends it a request (PKCS #10, RFC 2986): the public key, the subject, and
// the names that the certificate shall have, signed with the private key to show that it is there. The names stand in
// an attribute, extensionRequest, which holds the extensions that the certificate shall get. An authority may leave
// things out or put others in, so what comes back has to be compared with what was asked.
//
// There is one function, [Create]:
//
//	der, err := request.Create(request.Options{Names: []string{"mail.example.com", "imap.example.com"}}, key)
//
// The names are always in subjectAltName, because clients look nowhere else. The first of them is the common name too,
// since some authorities and their forms refuse a request without one; Options can leave it out. The key is made and
// judged in package keys. Sending the request, keeping it until the answer comes, and reading the answer are the
// business of others; package certfile reads and writes requests in files.
package request
