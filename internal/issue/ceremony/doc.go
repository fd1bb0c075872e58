// Package ceremony lets a root sign on a machine that has no network, through files.
//
// A root's key is needed a few times in twenty years: when the authority is founded, when an issuing authority gets
// another certificate, and when its own revocation list comes near its end. In between it is a risk and of no use. So it
// can live on a machine that is never connected, and files go to and fro:
//
//	the server writes a [Request]: who wants to be certified, for which names, with a PKCS #10 of each key
//	the machine without a network opens or makes the [Root], shows what it would sign, signs, and writes an [Answer]
//	the server takes the answer in
//
// None of the files is a secret but the root's own, which is a PFX under a password. The request is not believed either:
// whoever stands before the offline machine reads what it says and compares it with what he came for; [Protocol] writes it
// down for signatures in ink. The answer proves itself: everything in it is signed by the root.
//
// Names constraints and lives are those of package ca, whichever machine signs. There is nothing about disks here, but for
// what is to be written down before the key is touched: see [Options].
package ceremony
