package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rsaKey is made once: RSA keys are slow to make, and no test needs two.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newECDSA(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newTestMember makes a self-signed certificate that is good in a synctest bubble (year 2000) and outside. Its serial
// number is the generation, so that a client can tell what it saw.
func newTestMember(t testing.TB, key crypto.Signer, generation int, names ...string) Member {
	t.Helper()
	return Member{Chain: [][]byte{newTestLeaf(t, key, &x509.Certificate{SerialNumber: big.NewInt(int64(generation)), DNSNames: names})}, Signer: key}
}

func newTestLeaf(t testing.TB, key crypto.Signer, template *x509.Certificate) []byte {
	t.Helper()
	template.Subject = pkix.Name{CommonName: "test"}
	if template.NotAfter.IsZero() {
		template.NotBefore = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
		template.NotAfter = time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// newPair makes a lineage with an RSA and a P-256 member, RSA first, to see that the order in the Input is no matter.
func newPair(t testing.TB, name string, generation int, names ...string) Lineage {
	t.Helper()
	return Lineage{Name: name, FriendlyName: "the " + name, Generation: generation, Names: names, Members: []Member{
		newTestMember(t, rsaKey(), generation, names...),
		newTestMember(t, newECDSA(t, elliptic.P256()), generation, names...),
	}}
}

// newSingle makes a lineage with one member.
func newSingle(t testing.TB, name string, key crypto.Signer, names ...string) Lineage {
	t.Helper()
	return Lineage{Name: name, Generation: 1, Names: names, Members: []Member{newTestMember(t, key, 1, names...)}}
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustSwap(t testing.TB, r *Ring, in Input) {
	t.Helper()
	if err := r.Swap(in); err != nil {
		t.Fatal(err)
	}
}

// newRing returns a ring with in in force.
func newRing(t testing.TB, in Input) *Ring {
	t.Helper()
	r := New(Options{})
	mustSwap(t, r, in)
	return r
}

// defaultOf binds a lineage as the default of a listener.
func defaultOf(lineage string) []Binding { return []Binding{{Lineage: lineage, Role: RoleDefault}} }

// bufferedConn lets the server write while nobody reads yet, as a socket does. Over a bare pipe a resumed TLS 1.3
// handshake would stand still: the server sends its ticket while the client sends its last message.
type bufferedConn struct {
	net.Conn
	out  chan []byte
	done chan struct{}
}

func newBufferedConn(conn net.Conn) *bufferedConn {
	b := &bufferedConn{Conn: conn, out: make(chan []byte, 100), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for p := range b.out {
			_, _ = b.Conn.Write(p) // the client may be gone; then nobody misses it
		}
	}()
	return b
}

func (b *bufferedConn) Write(p []byte) (int, error) {
	b.out <- bytes.Clone(p)
	return len(p), nil
}

func (b *bufferedConn) Close() error {
	close(b.out)
	<-b.done
	return b.Conn.Close()
}

// shake makes one connection and returns what the client and the server saw of the handshake.
func shake(t testing.TB, server, client *tls.Config) (tls.ConnectionState, error, error) {
	t.Helper()
	near, pipe := net.Pipe()
	far := newBufferedConn(pipe)
	deadline := time.Now().Add(time.Minute)
	_, _ = near.SetDeadline(deadline), far.SetDeadline(deadline) // pipes always take a deadline
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		conn := tls.Server(far, server)
		err := conn.HandshakeContext(t.Context())
		if err == nil {
			_, err = io.WriteString(conn, "x")
		}
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
		}
		served <- err
	}()
	conn := tls.Client(near, client)
	err := conn.HandshakeContext(t.Context())
	if err == nil {
		// With TLS 1.3 the ticket comes before the first byte.
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	state := conn.ConnectionState()
	if err == nil {
		err = conn.Close()
	}
	near.Close()
	return state, err, <-served
}

// mustShake is shake where both sides must be content.
func mustShake(t testing.TB, server, client *tls.Config) tls.ConnectionState {
	t.Helper()
	state, err, serverErr := shake(t, server, client)
	if err != nil || serverErr != nil {
		t.Fatalf("handshake: got client error %v, server error %v, want none", err, serverErr)
	}
	return state
}

// modern and rsaOnly are real clients of these kinds.
func modern(sni string) *tls.Config {
	return &tls.Config{ServerName: sni, InsecureSkipVerify: true}
}

func rsaOnly(sni string) *tls.Config {
	return &tls.Config{ServerName: sni, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}}
}

func generationSeen(state tls.ConnectionState) int {
	return int(state.PeerCertificates[0].SerialNumber.Int64())
}
