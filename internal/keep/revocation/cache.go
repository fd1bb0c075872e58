package revocation

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postseal/internal/ground/durable"
)

// record is the small file beside the data of a source. It is not signed and not trusted: it says where the data came
// from and what they are to be checked against when their successor is fetched. A query checks them against its own
// certificates.
type record struct {
	Version    int
	Source     sourceID
	Fetched    time.Time
	ThisUpdate time.Time
	NextUpdate time.Time
	Cert       []byte `json:",omitempty"` // DER, as the following
	Issuer     []byte
	Signer     []byte `json:",omitempty"`
}

const (
	recordVersion  = 1
	recordEnding   = ".json"
	dataEnding     = ".der"
	maxRecordBytes = 256 << 10
)

// readDir finds what is kept. A record that cannot be read is removed with its data: they can be had again.
func (c *Checker) readDir() error {
	files, err := os.ReadDir(c.o.Dir)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, f := range files {
		name, isRecord := strings.CutSuffix(f.Name(), recordEnding)
		if !isRecord || !f.Type().IsRegular() || len(c.items) == maxItems {
			continue
		}
		it, err := c.readRecord(name)
		if err != nil {
			c.log.Warn("kept revocation data are of no use", "file", f.Name(), "err", err)
			continue
		}
		known[name] = true
		c.items[name] = it
	}
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimSuffix(f.Name(), recordEnding), dataEnding)
		ours := len(name) == 64 && name != f.Name() || strings.HasPrefix(f.Name(), ".postseal-")
		if ours && !known[name] {
			if err := os.Remove(filepath.Join(c.o.Dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Checker) readRecord(name string) (*item, error) {
	b, err := readBounded(filepath.Join(c.o.Dir, name+recordEnding), maxRecordBytes)
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	if r.Version != recordVersion || r.Source.file() != name {
		return nil, errors.New("the record is of another version or source")
	}
	info, err := os.Stat(filepath.Join(c.o.Dir, name+dataEnding))
	if err != nil {
		return nil, err
	}
	// How long ago somebody asked is not written down, so a restart begins to count anew.
	it := &item{id: r.Source, onDisk: true, bytes: info.Size(), used: time.Now(), fetched: r.Fetched, thisUpdate: r.ThisUpdate, nextUpdate: r.NextUpdate}
	for _, d := range []struct {
		der  []byte
		into **x509.Certificate
	}{{r.Cert, &it.cert}, {r.Issuer, &it.issuer}, {r.Signer, &it.signer}} {
		if len(d.der) == 0 {
			continue
		}
		if *d.into, err = x509.ParseCertificate(d.der); err != nil {
			return nil, err
		}
	}
	if it.issuer == nil || it.id.Method == MethodOCSP && it.cert == nil {
		return nil, errors.New("the record lacks a certificate")
	}
	it.due = it.refreshAt(time.Now())
	return it, nil
}

// readBounded reads a file that nobody has made larger than it may be.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading only
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("reading %s: no file of at most %d bytes", path, limit)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return b, nil
}

// load reads the data of an item from disk. What cannot be read, or is not signed by whom it was signed when it was
// kept, is removed. Only the one who has set it.flight calls it.
func (c *Checker) load(it *item) {
	path := filepath.Join(c.o.Dir, it.id.file()+dataEnding)
	der, err := readBounded(path, c.limitOf(it.id))
	var d data
	if err == nil {
		d, err = it.recheck(der)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.log.Warn("kept revocation data are of no use", "url", it.id.URL, "err", err)
		it.onDisk, it.fetched, it.thisUpdate, it.nextUpdate = false, time.Time{}, time.Time{}, time.Time{}
		return
	}
	// The times come from the signed data, not from the record.
	it.crl, it.response, it.thisUpdate, it.nextUpdate = d.crl, d.response, d.thisUpdate, d.nextUpdate
	c.trimMemory(it)
}

// recheck reads kept data and checks their signature again; that they may have run out is no error.
func (it *item) recheck(der []byte) (d data, err error) {
	if it.id.Method == MethodOCSP {
		if d.response, err = parseResponse(der); err != nil {
			return d, err
		}
		a, err := d.response.find(it.cert, it.issuer)
		if err != nil {
			return d, err
		}
		d.thisUpdate, d.nextUpdate = a.thisUpdate, a.nextUpdate
		_, err = d.response.signedBy(it.issuer, a.thisUpdate)
		return d, err
	}
	if d.crl, err = ParseCRL(der); err != nil {
		return d, err
	}
	d.thisUpdate, d.nextUpdate = d.crl.thisUpdate, d.crl.nextUpdate
	e := evaluation{q: it.query(), vouched: map[[32]byte]error{}}
	_, err = e.authentic(context.Background(), d.crl)
	return d, err
}

// query is the question that the data of the item answered, as far as it matters for their successor.
func (it *item) query() Query {
	q := Query{Cert: it.cert, Issuer: it.issuer, At: time.Now()}
	if it.signer != nil {
		q.Signers = []*x509.Certificate{it.signer}
		q.Vouch = func(context.Context, *x509.Certificate) error { return nil } // done by the query that kept it; each new one does it again
	}
	return q
}

// keep takes data into memory and onto disk. That the disk is full is logged, and the data serve from memory.
func (c *Checker) keep(ctx context.Context, it *item, d data) {
	now := time.Now()
	var err error
	same := it.crl != nil && d.crl != nil && bytes.Equal(it.crl.raw, d.crl.raw) // only we write it: we hold the flight
	if same {
		d.crl = it.crl
	}
	if c.o.Dir != "" && !(same && it.onDisk) {
		err = c.write(it, d, now)
	}
	c.mu.Lock()
	c.changed(it, d, now)
	it.crl, it.response = d.crl, d.response
	it.thisUpdate, it.nextUpdate, it.fetched = d.thisUpdate, d.nextUpdate, now
	it.cert, it.issuer, it.signer = d.cert, d.issuer, d.signer
	it.failures, it.failing, it.lastErr, it.wanted = 0, time.Time{}, nil, nil
	it.due = it.refreshAt(now)
	it.bytes = int64(len(d.raw()))
	it.onDisk = c.o.Dir != "" && err == nil
	c.trimMemory(it)
	gone := c.trimItems(it)
	c.mu.Unlock()
	if err == nil {
		err = c.remove(gone)
	}
	if err != nil {
		c.log.ErrorContext(ctx, "revocation data not kept on disk", "url", it.id.URL, "err", err)
	}
}

func (c *Checker) write(it *item, d data, now time.Time) error {
	r := record{Version: recordVersion, Source: it.id, Fetched: now, ThisUpdate: d.thisUpdate, NextUpdate: d.nextUpdate}
	for into, cert := range map[*[]byte]*x509.Certificate{&r.Cert: d.cert, &r.Issuer: d.issuer, &r.Signer: d.signer} {
		if cert != nil {
			*into = cert.Raw
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// The data before the record: with a power cut in between there are new data with an old record, and both are
	// checked when they are read.
	path := filepath.Join(c.o.Dir, it.id.file())
	if err := durable.WriteFile(path+dataEnding, d.raw(), 0o600); err != nil {
		return err
	}
	return durable.WriteFile(path+recordEnding, b, 0o600)
}

// memory is what an item takes while it is ready.
func (it *item) memory() int64 {
	n := int64(0)
	if it.crl != nil {
		n += int64(len(it.crl.raw)) + 8*int64(len(it.crl.indexed.slots))
	}
	if it.response != nil {
		n += int64(len(it.response.raw)) * 4 // with its certificates
	}
	return n
}

// leastUsed are the items but one, longest unused first. mu is held.
func (c *Checker) leastUsed(but *item) []*item {
	var all []*item
	for _, it := range c.items {
		if it != but && it.flight == nil {
			all = append(all, it)
		}
	}
	slices.SortFunc(all, func(a, b *item) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.id.file(), b.id.file())) })
	return all
}

// trimMemory lets go of what was not used for longest until the rest fits. mu is held. What is not on disk either is
// fetched again when it is needed.
func (c *Checker) trimMemory(but *item) {
	total := int64(0)
	for _, it := range c.items {
		total += it.memory()
	}
	if total <= c.o.MaxMemoryBytes {
		return
	}
	for _, it := range c.leastUsed(but) {
		if total <= c.o.MaxMemoryBytes {
			return
		}
		total -= it.memory()
		it.crl, it.response = nil, nil
	}
}

// trimItems forgets what was not used for longest until the rest fits on disk and there are not too many. mu is held;
// the files of the forgotten items are left for remove.
func (c *Checker) trimItems(but *item) (gone []*item) {
	total := int64(0)
	for _, it := range c.items {
		total += it.bytes
	}
	if total <= c.o.MaxDiskBytes && len(c.items) <= maxItems {
		return nil
	}
	for _, it := range c.leastUsed(but) {
		if total <= c.o.MaxDiskBytes && len(c.items) <= maxItems*7/8 { // more than one, or each new one would sort them all
			break
		}
		total -= it.bytes
		delete(c.items, it.id.file())
		gone = append(gone, it)
	}
	return gone
}

// remove deletes the files of items that were forgotten.
func (c *Checker) remove(gone []*item) error {
	if c.o.Dir == "" {
		return nil
	}
	for _, it := range gone {
		for _, ending := range []string{recordEnding, dataEnding} {
			if err := os.Remove(filepath.Join(c.o.Dir, it.id.file()+ending)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
