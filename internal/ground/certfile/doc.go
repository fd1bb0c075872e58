// Package certfile reads and writes the files in which certificates and private keys travel.
//
// A newcomer must know that the ending of a file's name says nothing. A .cer may be text or binary, a .crt may hold a
// whole chain, a .pfx and a .p12 are the same thing, and Windows saves text in UTF-16. So [Read] looks at the content:
//
//   - PEM (RFC 7468): text with base64 between BEGIN and END lines, any number and mix of blocks, in UTF-8 or UTF-16,
//     with whatever line ends; also the base64 alone, as it is pasted from a mail.
//   - DER, the binary form of everything below; also BER (ITU-T X.690), its looser relative, which Windows and old
//     Java write. What is BER becomes DER before it is parsed.
//   - PFX, which is PKCS #12 (RFC 7292): keys and certificates under one password.
//   - P7B, which is PKCS #7 or CMS without signers (RFC 5652): certificates only, in any order.
//   - JKS, the keystore of Java until version 8.
//   - ZIP, as resellers send it, with any of the above as members.
//   - requests (PKCS #10, RFC 2986), CRLs, and private keys in PKCS #8 (RFC 5958), PKCS #1 and SEC 1, plain or under a
//     password.
//
// The normal use is to read each file that an administrator names, and to put the pieces together:
//
//	c, err := certfile.Read("mail.zip", data, certfile.ReadOptions{Password: ask})
//	…
//	a, err := certfile.Assemble([]*certfile.Contents{c, key}, knownIssuers)
//	for _, bundle := range a.Bundles { … }
//
// [Assemble] finds which key belongs to which certificate, orders the chain whatever the order in the files, completes
// it from the issuers that the caller knows, and names the issuer that is missing. In the other direction [PFX], [PEM],
// [DER], [P7B] and [RequestPEM] write one certificate in the forms that other programs read.
//
// Files come from strangers. Every length, nesting, count and iteration is bounded before it is obeyed (see
// [LimitError]), and every error names the file, and the line or the member in it. Private keys are judged by package
// keys when they are read, so a weak one never comes out; certificates are parsed, and by Assemble held against their
// issuers so that a damaged one is noticed, but not judged: whether one has expired or is trusted is for package trust to
// say. Signatures of a P7B are not looked at, because nobody signs one.
// Nothing here touches the disk, the network or the clock.
package certfile
