package live

import (
	"archive/zip"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"postseal/internal/peers"
)

// TestCodeSigningIsAccepted signs a program for Windows with osslsigncode and an archive of Java with jarsigner, and lets
// both verify it up to our root. With the certificate of a server both refuse.
func TestCodeSigningIsAccepted(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	code, server := a.certify(t, "code-signing", "release@example.test"), a.certify(t, "server", "judge.example.test")
	t.Run("osslsigncode", func(t *testing.T) {
		program := a.file(t, "program.exe", string(smallestProgram()))
		sign := func(c certified) peers.Result {
			out := filepath.Join(t.TempDir(), "signed.exe")
			peers.Succeed(t, peers.Command{Args: []string{"osslsigncode", "sign", "-h", "sha256", "-certs", c.chain, "-key", c.key, "-in", program, "-out", out}})
			leaf, issuer := a.lists(t, c)
			both := filepath.Join(t.TempDir(), "both.crl")
			writeBoth(t, both, leaf, issuer)
			return peers.Run(t, peers.Command{Args: []string{"osslsigncode", "verify", "-CAfile", a.root, "-CRLfile", both, "-in", out}})
		}
		judgedAs(t, "code-signing", sign(code), true, "Signature verification: ok")
		judgedAs(t, "server", sign(server), false)
	})
	t.Run("jarsigner", func(t *testing.T) {
		sign := func(c certified) peers.Result {
			dir := t.TempDir()
			jar, store := filepath.Join(dir, "app.jar"), filepath.Join(dir, "key.p12")
			writeJar(t, jar)
			openssl(t, "pkcs12", "-export", "-in", c.chain, "-inkey", c.key, "-name", "signer", "-passout", "pass:changeit", "-out", store)
			peers.Succeed(t, peers.Command{Args: []string{"keytool", "-importcert", "-noprompt", "-alias", "root", "-file", a.root, "-keystore", store, "-storepass", "changeit"}})
			peers.Succeed(t, peers.Command{Args: []string{"jarsigner", "-keystore", store, "-storepass", "changeit", jar, "signer"}})
			return peers.Run(t, peers.Command{Args: []string{"jarsigner", "-verify", "-strict", "-keystore", store, "-storepass", "changeit", jar}})
		}
		// Its status is a sum: 4 a chain that is not trusted, 8 a certificate that may not sign code.
		judgedAs(t, "code-signing", sign(code), true, "jar verified.")
		if r := sign(server); r.Exit&8 == 0 {
			t.Errorf("server: got %v, want 8 in the exit status", r)
		}
	})
}

func writeBoth(t *testing.T, to string, from ...string) {
	t.Helper()
	var all []byte
	for _, path := range from {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if err := os.WriteFile(to, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// smallestProgram is a file that has the headers of a 32-bit program for Windows (PE32), one section, and no code.
func smallestProgram() []byte {
	const headers, aligned = 0x40, 0x200
	b := make([]byte, 2*aligned)
	put16 := func(at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	copy(b, "MZ")
	put32(0x3c, headers)
	copy(b[headers:], "PE\x00\x00")
	coff := headers + 4
	put16(coff, 0x14c)   // for the 80386
	put16(coff+2, 1)     // sections
	put16(coff+16, 0xe0) // octets of the optional header
	put16(coff+18, 0x102)
	optional := coff + 20
	put16(optional, 0x10b)      // PE32
	put32(optional+28, 1<<22)   // where it is loaded
	put32(optional+32, 0x1000)  // alignment in memory
	put32(optional+36, aligned) // and in the file
	put16(optional+40, 4)
	put16(optional+48, 4)
	put32(optional+56, 0x2000) // its size in memory
	put32(optional+60, aligned)
	put16(optional+68, 3) // a program for the console
	put32(optional+92, 16)
	section := optional + 0xe0
	copy(b[section:], ".text")
	put32(section+8, aligned)
	put32(section+12, 0x1000)
	put32(section+16, aligned)
	put32(section+20, aligned)
	put32(section+36, 0x60000020)
	return b
}

func writeJar(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for name, text := range map[string]string{"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\n\r\n", "hello.txt": "hello\n"} {
		part, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
