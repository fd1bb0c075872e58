package trust

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/x509cert"
)

// A Mode says how revocation is checked. Revoked is revoked in all but ModeOff.
type Mode string

const (
	// ModeOff asks nobody.
	ModeOff Mode = "off"
	// ModeSoft asks, and goes on when nobody can be reached: the verdict says so. Data that is there but cannot be
	// believed is not forgiven.
	ModeSoft Mode = "soft"
	// ModeHard wants an answer for every certificate below the anchor.
	ModeHard Mode = "hard"
	// ModeOffered wants an answer for every certificate that says where one can be had, and asks about no other. It is
	// for certificates in service, and no word of --revocation.
	ModeOffered Mode = "offered"
)

// ParseMode takes one of the words of --revocation; the empty text is soft. The error is an [*InvalidWordError].
func ParseMode(s string) (Mode, error) {
	if s == "" {
		return ModeSoft, nil
	}
	return parseWord(s, "revocation mode", ModeOff, ModeSoft, ModeHard)
}

// A Profile says whose rules decide.
type Profile string

const (
	// ProfileRFC5280 lets the rules of RFC 5280 decide; those of the CA/Browser Forum are lints.
	ProfileRFC5280 Profile = "rfc5280"
	// ProfileWebPKI lets the CA/Browser Forum's rules for servers decide too.
	ProfileWebPKI Profile = "webpki"
)

// ParseProfile takes one of the words of --profile; the empty text is rfc5280. The error is an [*InvalidWordError].
func ParseProfile(s string) (Profile, error) {
	if s == "" {
		return ProfileRFC5280, nil
	}
	return parseWord(s, "profile", ProfileRFC5280, ProfileWebPKI)
}

// ParsePurpose takes one of the words of --purpose; the empty text is any. The error is an [*InvalidWordError].
func ParsePurpose(s string) (x509cert.Usage, error) {
	if s == "" {
		return x509cert.UsageAny, nil
	}
	return parseWord(s, "purpose", x509cert.UsageServerAuth, x509cert.UsageClientAuth, x509cert.UsageEmailProtection, x509cert.UsageAny)
}

// InvalidWordError says that a word is none of those that a setting takes.
type InvalidWordError struct {
	Setting string   // "profile", "purpose", "revocation mode"
	Word    string   // as it was given, shortened when long
	Known   []string // what it may be
}

// Error names the word first.
func (e *InvalidWordError) Error() string {
	return fmt.Sprintf("%q is no %s; it is one of %s", e.Word, e.Setting, strings.Join(e.Known, ", "))
}

func parseWord[T ~string](s, setting string, known ...T) (T, error) {
	if slices.Contains(known, T(s)) {
		return T(s), nil
	}
	e := &InvalidWordError{Setting: setting, Word: clip(s)}
	for _, k := range known {
		e.Known = append(e.Known, string(k))
	}
	return "", e
}

// A Question asks about one certificate. Only Leaf is needed.
type Question struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate // what came along; order and superfluous ones do not matter
	// Roots replace our anchors. Nil means ours; empty and not nil means that nothing is trusted.
	Roots    []*x509.Certificate
	At       time.Time      // the moment for which everything is judged; zero is now
	Name     string         // host, IP address or mail address that the certificate must be for; empty asks for none
	Purpose  x509cert.Usage // empty is any
	Mode     Mode           // empty is [ModeSoft]
	Profile  Profile        // empty is [ProfileRFC5280]
	Policies *Policies      // nil asks nothing of certificate policies beyond what the chain itself demands
	// MaxDepth bounds the intermediates between the certificate and its anchor; nil leaves it to the chain.
	MaxDepth *int
	// Revocation is asked instead of the verifier's own source; nil means the verifier's.
	Revocation Revocation
}

// Policies are the user's inputs of RFC 5280 section 6.1.1 (c) to (f).
type Policies struct {
	Accept          []x509.OID // user-initial-policy-set; empty is any-policy
	RequireExplicit bool       // initial-explicit-policy
	InhibitMapping  bool       // initial-policy-mapping-inhibit
	InhibitAny      bool       // initial-any-policy-inhibit
}

// complete puts the defaults in the place of zero values.
func (q Question) complete() Question {
	if q.At.IsZero() {
		q.At = time.Now()
	}
	q.Intermediates, q.Roots = parsed(q.Intermediates), parsed(q.Roots)
	// RFC 5280 section 4.1.2.5: certificates know whole seconds, and both ends of the validity are inside.
	q.At = q.At.UTC().Truncate(time.Second)
	if q.Purpose == "" {
		q.Purpose = x509cert.UsageAny
	}
	if q.Mode == "" {
		q.Mode = ModeSoft
	}
	if q.Profile == "" {
		q.Profile = ProfileRFC5280
	}
	return q
}

// parsed leaves out what is no parsed certificate. Nil stays nil, which says something of Roots.
func parsed(list []*x509.Certificate) []*x509.Certificate {
	isNone := func(c *x509.Certificate) bool { return c == nil || len(c.Raw) == 0 }
	if !slices.ContainsFunc(list, isNone) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), isNone)
}
