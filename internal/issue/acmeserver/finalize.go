package acmeserver

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/acme"
	"postseal/internal/issue/ca"
)

// public says whether a name is in the public DNS, whose owners may have said who issues for them. A name below a top
// level that nobody registered is the organisation's own affair. A suffix of two labels is a registry's or a company's that
// hands out names below its own; a single one that is not ICANN's is the list's word for what it does not know.
func public(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return icann || strings.Contains(suffix, ".")
}

// finalize takes the request and issues, RFC 8555 section 7.4.
func (q *question) finalize(parts []string) error {
	var r acme.Finalize
	if err := q.payload(&r); err != nil {
		return err
	}
	o, err := q.load(parts[0])
	if err != nil {
		return err
	}
	switch status := o.status(time.Now()); status {
	case acme.StatusReady:
	case acme.StatusProcessing, acme.StatusValid: // it was asked before, and the answer was lost on the way
		return q.showOrder(http.StatusOK, o)
	default:
		return acme.Problemf(acme.OrderNotReady, "the order is %s", status)
	}
	if wait := q.s.failures.take(q.account.ID); wait > 0 {
		return tooOften("too many requests of this account were refused", wait)
	}
	public, err := q.csr(r.CSR, o)
	if err != nil {
		return err
	}
	q.s.failures.giveBack(q.account.ID)
	for n := range o.all { // it stands in the order's row from now on
		o.all[n].Problem = nil
	}
	stored, err := text(o.all)
	if err != nil {
		return err
	}
	q.s.pending.forget(o.row.ID)
	var planned string
	err = q.s.Authority.Certify(q.r.Context(), Ask{Purpose: q.authority, Profile: o.row.Profile, PublicKey: public, Names: o.names(), Requester: requester(q.account.ID), Who: q.who(),
		Planned: func(tx *state.Tx, serial string) error {
			a, err := tx.ACMEAccount(q.account.ID)
			if err != nil {
				return err
			}
			if a.Status != state.ACMEValid { // shut out while the request was on its way
				return acme.Problemf(acme.Unauthorized, "the account is %s", a.Status)
			}
			planned = serial
			return tx.PlanACMEOrder(o.row.ID, stored, serial)
		}})
	if err != nil {
		again, loadErr := q.reload(parts[0])
		if loadErr == nil && again.row.Serial != "" {
			// It is planned, whatever the error: it will be finished, and the client waits for that.
			q.s.Log.ErrorContext(q.r.Context(), "issuing for an order", "order", o.row.ID, "serial", again.row.Serial, "err", err)
			return q.showOrder(http.StatusOK, again)
		}
		return issueProblem(err)
	}
	q.s.proofs.forget(o.row.ID)
	o.row.Serial, o.row.Issued = planned, true // as the row says by now
	return q.showOrder(http.StatusOK, o)
}

// reload reads an order though the client may be gone.
func (q *question) reload(id string) (*order, error) {
	q.r = q.r.WithContext(context.WithoutCancel(q.r.Context()))
	return q.load(id)
}

// issueProblem words what the authority says for the client; what is our own affair stays an error.
func issueProblem(err error) error {
	switch {
	case errors.As(err, new(*ca.KeyError)):
		return acme.Problemf(acme.BadCSR, "%v", err)
	case errors.As(err, new(*ca.NameError)), errors.As(err, new(*x509cert.InvalidNameError)):
		return acme.Problemf(acme.RejectedIdentifier, "%v", err)
	}
	return err
}

// csr reads a request, whose names must be those of the order.
func (q *question) csr(text string, o *order) (crypto.PublicKey, error) {
	bad := func(reason string) (crypto.PublicKey, error) {
		return nil, acme.Problemf(acme.BadCSR, "%s", reason)
	}
	der, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return bad("it is not base64url")
	}
	c, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return bad("it cannot be read")
	}
	// The key first: a signature of an RSA key of a hundred thousand bits takes a second to check.
	if err := q.s.judge.Judge(c.PublicKey); err != nil {
		return bad(err.Error())
	}
	if err := c.CheckSignature(); err != nil {
		return bad("its signature is not that of its key")
	}
	// RFC 8555 section 11.1: a key that is both would let one be taken for the other.
	if same, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && same.Equal(q.key.Public()) {
		return bad("its key is the account's own")
	}
	if len(c.EmailAddresses)+len(c.URIs) > 0 {
		return bad("it asks for names that the order has not")
	}
	asked := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		asked = append(asked, ip.String())
	}
	for _, part := range c.Subject.Names { // the last of several is Subject.CommonName
		if cn, ok := part.Value.(string); ok && part.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) && cn != "" {
			asked = append(asked, cn)
		}
	}
	var names []string
	for _, n := range asked {
		canonical, err := x509cert.ParseSAN(n)
		if err != nil {
			return bad(err.Error())
		}
		names = append(names, canonical)
	}
	slices.Sort(names)
	want := slices.Clone(o.names())
	slices.Sort(want)
	if !slices.Equal(slices.Compact(names), slices.Compact(want)) {
		return bad("its names are not those of the order")
	}
	return c.PublicKey, nil
}

// certificate hands out what was issued, RFC 8555 section 7.4.2.
func (q *question) certificate(parts []string) error {
	if !q.asGet() {
		return acme.Problemf(acme.Malformed, "nothing can be said to a certificate")
	}
	i, err := q.issuance(parts[0])
	if err != nil {
		return err
	}
	if !q.owns(i) || i.Certificate == nil {
		return notThere()
	}
	chain, err := q.s.Authority.Chain(q.r.Context(), i)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/pem-certificate-chain")
	io.WriteString(q.w, x509cert.PEM(i.Certificate)+chain) // the client is gone when this fails
	return nil
}

// issuance reads a line of the book.
func (q *question) issuance(serial string) (i state.Issuance, err error) {
	err = q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		i, err = tx.Issuance(serial)
		return err
	})
	if errors.Is(err, state.ErrNotFound) {
		return i, notThere()
	}
	return i, err
}
