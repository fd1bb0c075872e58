package trustfile

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
)

// A member is one file of an archive.
type member struct {
	name string
	mode int64
	data []byte
}

// debianFile makes a binary package: an ar archive of three members (deb(5)). The certificates go to where
// update-ca-certificates looks for those of the machine's owner, and are trusted without a question.
func debianFile(b *bundle) (*File, error) {
	const place = "usr/local/share/ca-certificates/"
	name := "ca-" + b.slug
	version := b.made.Format("20060102150405") + "+" + b.digest[:8]
	data := []member{}
	size := 0
	for _, e := range b.entries {
		data = append(data, member{place + name + "/" + e.file + ".crt", 0o644, e.pem()})
		size += len(e.pem())
	}
	control := fmt.Sprintf(`Package: %s
Version: %s
Architecture: all
Maintainer: %s <postmaster@localhost>
Installed-Size: %d
Depends: ca-certificates
Section: misc
Priority: optional
Description: certificates that %s trusts
 Root certificates of the organisation, for all programs that use the
 system's store. Made by Postseal.
`, name, version, b.organisation, size/1024+1, b.organisation)
	const update = "#!/bin/sh\nset -e\nif command -v update-ca-certificates >/dev/null; then update-ca-certificates --fresh >/dev/null; fi\n"
	controlTar, err := tarGz([]member{
		{"control", 0o644, []byte(control)}, {"postinst", 0o755, []byte(update)}, {"postrm", 0o755, []byte(update)},
	}, b.made)
	if err != nil {
		return nil, err
	}
	dataTar, err := tarGz(data, b.made)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	for _, m := range []member{{"debian-binary", 0o644, []byte("2.0\n")}, {"control.tar.gz", 0o644, controlTar}, {"data.tar.gz", 0o644, dataTar}} {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.name, b.made.Unix(), 0, 0, 0o100000|m.mode, len(m.data))
		out.Write(m.data)
		if len(m.data)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	file := name + "_" + version + "_all.deb"
	return &File{
		Name: file, Type: "application/vnd.debian.binary-package", Data: out.Bytes(),
		Install: []string{"apt-get install ./" + file + "   (taken back with: apt-get purge " + name + ")"},
	}, nil
}

// tarGz packs files with their directories, owned by root, all of one time.
func tarGz(members []member, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out) // its header has no time and no name
	w := tar.NewWriter(z)
	there := map[string]bool{}
	add := func(h tar.Header, data []byte) error {
		h.Format, h.ModTime, h.Uname, h.Gname, h.Size = tar.FormatGNU, at.Truncate(time.Second), "root", "root", int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	for _, m := range members {
		parts := strings.Split(m.name, "/")
		for i := range parts {
			dir := "./" + strings.Join(parts[:i], "/")
			if i > 0 {
				dir += "/"
			}
			if there[dir] {
				continue
			}
			there[dir] = true
			if err := add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil); err != nil {
				return nil, err
			}
		}
		if err := add(tar.Header{Name: "./" + m.name, Typeflag: tar.TypeReg, Mode: m.mode}, m.data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// rhelFile makes a script: there is no package that can be built without rpm, and a script shows what it does.
func rhelFile(b *bundle) (*File, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, `#!/bin/sh
# Certificates that %s trusts, for RHEL, Fedora and their kin. Run as root: sh FILE
# Take them back with: sh FILE --remove
set -eu
anchors=${ANCHORS:-/etc/pki/ca-trust/source/anchors}
update=${UPDATE_CA_TRUST:-update-ca-trust}
`, b.organisation)
	names := []string{}
	for _, e := range b.entries {
		names = append(names, `"$anchors/`+e.file+`.pem"`)
	}
	fmt.Fprintf(&out, "if [ \"${1:-}\" = --remove ]; then\n\trm -f %s\n\t$update extract\n\texit 0\nfi\n", strings.Join(names, " \\\n\t\t"))
	for i, e := range b.entries {
		fmt.Fprintf(&out, "# %s\n# SHA-256 %s\ncat >%s <<'CERTIFICATE'\n%sCERTIFICATE\nchmod 0644 %s\n", e.subject, e.fingerprint, names[i], e.pem(), names[i])
	}
	out.WriteString("$update extract\n")
	return &File{
		Name: b.slug + "-ca-trust.sh", Type: "application/x-sh", Data: out.Bytes(),
		Install: []string{"as root: sh " + b.slug + "-ca-trust.sh   (taken back with --remove)"},
	}, nil
}

// javaPassword is what every Java takes for granted. It keeps nothing secret, and nothing secret is in the file.
const javaPassword = "changeit"

// javaFile makes a JKS, which every Java reads, and which has no random part: PKCS #12 would differ each time.
func javaFile(b *bundle) (*File, error) {
	store := keystore.New(keystore.WithOrderedAliases())
	for _, e := range b.entries {
		if err := store.SetTrustedCertificateEntry(e.file, keystore.TrustedCertificateEntry{
			CreationTime: b.made, Certificate: keystore.Certificate{Type: "X509", Content: e.cert.Raw},
		}); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	if err := store.Store(&out, []byte(javaPassword)); err != nil {
		return nil, err
	}
	name := b.slug + "-truststore.jks"
	return &File{
		Name: name, Type: "application/octet-stream", Data: out.Bytes(),
		Install: []string{
			"for one program: java -Djavax.net.ssl.trustStore=" + name + " -Djavax.net.ssl.trustStorePassword=" + javaPassword + " … (it then trusts these only)",
			"for all, beside what Java trusts: keytool -importkeystore -srckeystore " + name + " -srcstorepass " + javaPassword + " -cacerts -storepass " + javaPassword,
		},
	}, nil
}

// firefoxFile makes policies.json. Firefox takes certificates from files only, which must lie in a directory that it
// knows; the ZIP has them where the policy looks.
func firefoxFile(b *bundle) (*File, error) {
	names := []string{}
	for _, e := range b.entries {
		names = append(names, e.file+".pem")
	}
	text, err := json.MarshalIndent(map[string]any{"policies": map[string]any{"Certificates": map[string]any{
		"ImportEnterpriseRoots": true, "Install": names,
	}}}, "", "  ")
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	if !b.archive {
		return &File{
			Name: "policies.json", Type: "application/json", Data: text,
			Install: []string{
				"put it into the directory distribution of Firefox, or on Linux into /etc/firefox/policies",
				"put each certificate that it names, in PEM, into distribution/certificates (Windows and macOS: distribution/Certificates); --out FILE.zip writes them too",
				"on Windows and macOS those of the system's store are enough: ImportEnterpriseRoots is on",
			},
		}, nil
	}
	members := []member{{"distribution/policies.json", 0o644, text}}
	for _, e := range b.entries {
		members = append(members, member{"distribution/certificates/" + e.file + ".pem", 0o644, e.pem()})
	}
	data, err := zipped(members, b.made)
	return &File{
		Name: b.slug + "-firefox.zip", Type: "application/zip", Data: data,
		Install: []string{"unpack it into the directory in which Firefox is installed; on Windows and macOS rename distribution/certificates to distribution/Certificates"},
	}, err
}

func zipped(members []member, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: at})
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(m.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
