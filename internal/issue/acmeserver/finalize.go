package acmeserver

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
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
// level that nobody registered is the organisation's own affair.
func public(name string) bool {
	_, icann := publicsuffix.PublicSuffix(name)
	return icann
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
	public, err := q.csr(r.CSR, o)
	if err != nil {
		return err
	}
	for n := range o.all { // it stands in the order's row from now on
		o.all[n].Problem = nil
	}
	stored, err := text(o.all)
	if err != nil {
		return err
	}
	err = q.s.Authority.Certify(q.r.Context(), Ask{Profile: o.row.Profile, PublicKey: public, Names: o.names(), Requester: requester(q.account.ID), Who: q.who(),
		Planned: func(tx *state.Tx, serial string) error {
			a, err := tx.ACMEAccount(q.account.ID)
			if err != nil {
				return err
			}
			if a.Status != state.ACMEValid { // shut out while the request was on its way
				return acme.Problemf(acme.Unauthorized, "the account is %s", a.Status)
			}
			return tx.PlanACMEOrder(o.row.ID, stored, serial)
		}})
	again, loadErr := q.reload(parts[0])
	if err == nil && loadErr != nil {
		return loadErr
	}
	if err != nil {
		if loadErr == nil && again.row.Serial != "" {
			// It is planned, whatever the error: it will be finished, and the client waits for that.
			q.s.Log.ErrorContext(q.r.Context(), "issuing for an order", "order", o.row.ID, "serial", again.row.Serial, "err", err)
			return q.showOrder(http.StatusOK, again)
		}
		return issueProblem(err)
	}
	q.s.proofs.forget(o.row.ID)
	return q.showOrder(http.StatusOK, again)
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
	case errors.As(err, new(*ca.LifeError)):
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
	if err := c.CheckSignature(); err != nil {
		return bad("its signature is not that of its key")
	}
	if err := q.s.judge.Judge(c.PublicKey); err != nil {
		return bad(err.Error())
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
	if c.Subject.CommonName != "" {
		asked = append(asked, c.Subject.CommonName)
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
	all, err := x509.ParseCertificates(append(slices.Clone(i.Certificate), chain...))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, c := range all {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return err
		}
	}
	q.w.Header().Set("Content-Type", "application/pem-certificate-chain")
	q.w.Write(b.Bytes()) // the client is gone when this fails
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

// revoke takes a certificate back: for the account that it was issued to, for one that has proved all its names, and for
// whoever holds its key (RFC 8555 section 7.6).
func (q *question) revoke([]string) error {
	var r acme.Revocation
	if err := q.payload(&r); err != nil {
		return err
	}
	der, err := base64.RawURLEncoding.Strict().DecodeString(r.Certificate)
	if err != nil {
		return acme.Problemf(acme.Malformed, "certificate: not base64url")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return acme.Problemf(acme.Malformed, "certificate: it cannot be read")
	}
	reason := 0
	if r.Reason != nil {
		reason = *r.Reason
	}
	// RFC 5280 section 5.3.1: the holder can say these of his own certificate; the others are the authority's to say.
	if !slices.Contains([]int{0, 1, 3, 4, 5, 9}, reason) {
		return acme.Problemf(acme.BadRevocationReason, "want one of 0, 1, 3, 4, 5 and 9")
	}
	i, err := q.issuance(hex.EncodeToString(cert.SerialNumber.Bytes()))
	if err != nil || !bytes.Equal(i.Certificate, der) {
		if problem, ok := errors.AsType[*acme.Problem](err); err == nil || ok && problem.Status == http.StatusNotFound {
			return acme.Problemf(acme.Malformed, "certificate: it was not issued here")
		}
		return err
	}
	who := q.who()
	if q.message.Header.JWK != nil {
		same, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !same.Equal(q.key.Public()) {
			return acme.Problemf(acme.Unauthorized, "the message is signed neither by an account nor by the certificate's key")
		}
		who = state.Actor{Who: "acme, the key of " + i.Serial, From: "acme " + peer(q.r)}
	} else if !q.owns(i) {
		if err := q.hasProved(cert); err != nil {
			return err
		}
	}
	err = q.s.Authority.TakeBack(q.r.Context(), who, i.Serial, reason)
	if errors.Is(err, state.ErrExists) {
		return acme.Problemf(acme.AlreadyRevoked, "it was revoked before")
	}
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// hasProved says whether the account has proved every name of a certificate, in orders whose time is not over.
func (q *question) hasProved(cert *x509.Certificate) error {
	proved := map[string]bool{}
	const most = 1000
	err := q.s.State.View(q.r.Context(), func(tx *state.Tx) error {
		all, err := tx.ACMEOrdersOf(q.account.ID, most)
		for _, row := range all {
			if !tx.Now().Before(row.ExpiresAt) {
				continue
			}
			o, err := q.s.complete(row)
			if err != nil {
				return err
			}
			for _, a := range o.all {
				if a.Status == acme.StatusValid {
					proved[a.identifier().Value] = true
				}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return !proved[strings.ToLower(n)] }) {
		return acme.Problemf(acme.Unauthorized, "it was issued to another account, and this one has not proved its names")
	}
	return nil
}
