package front

import "time"

// Limits bound what a client may cost. The zero value of every field means the number written beside it;
// nothing can be switched off, only moved.
type Limits struct {
	BeforeLogin time.Duration // from accept to login, the handshake included; zero: 1 minute
	Handshake   time.Duration // one TLS handshake; zero: 30 seconds
	Write       time.Duration // until the client takes what we say; zero: 1 minute
	Idle        time.Duration // no byte either way after login; zero: 35 minutes, RFC 9051 section 5.4 asks for at least 30
	Backend     time.Duration // dial and log in at the back end; zero: 20 seconds
	Drain       time.Duration // what passed-through sessions get when the server stops; zero: 30 seconds

	LineBytes     int // one command line without its end; zero: 8,192
	AuthLineBytes int // one line of an AUTH exchange, RFC 4954 section 4; zero: 12,288
	LiteralBytes  int // one IMAP literal before login; zero: 4,096
	Commands      int // commands before login; zero: 50
	BadCommands   int // of these, ones we did not understand; zero: 10
	Logins        int // refused logins until the connection is closed; zero: 3

	Connections int // open on one listener; zero: 40 % of RLIMIT_NOFILE. All listeners together: see Pool
	PerAddress  int // of these, from one IPv4 address or one IPv6 /64; zero: 256
}

// withDefaults puts a number in every field that says zero.
func (l Limits) withDefaults() Limits {
	duration := func(d *time.Duration, or time.Duration) {
		if *d <= 0 {
			*d = or
		}
	}
	number := func(n *int, or int) {
		if *n <= 0 {
			*n = or
		}
	}
	duration(&l.BeforeLogin, time.Minute)
	duration(&l.Handshake, 30*time.Second)
	duration(&l.Write, time.Minute)
	duration(&l.Idle, 35*time.Minute)
	duration(&l.Backend, 20*time.Second)
	duration(&l.Drain, 30*time.Second)
	number(&l.LineBytes, 8<<10)
	number(&l.AuthLineBytes, 12288)
	number(&l.LiteralBytes, 4<<10)
	number(&l.Commands, 50)
	number(&l.BadCommands, 10)
	number(&l.Logins, 3)
	number(&l.PerAddress, 256)
	number(&l.Connections, max(1, filesAllowed()*40/100))
	return l
}
