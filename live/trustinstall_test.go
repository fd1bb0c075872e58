package live

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postseal/internal/peers"
)

// believers is a running server that shows a certificate of its authority for one name, and one that signs itself for
// another, and the port where it does.
type believers struct {
	*authority
	port string
}

const issuedName, selfSignedName = "mail.example.test", "web.example.test"

// export writes what a platform installs to trust both.
func (b *believers) export(t *testing.T, platform, name string) string {
	t.Helper()
	out := filepath.Join(b.dir, name)
	b.must(t, "trust", "export", "--for", platform, "--lineage", "web-example-test", "--out", out)
	return out
}

func (b *believers) url(name string) string { return "https://" + name + ":" + b.port + "/" }

// TestTrustIsInstalled exports what is to be trusted for each platform, and lets a client believe in just that: both the
// certificate below our root and the one that signs itself. On Debian, in Java and in the store that Firefox and Chromium
// share it is installed as people install it, with the tools that they have; of the files for systems that are not here
// the certificates are taken out, and are what curl needs. Whether PowerShell runs the script for Windows, nobody here can
// say: it is read in TestWindows of the package trustfile.
func TestTrustIsInstalled(t *testing.T) {
	t.Parallel()
	a := &authority{Server: peers.Postseal(t), dir: t.TempDir()}
	a.must(t, "ca", "init")
	a.must(t, "ca", "issue", "--domain", issuedName, "--enable", "HTTP", "--yes")
	a.must(t, "cert", "new", "--name", "Web", "--domain", selfSignedName, "--lineage", "web-example-test", "--key", "ecdsa-p256")
	a.must(t, "cert", "enable", "web-example-test", "--services", "HTTP", "--sni-only", "--yes")
	b := &believers{authority: a}
	_, b.port, _ = strings.Cut(a.Addr("https"), ":")
	t.Run("files", b.curlBelievesTheFiles)
	t.Run("Debian", b.debianInstalls)
	t.Run("Java", b.javaBelieves)
	t.Run("NSS and Chromium", b.chromiumBelieves)
}

// resolve is how curl finds a name here.
func (b *believers) resolve(name string) string { return name + ":" + b.port + ":127.0.0.1" }

func (b *believers) curlBelievesTheFiles(t *testing.T) {
	for platform, certificates := range map[string]func(*testing.T, string) [][]byte{
		"pem": inPEM, "postfix": inPEM, "android": inZIP, "apple": inPlist, "firefox": inZIP,
		"windows-gpo": func(t *testing.T, path string) [][]byte { return inBase64(t, path, `Der = '([^']+)'`) },
		"rhel":        inPEM,
	} {
		name := platform
		if platform == "firefox" {
			name += ".zip"
		}
		ders := certificates(t, b.export(t, platform, name))
		if len(ders) < 2 {
			t.Errorf("%s: %d certificates", platform, len(ders))
		}
		var text []byte
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		bundle := b.file(t, platform+".bundle", string(text))
		for name, good := range map[string]bool{issuedName: true, selfSignedName: true, "vm.example.test": false} {
			r := peers.Curl(t, "", "--cacert", bundle, "--capath", b.dir, "--resolve", b.resolve(name), b.url(name))
			judgedAs(t, platform+", "+name, r, good)
		}
	}
}

func inPEM(t *testing.T, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return inText(string(text))
}

func inText(text string) (ders [][]byte) {
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		ders = append(ders, block.Bytes)
	}
	return ders
}

// inZIP takes the certificates out of an archive, DER or PEM.
func inZIP(t *testing.T, path string) (ders [][]byte) {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if block, _ := pem.Decode(data); block != nil {
			ders = append(ders, block.Bytes)
		} else if bytes.HasPrefix(data, []byte{0x30}) {
			ders = append(ders, data)
		}
	}
	return ders
}

func inPlist(t *testing.T, path string) (ders [][]byte) {
	t.Helper()
	r := peers.Python(t, `
import base64, json, plistlib, sys
p = plistlib.load(open(sys.argv[1], "rb"))
print(json.dumps([base64.b64encode(c["PayloadContent"]).decode() for c in p["PayloadContent"]]))`, path)
	if err := json.Unmarshal([]byte(r.Stdout), &ders); err != nil {
		t.Fatalf("%v: %v", r, err)
	}
	return ders
}

func inBase64(t *testing.T, path, pattern string) (ders [][]byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		der, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil {
			t.Fatal(err)
		}
		ders = append(ders, der)
	}
	return ders
}

// debianScript installs the package with dpkg in a name space where everything is as on this machine, but cannot be
// changed, and what the package changes is a copy. The hooks of others (Java's) and the roots that Debian brings are left
// out: they take a minute.
const debianScript = `set -e
at=$1 package=$2 port=$3
mkdir "$at/root" "$at/new"
mount -t tmpfs tmpfs "$at/new"
mount --rbind / "$at/root"
mount -o remount,bind,ro "$at/root"
for dir in usr/local etc/ssl/certs var/lib/dpkg var/log etc/ca-certificates/update.d tmp; do
	mkdir -p "$at/new/$dir"
	case $dir in etc/ssl/certs|var/lib/dpkg) cp -r --preserve=mode,links "/$dir/." "$at/new/$dir" ;; esac
	mount --bind "$at/new/$dir" "$at/root/$dir"
done
mkdir -p "$at/new/usr/local/share/ca-certificates"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$at/new/tmp/other.key" -subj /CN=Other -out "$at/new/usr/local/share/ca-certificates/other.crt" 2>/dev/null # without any the bundle stays as it is
touch "$at/new/none"
mount --bind "$at/new/none" "$at/root/etc/ca-certificates.conf"
cp "$package" "$at/new/tmp/ca.deb"
cat >"$at/new/tmp/visit" <<'END'
for name in mail.example.test web.example.test vm.example.test; do
	curl -s -o /dev/null --max-time 30 --resolve $name:$1:127.0.0.1 https://$name:$1/ && echo $2 $name good || echo $2 $name $?
done
END
chroot "$at/root" sh -ec '
	sh /tmp/visit '"$port"' before
	dpkg --no-triggers --install /tmp/ca.deb
	sh /tmp/visit '"$port"' installed
	openssl verify /usr/local/share/ca-certificates/*/*.crt
	dpkg --no-triggers --purge $(dpkg-deb --field /tmp/ca.deb Package)
	sh /tmp/visit '"$port"' purged'
`

func (b *believers) debianInstalls(t *testing.T) {
	peers.Need(t, "unshare", "dpkg", "update-ca-certificates")
	script := b.file(t, "debian.sh", debianScript)
	r := peers.Run(t, peers.Command{Args: []string{"unshare", "--mount", "--map-root-user", "sh", script, t.TempDir(), b.export(t, "debian", "ca.deb"), b.port}, Limit: 3 * time.Minute})
	judgedAs(t, "dpkg", r, true, "before mail.example.test 60", "before web.example.test 60",
		"installed mail.example.test good", "installed web.example.test good", "installed vm.example.test 60", "purged mail.example.test 60", "purged web.example.test 60")
}

func (b *believers) javaBelieves(t *testing.T) {
	store := b.export(t, "java", "trust.jks")
	hosts := b.file(t, "hosts", "127.0.0.1 "+issuedName+" "+selfSignedName+" vm.example.test\n")
	r := peers.Run(t, peers.Command{Args: []string{"java", "-Djavax.net.ssl.trustStore=" + store, "-Djavax.net.ssl.trustStorePassword=changeit", "-Djdk.net.hosts.file=" + hosts,
		filepath.Join("..", "internal", "peers", "judge", "Fetch.java"), b.url(issuedName), b.url(selfSignedName), b.url("vm.example.test")}})
	judgedAs(t, "Java", r, true, "good "+b.url(issuedName), "good "+b.url(selfSignedName), "bad "+b.url("vm.example.test"))
}

// chromiumBelieves puts the certificates of the archive for Firefox into a database as Firefox keeps one, which Chromium on
// Linux reads too: authorities to trust for servers, and one that signs itself as a peer.
func (b *believers) chromiumBelieves(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	peers.Succeed(t, peers.Command{Args: []string{"certutil", "-N", "--empty-password", "-d", "sql:" + dir}})
	visit := func(name string) bool {
		r := peers.Run(t, peers.Command{Args: []string{"chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--user-data-dir=" + filepath.Join(home, "profile"),
			"--host-resolver-rules=MAP " + name + " 127.0.0.1", "--dump-dom", b.url(name)}, Env: []string{"HOME=" + home}})
		return strings.Contains(r.Stdout, "Postseal")
	}
	if visit(selfSignedName) {
		t.Error("Chromium shows it before anything is trusted")
	}
	for n, der := range inZIP(t, b.export(t, "firefox", "nss.zip")) {
		path := b.file(t, "nss.der", string(der))
		trust := "P,,"
		if text := openssl(t, "x509", "-inform", "DER", "-in", path, "-noout", "-ext", "basicConstraints"); strings.Contains(text, "CA:TRUE") {
			trust = "C,,"
		}
		peers.Succeed(t, peers.Command{Args: []string{"certutil", "-A", "-n", string(rune('a' + n)), "-t", trust, "-i", path, "-d", "sql:" + dir}})
	}
	// Each start of it takes seconds: in the short run it sees one of the two that it must show.
	all := []string{selfSignedName, issuedName}
	for _, name := range all[:peers.Scale(1, len(all))] {
		if !visit(name) {
			t.Errorf("Chromium does not show %s", name)
		}
	}
	// NSS by itself, with what the server sends.
	for name, good := range map[string]bool{issuedName: true, "vm.example.test": false} {
		sent := peers.SClient(t, peers.Endpoint{Addr: b.Addr("https"), ServerName: name}).Stdout
		for n, der := range inText(sent) {
			nick := name
			if n > 0 {
				nick = name + " issuer"
			}
			peers.Succeed(t, peers.Command{Args: []string{"certutil", "-A", "-n", nick, "-t", ",,", "-i", b.file(t, "sent.der", string(der)), "-d", "sql:" + dir}})
		}
		judgedAs(t, "certutil, "+name, peers.Run(t, peers.Command{Args: []string{"certutil", "-V", "-e", "-u", "V", "-n", name, "-d", "sql:" + dir}}), good)
	}
}
