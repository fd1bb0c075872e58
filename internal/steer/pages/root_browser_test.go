package pages

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"postseal/internal/ground/keys"
	"postseal/internal/issue/ceremony"
	"postseal/internal/peers"
)

// write puts a file into a folder of the test.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// noEnglish wants that what an act would change is said in Korean, whole.
func (v *visit) noEnglish() {
	v.t.Helper()
	if n := v.count(`main span[lang="en"]`); n != 0 {
		v.t.Errorf("%d sentences are in English: %s", n, v.text(`main span[lang="en"]`))
	}
}

// TestBrowserCeremony goes the way of a root that is never here: its request is carried to another machine, where the root is
// made and signs; its answer is taken in, and the authority issues. Then the root's key comes, leaves again in a file that
// openssl opens, and is taken out: with the wrong password not, with the right one it is gone.
func TestBrowserCeremony(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/authority?lang=ko")
	v.press(`a[href="/authority/init"]`)
	v.do(chromedp.Click(chromedp.CSS(`input[name="superior"][value="ceremony"]`)))
	v.page("root-init")
	v.press(".sheet button.main")
	v.noEnglish()
	v.press(".acts button.main")
	v.press(`a[href="/authority/root"]`)
	v.wantText("request.json", "postseal ca ceremony", "servers")
	v.page("root-waits-ko")
	v.open(base + "/authority/root?lang=en")
	v.wantText("On the machine with the root", "Three steps")
	v.page("root-waits")

	// The other machine has files, and no desk.
	request := []byte(readFile(t, v.download(chromedp.Click(chromedp.CSS(`a[href="/authority/root/download"]`)))))
	q, err := ceremony.ParseRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	root, err := ceremony.MakeRoot(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ceremony.Sign(q, request, root, ceremony.Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := signed.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := root.Seal(keys.Secret("s3cret pass"))
	if err != nil {
		t.Fatal(err)
	}
	send := func(path, file, password string) {
		v.open(base + path)
		v.do(chromedp.SetUploadFiles(chromedp.CSS("#f-file"), []string{file}))
		if password != "" {
			v.do(chromedp.SetValue(chromedp.CSS("#f-password"), password))
		}
		v.press(".sheet button.main")
	}
	send("/authority/root/answer?lang=ko", write(t, "request.json", request), "")
	v.wantTrue(`document.querySelector('[role="alert"]') !== null && /[가-힣]/.test(document.querySelector('[role="alert"]').textContent)`)
	// Whoever takes the answer in has everybody here trust its root, so he names it: the preview says what to compare.
	v.open(base + "/authority/root/answer?lang=ko")
	v.do(chromedp.SetUploadFiles(chromedp.CSS("#f-file"), []string{write(t, "answer.json", answer)}))
	v.press(".sheet button.main")
	v.noEnglish()
	sum := fmt.Sprintf("%x", sha256.Sum256(signed.Root))
	v.wantText(sum)
	v.page("root-answer-preview-ko")
	v.press(".acts button.main")
	v.wantTrue(`document.querySelector('[role="alert"]') !== null && /[가-힣]/.test(document.querySelector('[role="alert"]').textContent)`)
	v.open(base + "/authority/root/answer?lang=ko")
	v.do(chromedp.SetUploadFiles(chromedp.CSS("#f-file"), []string{write(t, "answer.json", answer)}), chromedp.SetValue(chromedp.CSS("#f-root"), sum))
	v.press(".sheet button.main")
	v.noEnglish()
	v.press(".acts button.main")
	v.open(base + "/authority/issue?lang=en")
	v.press(".sheet button.main")
	v.press(".acts button.main")
	v.wantText("Issued: ")

	pfx := write(t, "root.pfx", sealed)
	send("/authority/root/import?lang=ko", pfx, "s3cret pass")
	v.noEnglish()
	v.press(".acts button.main")
	v.wantTrue(`document.querySelector('a[href^="/authority/root/export"]') !== null`)
	v.open(base + "/authority/root/export?lang=en")
	v.do(chromedp.SetValue(chromedp.CSS("#f-password"), "another pass"), chromedp.SetValue(chromedp.CSS("#f-repeated"), "another pass"))
	v.page("root-export")
	exported := v.download(chromedp.Click(chromedp.CSS(".sheet button.main")))
	opened(t, exported, "another pass")
	send("/authority/root/remove", exported, "wrong")
	v.wantTrue(`document.querySelector('[role="alert"]') !== null`)
	send("/authority/root/remove?lang=ko", exported, "another pass")
	v.noEnglish()
	v.page("root-remove-preview-ko")
	v.press(".acts button.main")
	v.wantTrue(`document.querySelector('a[href^="/authority/root/import"]') !== null && document.querySelector('a[href^="/authority/root/export"]') === null`)
	v.open(base + "/authority/root?lang=en")
	v.wantText("not on this server")
	v.page("root-elsewhere")
	v.quiet(messages)
}

// TestBrowserSubordinate: the requests of authorities below another organisation's root are copied or downloaded; a
// certificate without the right to certify is refused in words, one with it is taken in with its chain, and another is
// withdrawn.
func TestBrowserSubordinate(t *testing.T) {
	t.Parallel()
	peers.Need(t, "chromium", "openssl")
	o := newOrganisation(t, running{trial: true})
	v := newVisit(t)
	messages := chromedp.Console(v.ctx)
	base := serveManagement(t, o)
	v.signIn(base, o.link(t))
	v.open(base + "/authority/init")
	v.do(chromedp.Click(chromedp.CSS(`input[name="superior"][value="foreign"]`)))
	v.press(".sheet button.main")
	v.press(".acts button.main")
	v.open(base + "/authority/root")
	v.wantText("At the authority above", "BEGIN CERTIFICATE REQUEST")
	v.page("root-foreign")
	csr := v.download(chromedp.Click(chromedp.CSS(`a[href="/authority/root/download?authority=servers"]`)))

	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	openssl := func(args ...string) {
		t.Helper()
		if r := peers.OpenSSL(t, "", args...); r.Exit != 0 {
			t.Fatal(r)
		}
	}
	openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", file("root.key"), "-out", file("root.pem"), "-days", "3650", "-subj", "/O=Corp/CN=Corp Root", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
	sign := func(constraints string) []byte {
		ext := write(t, "ext", []byte("basicConstraints=critical,"+constraints+"\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"))
		openssl("x509", "-req", "-in", csr, "-CA", file("root.pem"), "-CAkey", file("root.key"), "-CAcreateserial", "-out", file("servers.pem"), "-days", "1500", "-extfile", ext, "-sha384")
		return []byte(readFile(t, file("servers.pem")) + readFile(t, file("root.pem")))
	}
	send := func(data []byte, root string) {
		v.open(base + "/authority/root/answer?lang=ko")
		if root != "" {
			v.do(chromedp.SetValue(chromedp.CSS("#f-root"), root))
		}
		v.do(chromedp.SetUploadFiles(chromedp.CSS("#f-file"), []string{write(t, "servers.pem", data)}))
		v.press(".sheet button.main")
	}
	send(sign("CA:FALSE"), "")
	v.wantTrue(`/하위 인증 기관/.test(document.querySelector('[role="alert"]').textContent)`)
	v.page("root-refused-ko")
	// The root is another's, and nobody has said so yet: the preview says what to compare, and nothing is taken in.
	good := sign("CA:TRUE,pathlen:0")
	send(good, "")
	v.noEnglish()
	v.wantText("서명식의 기록에 적힌 값과 비교")
	v.page("root-unnamed-ko")
	v.press(".acts button.main")
	v.wantText("답 위의 루트를 여기서 신뢰하지 않습니다")
	shown := peers.OpenSSL(t, "", "x509", "-in", file("root.pem"), "-noout", "-fingerprint", "-sha256")
	_, named, _ := strings.Cut(strings.TrimSpace(shown.Stdout), "=")
	send(good, named)
	v.noEnglish()
	v.press(".acts button.main")
	v.open(base + "/authority/root?lang=en")
	v.wantTrue(`document.querySelector('a[href="/authority/root/download?authority=servers"]') === null && document.querySelector('a[href="/authority/root/download?authority=clients"]') !== null`)
	v.open(base + "/authority/root/withdraw?lang=ko")
	v.press(".sheet button.main")
	v.noEnglish()
	v.press(".acts button.main")
	v.open(base + "/authority/root?lang=en")
	v.wantText("Nothing waits.")
	v.quiet(messages)
}
