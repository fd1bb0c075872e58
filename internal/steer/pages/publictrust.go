package pages

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postseal/internal/keep/trustfile"
	"postseal/internal/steer/desk"
)

// publicAge is how long browsers and caches may keep what strangers are shown to trust. A root lives for years; after a
// roll-over nobody should see the old one for long.
const publicAge = time.Minute

// givenPage is what strangers are shown to trust, worded.
type givenPage struct {
	Host string
	Sets []givenSet
}

type givenSet struct {
	ID, Title, Teach string
	Certificates     []givenCertificate
	Platforms        []givenPlatform
}

// givenCertificate is a certificate with what is compared, in groups that one reads aloud.
type givenCertificate struct {
	Subject      string
	Until        stamp
	SHA256, SHA1 []string
}

// givenPlatform is one system: what to fetch, and what to do with it.
type givenPlatform struct {
	Name  string
	Href  string
	Steps []givenStep
}

// givenStep is a sentence and the command to it, if it needs one.
type givenStep struct{ Text, Command string }

// trustPaths are the addresses of all files that there could be.
func trustPaths() (all []string) {
	for _, set := range []string{desk.PublicAuthority, desk.PublicServer} {
		for _, platform := range trustfile.Platforms() {
			all = append(all, trustPath(set, platform))
		}
	}
	return all
}

func trustPath(set string, p trustfile.Platform) string { return "/trust/" + set + "/" + string(p) }

// trust shows what a machine must install to trust us, and how.
func (s *site) trust(w http.ResponseWriter, r *http.Request) {
	public, err := s.desk.PublicTrust(r.Context())
	if err != nil {
		s.unready(w, r, err)
		return
	}
	words := languageOf(r, s.languages)
	page := givenPage{Host: s.host}
	for _, one := range public.Sets {
		set := givenSet{ID: one.Name, Title: words.say("public." + one.Name), Teach: words.say("public." + one.Name + ".teach")}
		for _, c := range one.Certificates {
			set.Certificates = append(set.Certificates, givenCertificate{Subject: c.Subject, Until: day(c.NotAfter), SHA256: inFours(c.SHA256), SHA1: inFours(c.SHA1)})
		}
		for _, p := range one.Platforms() {
			file, err := one.File(p)
			if err != nil {
				s.unready(w, r, err)
				return
			}
			platform := givenPlatform{Name: words.say("install." + string(p)), Href: trustPath(one.Name, p)}
			commands := trustCommands(p, file.Name)
			for i, command := range commands {
				platform.Steps = append(platform.Steps, givenStep{words.say("install." + string(p) + "." + strconv.Itoa(i+1)), command})
			}
			set.Platforms = append(set.Platforms, platform)
		}
		page.Sets = append(page.Sets, set)
	}
	keepable(w)
	w.Header().Set("Vary", "Accept-Language, Cookie")
	s.print(w, r, sheet{template: "public-trust", status: http.StatusOK, title: "public.title", path: "/trust", body: page})
}

// trustFile answers with the file for a platform.
func (s *site) trustFile(w http.ResponseWriter, r *http.Request) {
	set, platform, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/trust/"), "/")
	public, err := s.desk.PublicTrust(r.Context())
	if err != nil {
		s.unready(w, r, err)
		return
	}
	one := public.Set(set)
	if one == nil {
		s.fail(w, r, http.StatusNotFound, "not-found")
		return
	}
	file, err := one.File(trustfile.Platform(platform))
	if err != nil { // that platform has no use for it
		s.fail(w, r, http.StatusNotFound, "not-found")
		return
	}
	keepable(w)
	h := w.Header()
	h.Set("Content-Type", file.Type)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file.Name}))
	h.Set("ETag", `"`+file.Sum()+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.Data))
}

// keepable lets caches keep an answer for a while.
func keepable(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(publicAge/time.Second)))
}

// unready says that it does not work now, and logs why.
func (s *site) unready(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the reader is gone, which is why
	}
	s.log.ErrorContext(r.Context(), "page for strangers failed", "path", r.URL.Path, "peer", r.RemoteAddr, "err", err)
	s.fail(w, r, http.StatusInternalServerError, "internal")
}

// inFours cuts a fingerprint into groups.
func inFours(hex string) (groups []string) {
	for len(hex) > 4 {
		groups, hex = append(groups, hex[:4]), hex[4:]
	}
	return append(groups, hex)
}

// trustCommands are what stands behind the two sentences of a platform: a command, or nothing.
func trustCommands(p trustfile.Platform, file string) [2]string {
	switch p {
	case trustfile.WindowsGPO:
		const run = "powershell -ExecutionPolicy Bypass -File "
		return [2]string{run + file + ` -Gpo "Trusted roots"`, run + file}
	case trustfile.Debian:
		name, _, _ := strings.Cut(file, "_")
		return [2]string{"sudo apt-get install ./" + file, "sudo apt-get purge " + name}
	case trustfile.RHEL:
		return [2]string{"sudo sh " + file, "sudo sh " + file + " --remove"}
	case trustfile.Java:
		return [2]string{"keytool -importkeystore -srckeystore " + file + " -srcstorepass changeit -cacerts -storepass changeit",
			"java -Djavax.net.ssl.trustStore=" + file + " -Djavax.net.ssl.trustStorePassword=changeit …"}
	case trustfile.Postfix:
		return [2]string{"sudo install -m 0644 " + file + " /etc/postfix/", "sudo postconf -e smtp_tls_CAfile=/etc/postfix/" + file + " && sudo postfix reload"}
	case trustfile.PEM:
		return [2]string{"curl --cacert " + file + " …", "openssl x509 -in " + file + " -noout -fingerprint -sha256"}
	}
	return [2]string{}
}

func publicTrustWords() vocabulary {
	return vocabulary{
		"site.trust":             {"How to trust this server", "이 서버를 신뢰하는 방법"},
		"public.title":           {"Trust this server", "이 서버 신뢰하기"},
		"public.lead":            {"What a computer or a phone has to install so that it accepts the certificates of %s without a warning.", "컴퓨터나 휴대전화가 다음 서버의 TLS 인증서를 경고 없이 받아들이게 하려면 설치해야 하는 것: %s"},
		"public.compare":         {"Compare before you install", "설치하기 전에 비교하세요"},
		"public.compare.text":    {"Whoever can change this page on its way to you can change the fingerprints on it too. Ask your administrator for them by telephone or on paper, and install only what agrees, group by group.", "이 페이지가 오는 길에 누군가 바꿀 수 있다면 지문도 바꿀 수 있습니다. 관리자에게 전화나 서면으로 지문을 받아 한 묶음씩 맞춰 보고, 모두 같을 때만 설치하세요."},
		"public.authority":       {"The organisation's own authority", "조직의 자체 인증 기관"},
		"public.authority.teach": {"Install it once: then everything that the authority issues is trusted, also what it issues later.", "한 번만 설치하면 이 인증 기관이 발급한 것과 앞으로 발급할 것을 모두 신뢰합니다."},
		"public.server":          {"Self-signed certificates of this server", "이 서버의 자체 서명 TLS 인증서"},
		"public.server.teach":    {"Each vouches only for itself, and a new one must be installed when it is renewed. An authority of your own is better for more than a few machines.", "각각 자기 자신만 보증하므로 갱신하면 다시 설치해야 합니다. 기기가 여럿이면 자체 인증 기관이 낫습니다."},
		"public.none":            {"There is nothing to install: nothing here is signed by the organisation itself.", "설치할 것이 없습니다. 조직이 직접 서명한 것이 없습니다."},
		"public.until":           {"until", "만료"},
		"public.download":        {"Download", "내려받기"},
		"public.download.for":    {"Download for %s", "내려받기: %s"},
		"public.sha1":            {"SHA-1 (Windows calls it thumbprint)", "SHA-1 (Windows의 지문)"},

		"install.apple":         {"iPhone, iPad and Mac", "iPhone, iPad, Mac"},
		"install.apple.1":       {"iPhone and iPad: open the file, allow it in Settings, General, VPN & Device Management; then switch it on in General, About, Certificate Trust Settings.", "iPhone과 iPad: 파일을 열고 설정, 일반, VPN 및 기기 관리에서 허용한 다음, 일반, 정보의 맨 아래에 있는 신뢰 설정에서 켭니다."},
		"install.apple.2":       {"Mac: open the file, then allow it in System Settings under Profiles or Device Management.", "Mac: 파일을 연 다음 시스템 설정의 프로파일 또는 기기 관리에서 허용합니다."},
		"install.android":       {"Android", "Android"},
		"install.android.1":     {"Settings, Security, Encryption & credentials, Install a certificate, CA certificate: choose the file.", "설정, 보안, 암호화 및 사용자 인증 정보, 설치, CA 항목에서 파일을 고릅니다."},
		"install.android.2":     {"Some apps trust only what the organisation's device management installs; ask your administrator.", "일부 앱은 조직의 기기 관리로 설치한 것만 신뢰합니다. 관리자에게 문의하세요."},
		"install.windows-gpo":   {"Windows", "Windows"},
		"install.windows-gpo.1": {"For a whole domain, on a domain controller as administrator:", "도메인 전체: 도메인 컨트롤러에서 관리자 권한으로 실행합니다."},
		"install.windows-gpo.2": {"For one computer, as administrator:", "컴퓨터 한 대: 관리자 권한으로 실행합니다."},
		"install.firefox":       {"Firefox", "Firefox"},
		"install.firefox.1":     {"Unpack the file into the directory in which Firefox is installed; on Windows and macOS it is enough that the system trusts it.", "Firefox가 설치된 폴더에 파일의 압축을 풉니다. Windows와 macOS에서는 시스템이 신뢰하면 됩니다."},
		"install.firefox.2":     {"Start Firefox again; about:policies shows what was taken.", "Firefox를 다시 시작합니다. about:policies에서 적용된 것을 볼 수 있습니다."},
		"install.debian":        {"Debian and Ubuntu", "Debian, Ubuntu"},
		"install.debian.1":      {"Install the package:", "패키지를 설치합니다."},
		"install.debian.2":      {"To take it back:", "되돌리려면:"},
		"install.rhel":          {"Red Hat, Fedora and their kin", "Red Hat, Fedora 계열"},
		"install.rhel.1":        {"Run the script:", "스크립트를 실행합니다."},
		"install.rhel.2":        {"To take it back:", "되돌리려면:"},
		"install.java":          {"Java", "Java"},
		"install.java.1":        {"For every program of this Java, beside what it trusts already:", "이 Java의 모든 프로그램: 이미 신뢰하는 것에 더합니다."},
		"install.java.2":        {"For one program, which then trusts nothing else:", "프로그램 하나: 이것만 신뢰합니다."},
		"install.postfix":       {"Postfix", "Postfix"},
		"install.postfix.1":     {"Put the file beside main.cf:", "파일을 main.cf 옆에 둡니다."},
		"install.postfix.2":     {"Name it, and load it:", "설정에 적고 다시 읽게 합니다."},
		"install.pem":           {"Everything else (PEM)", "그 밖의 모든 프로그램 (PEM)"},
		"install.pem.1":         {"Name the file wherever a program asks for a CA file:", "프로그램이 CA 파일을 요구하는 곳에 이 파일을 지정합니다."},
		"install.pem.2":         {"To see its fingerprint:", "지문을 보려면:"},
	}
}
