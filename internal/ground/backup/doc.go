// Package backup writes and reads the files in which an organisation survives its machine: backups, and
// the recovery key that opens them.
//
// A backup is one file of age (age-encryption.org/v1), so that it can be opened without us: the program
// age and the recovery key are enough. Inside is a tar of three files, in this order: postseal-backup.json
// (the [Header]: whose, from when, of which version, with the database's SHA-256), postseal.toml if there
// was one, and postseal.db. [Write] and [Open] stream: a backup is never in memory as a whole.
//
// Encrypting to somebody is not signing: whoever has the public half can write a file that opens. What
// makes a backup trustworthy is inside the database, signed by the organisation, and checked by the one
// who restores it (package desk).
//
// A [Key] is two keys in one file. The age identity (X25519, because the age of Debian 12 knows nothing
// newer) opens backups. The sealing key (ML-KEM-768 with X25519) opens the secrets in the database, which
// are wrapped for it as for a server. So whoever breaks X25519 one day reads names and certificates in an
// old backup, and no private key.
package backup
