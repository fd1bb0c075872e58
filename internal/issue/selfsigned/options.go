package selfsigned

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"postseal/internal/ground/x509cert"
)

const (
	// MaxDays is the longest life in days: ten calendar years with three leap days.
	MaxDays = 3653
	// MaxYears is the longest life in calendar years.
	MaxYears = 10
	// DefaultYears is the life when nobody asks for another, as in Exchange.
	DefaultYears = 5
	// MaxNames bounds the names of one certificate; public authorities have the same bound.
	MaxNames = 100
)

// Backdate is how far back a certificate begins when nobody says when. A peer whose clock is a little behind ours would
// refuse a certificate that begins now, just when an administrator has changed it and looks. Five minutes is the
// difference between clocks that Kerberos allows (RFC 4120 section 8.2), so domain members keep within it. The life is
// counted from the beginning, so it stays exactly as long as asked.
const Backdate = 5 * time.Minute

// ErrNoSubject says that a certificate would have neither a subject nor a name that can be its common name. RFC 5280
// section 4.1.2.4 wants an issuer that is not empty, and here the issuer is the subject.
var ErrNoSubject = errors.New("no subject, and no name of at most 64 characters to make one of")

// LifeError says that a life is out of bounds.
type LifeError struct {
	Years, Days int    // as asked
	Reason      string // what is wrong, for people
}

// Error names what was asked.
func (e *LifeError) Error() string {
	return fmt.Sprintf("life of %d years and %d days: %s", e.Years, e.Days, e.Reason)
}

// TooManyNamesError says that a certificate would have more than [MaxNames] names.
type TooManyNamesError struct {
	Names int // as asked, without those that were given twice
}

// Error tells both numbers.
func (e *TooManyNamesError) Error() string {
	return fmt.Sprintf("%d names: at most %d", e.Names, MaxNames)
}

// Options say what certificate to make. The zero value has no subject, so it makes none.
type Options struct {
	// Subject, of x509cert.ParseSubject or made by the program. Empty: the common name below is all of it.
	Subject pkix.Name
	// CommonName is used if Subject is empty. Empty as well: the first of Names that fits into 64 characters.
	CommonName string
	// Names are domains, wildcards, short host names and IP addresses, as x509cert.ParseSAN takes them. Their order is
	// kept; what is there already is left out. Empty: the certificate has no subjectAltName.
	Names []string
	// NotBefore is when the life begins, to the second. Zero: now, less Backdate.
	NotBefore time.Time
	// Years, in calendar years, or Days, of 24 hours, is how long the life is. Only one may be given. Both zero:
	// DefaultYears.
	Years, Days int
}

// A request is a checked set of options. Only check makes one, so it cannot be wrong.
type request struct {
	subject   pkix.Name
	names     []string // as x509cert.ParseSAN writes them
	notBefore time.Time
	notAfter  time.Time
}

// check turns options into a request.
func (o Options) check() (request, error) {
	r := request{}
	for _, text := range o.Names {
		name, err := x509cert.ParseSAN(text)
		if err != nil {
			return request{}, err
		}
		if !slices.Contains(r.names, name) {
			r.names = append(r.names, name)
		}
	}
	if len(r.names) > MaxNames {
		return request{}, &TooManyNamesError{Names: len(r.names)}
	}
	var err error
	if r.subject, err = o.subject(r.names); err != nil {
		return request{}, err
	}
	r.notBefore, r.notAfter, err = o.life()
	return r, err
}

func (o Options) subject(names []string) (pkix.Name, error) {
	subject := o.Subject
	if len(subject.ToRDNSequence()) == 0 {
		subject = pkix.Name{CommonName: o.CommonName}
		if o.CommonName == "" {
			const most = 64 // ub-common-name, RFC 5280 appendix A.1
			i := slices.IndexFunc(names, func(name string) bool { return len(name) <= most })
			if i < 0 {
				return pkix.Name{}, ErrNoSubject
			}
			subject.CommonName = names[i]
		}
	}
	return subject, x509cert.CheckSubject(subject)
}

func (o Options) life() (notBefore, notAfter time.Time, err error) {
	refuse := func(reason string) (time.Time, time.Time, error) {
		return time.Time{}, time.Time{}, &LifeError{Years: o.Years, Days: o.Days, Reason: reason}
	}
	if o.Years != 0 && o.Days != 0 {
		return refuse("give years or days, not both")
	}
	if o.Years < 0 || o.Years > MaxYears {
		return refuse(fmt.Sprintf("want 1 to %d years", MaxYears))
	}
	if o.Days < 0 || o.Days > MaxDays {
		return refuse(fmt.Sprintf("want 1 to %d days", MaxDays))
	}
	// RFC 5280 section 4.1.2.5: to the second, in GMT.
	notBefore = o.NotBefore
	if notBefore.IsZero() {
		notBefore = time.Now().Add(-Backdate)
	}
	notBefore = notBefore.UTC().Truncate(time.Second)
	years := o.Years
	if years == 0 && o.Days == 0 {
		years = DefaultYears
	}
	// In UTC there is no summer time, so a day has 24 hours. 29 February is followed by 1 March in a common year.
	notAfter = notBefore.AddDate(years, 0, o.Days)
	// Two digits of a year begin at 1950 and four digits end at 9999, RFC 5280 section 4.1.2.5.
	if notBefore.Year() < 1950 || notAfter.Year() > 9999 {
		return refuse("outside the years 1950 to 9999")
	}
	return notBefore, notAfter, nil
}

// isIP tells the two kinds of names apart. ParseSAN has seen to it that whatever parses as an address is one.
func isIP(name string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(name)
	return ip, err == nil
}
