package ca

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/x509cert"
)

// Lives of certificates.
const (
	// LifeAutomatic is for what renews by itself, as public authorities must keep it from 2029-03-15 (CA/B Forum
	// ballot SC-081v3).
	LifeAutomatic = 47 * day
	// LifeByHand is for what leaves by file, and is renewed by a person once a year.
	LifeByHand = 398 * day
	// LifeShort is for what is never revoked because it ends before anybody would notice (RFC 9608; the CA/B Forum calls
	// it short-lived, Baseline Requirements section 1.6.1).
	LifeShort = 6 * day
	// MaxLife is the longest: devices of Apple refuse a server's certificate of more than 825 days, private authorities
	// included.
	MaxLife = 825 * day

	day = 24 * time.Hour
)

// maxShortLife is the longest life without data on revocation: CA/B Forum, Baseline Requirements section 1.6.1.
const maxShortLife = 7 * day

// ProfileOptions are what an administrator may ask of a profile; [NewProfile] turns them into a Profile. The zero value
// but for its name is a server's, for no names at all.
type ProfileOptions struct {
	// Name is how requests name the profile: lower-case letters, digits and hyphens, at most 40.
	Name string `json:"name"`
	// Purpose is the authority that issues it. Empty means servers.
	Purpose Purpose `json:"purpose,omitempty"`
	// Usages are the extended key usages, of those that the purpose has. Empty means serverAuth.
	Usages []x509cert.Usage `json:"usages,omitempty"`
	// KeyUse says what the key does. Empty means that it signs and, if it is RSA, decrypts the keys of TLS 1.2.
	KeyUse KeyUse `json:"keyUse,omitempty"`
	// Keys are the kinds that are taken. Empty means ECDSA on P-256 and P-384, and RSA of 2048 to 4096 bits.
	Keys []keys.Kind `json:"keys,omitempty"`
	// Domains are the DNS names below which host names and e-mail addresses may stand, themselves included. Empty means
	// none: then nothing can be issued but for addresses and subjects.
	Domains []string `json:"domains,omitempty"`
	// Networks are those whose addresses may be certified. Empty means none.
	Networks []string `json:"networks,omitempty"`
	// Patterns are regular expressions (RE2); if there are any, each host name and e-mail address must match one, whole.
	Patterns []string `json:"patterns,omitempty"`
	// Names says which kinds of names there may be. Empty means host names.
	Names []NameKind `json:"names,omitempty"`
	// Wildcards lets *.example.com be certified. Never together with an EV policy.
	Wildcards bool `json:"wildcards,omitempty"`
	// Subject lets the requester give a subject. Without it there is the common name alone, if one is wanted.
	Subject bool `json:"subject,omitempty"`
	// NoCommonName leaves the subject empty if the requester gives none.
	NoCommonName bool `json:"noCommonName,omitempty"`
	// Life is how long certificates live unless less is asked. Zero means [LifeAutomatic]; at most [MaxLife].
	Life time.Duration `json:"life,omitempty"`
	// NoRevocation leaves out where to ask about revocation and says so (RFC 9608). Only for lives of up to seven days.
	NoRevocation bool `json:"noRevocation,omitempty"`
	// Approval holds each request until a second person agrees.
	Approval bool `json:"approval,omitempty"`
	// Policies are dotted OIDs of certificate policies.
	Policies []string `json:"policies,omitempty"`
}

// KeyUse says what a certified key is for (RFC 5280 section 4.2.1.3).
type KeyUse string

// The uses. In S/MIME one key signs and another decrypts: the second may be kept for others, the first never.
const (
	KeyUseTLS     KeyUse = ""        // signs, and RSA decrypts
	KeyUseSign    KeyUse = "sign"    // signs only
	KeyUseDecrypt KeyUse = "decrypt" // RSA decrypts, ECDSA agrees on keys; nothing is signed
)

// NameKind is a kind of name that a profile may certify.
type NameKind string

// The kinds.
const (
	NameHost    NameKind = "host"
	NameAddress NameKind = "address" // of the Internet
	NameEmail   NameKind = "email"
)

// Profile is a checked set of options. Only [NewProfile] makes one, so it cannot be wrong. It never changes.
type Profile struct {
	o        ProfileOptions
	networks []netip.Prefix
	patterns []*regexp.Regexp
}

// ProfileError says what is wrong with the options of a profile.
type ProfileError struct {
	Profile string // its name, as given
	Reason  string // one clause, for people
}

// Error names the profile first.
func (e *ProfileError) Error() string {
	return fmt.Sprintf("profile %q: %s", clip(e.Profile), e.Reason)
}

const maxListed = 1000 // domains, networks, patterns of one profile

var profileName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// NewProfile checks options. The error is a [*ProfileError].
func NewProfile(o ProfileOptions) (*Profile, error) {
	bad := func(format string, args ...any) (*Profile, error) {
		return nil, &ProfileError{Profile: o.Name, Reason: fmt.Sprintf(format, args...)}
	}
	if !profileName.MatchString(o.Name) {
		return bad("a name has 1 to 40 lower-case letters, digits and hyphens")
	}
	if o.Purpose == "" {
		o.Purpose = PurposeServers
	}
	if !slices.Contains(Purposes(), o.Purpose) {
		return bad("purpose %q: there are %s", o.Purpose, joined(Purposes()))
	}
	if len(o.Usages) == 0 {
		o.Usages = []x509cert.Usage{x509cert.UsageServerAuth}
	}
	for i, u := range o.Usages {
		if !slices.Contains(o.Purpose.usages(), u) {
			return bad("usage %q is none that the authority of %s passes on: %v", u, o.Purpose, o.Purpose.usages())
		}
		if slices.Contains(o.Usages[:i], u) {
			return bad("usage %q is there twice", u)
		}
	}
	if !slices.Contains([]KeyUse{KeyUseTLS, KeyUseSign, KeyUseDecrypt}, o.KeyUse) {
		return bad("key use %q: want sign or decrypt, or none", o.KeyUse)
	}
	if len(o.Keys) == 0 {
		o.Keys = []keys.Kind{keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048, keys.RSA3072, keys.RSA4096}
	}
	for _, k := range o.Keys {
		if _, err := keys.ParseKind(string(k)); err != nil {
			return bad("%v", err)
		}
		if k == keys.Ed25519 && o.KeyUse == KeyUseDecrypt {
			return bad("a key of kind %s only signs", k)
		}
	}
	if len(o.Names) == 0 {
		o.Names = []NameKind{NameHost}
	}
	for _, n := range o.Names {
		if !slices.Contains([]NameKind{NameHost, NameAddress, NameEmail}, n) {
			return bad("names of kind %q: want host, address or email", n)
		}
	}
	if slices.Contains(o.Usages, x509cert.UsageServerAuth) && slices.Contains(o.Names, NameEmail) {
		return bad("a server has no e-mail address in its certificate")
	}
	switch {
	case o.Life == 0:
		o.Life = LifeAutomatic
	case o.Life < time.Hour || o.Life > MaxLife:
		return bad("a life of %g days: want an hour to %d days", o.Life.Hours()/24, MaxLife/day)
	}
	if o.NoRevocation && o.Life > maxShortLife {
		return bad("without data on revocation a certificate lives at most %d days", maxShortLife/day)
	}
	for _, text := range o.Policies {
		oid, err := parseOID(text)
		if err != nil {
			return bad("%v", err)
		}
		// CA/B Forum, EV Guidelines section 9.2.2: a wildcard is not allowed in an EV certificate.
		if o.Wildcards && oid.String() == evPolicy {
			return bad("wildcards never go with the policy of extended validation")
		}
	}
	p := &Profile{}
	if err := p.places(&o); err != nil {
		return bad("%v", err)
	}
	p.o = o
	return p, nil
}

// evPolicy is the CA/B Forum's policy of extended validation.
const evPolicy = "2.23.140.1.1"

// places reads where names may stand.
func (p *Profile) places(o *ProfileOptions) error {
	if len(o.Domains) > maxListed || len(o.Networks) > maxListed || len(o.Patterns) > maxListed {
		return fmt.Errorf("at most %d domains, networks and patterns", maxListed)
	}
	var domains []string
	for _, text := range o.Domains {
		d, err := x509cert.ParseDomain(text)
		if err != nil {
			return err
		}
		domains = append(domains, string(d))
	}
	o.Domains = domains
	for _, text := range o.Networks {
		network, err := netip.ParsePrefix(text)
		if err != nil || network != network.Masked() {
			return fmt.Errorf("network %q: want one like 192.0.2.0/24", clip(text))
		}
		p.networks = append(p.networks, network)
	}
	for _, text := range o.Patterns {
		const most = 500
		if len(text) > most {
			return fmt.Errorf("pattern longer than %d octets", most)
		}
		pattern, err := regexp.Compile(`^(?:` + text + `)$`)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", clip(text), err)
		}
		p.patterns = append(p.patterns, pattern)
	}
	return nil
}

// Options are those of the profile, complete: what was left empty is filled in. A copy; changing it changes nothing.
func (p *Profile) Options() ProfileOptions {
	o := p.o
	o.Usages, o.Keys, o.Domains, o.Networks = slices.Clone(o.Usages), slices.Clone(o.Keys), slices.Clone(o.Domains), slices.Clone(o.Networks)
	o.Patterns, o.Names, o.Policies = slices.Clone(o.Patterns), slices.Clone(o.Names), slices.Clone(o.Policies)
	return o
}

// Name is the profile's name.
func (p *Profile) Name() string { return p.o.Name }

// Purpose is the authority that issues it.
func (p *Profile) Purpose() Purpose { return p.o.Purpose }

// NeedsApproval reports whether a second person must agree to each request.
func (p *Profile) NeedsApproval() bool { return p.o.Approval }

// errNoNames: a certificate that names nothing certifies nothing.
var errNoNames = errors.New("no name at all is asked for: they count in subjectAltName, and a common name is none")

// checkNames says which names may be certified.
func (p *Profile) checkNames(names []name) error {
	if len(names) == 0 {
		return &NameError{Reason: errNoNames.Error()}
	}
	for _, n := range names {
		if reason := p.objection(n); reason != "" {
			return &NameError{Name: n.text, Reason: reason}
		}
	}
	return nil
}

// BelowNone says that a name is below none of the domains, and which these are, as far as that fits into a sentence.
func (p *Profile) BelowNone() string {
	const most = 4
	text := "below no domain of profile " + p.o.Name
	switch n := len(p.o.Domains); {
	case n == 0:
		return text + ", which has none"
	case n > most:
		return fmt.Sprintf("%s (%s and %d more)", text, strings.Join(p.o.Domains[:most], ", "), n-most)
	}
	return text + " (" + strings.Join(p.o.Domains, ", ") + ")"
}

// objection is why a name may not be certified, empty if it may.
func (p *Profile) objection(n name) string {
	kind := map[nameKind]NameKind{kindDNS: NameHost, kindIP: NameAddress, kindEmail: NameEmail}[n.kind]
	if !slices.Contains(p.o.Names, kind) {
		return fmt.Sprintf("profile %s certifies no name of kind %s", p.o.Name, kind)
	}
	if n.kind == kindIP {
		if !slices.ContainsFunc(p.networks, func(network netip.Prefix) bool { return network.Contains(n.ip.Unmap()) }) {
			return "in no network of profile " + p.o.Name
		}
		return ""
	}
	if n.isWildcard() && !p.o.Wildcards {
		return "profile " + p.o.Name + " certifies no wildcards"
	}
	if !slices.ContainsFunc(p.o.Domains, func(domain string) bool { return under(n.domain(), domain) }) {
		return p.BelowNone()
	}
	if len(p.patterns) > 0 && !slices.ContainsFunc(p.patterns, func(pattern *regexp.Regexp) bool { return pattern.MatchString(n.text) }) {
		return "matches no pattern of profile " + p.o.Name
	}
	return ""
}
