package pages

import (
	"net/http"
	"strings"

	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/probe"
)

// checkPage is what a stranger sees: of our own listeners all the time, of other hosts when asked.
type checkPage struct {
	Seen    []seenRow
	Hosts   string // what was asked for
	Ways    []option
	Problem *notice
	Own     bool // whether to look at the listeners of this server

	way string // that was chosen
}

// seenRow is the last look at a listener.
type seenRow struct {
	Listener, Level, Word string
	Text                  string // in English
	At                    stamp
}

// reportView is a host that was looked at.
type reportView struct {
	Host, Level, Word string
	Ports             []portView
	Findings          []findingView
}

// portView is what answered at a port.
type portView struct {
	Port, Protocol string
	Level, Word    string
	TLS            []string
	Certificate    string
	Until          *stamp
}

// findingView is what was found, with what to do.
type findingView struct {
	Level, Word, Port string
	Title             string // in the reader's language; empty where the text is in it
	Text              string // in English
	Do                []piece
}

// check shows the last look at each listener, and asks which hosts to look at.
func (p *center) check(w http.ResponseWriter, r *http.Request, v visitor) {
	p.showCheck(w, r, v, checkPage{Own: true})
}

func (p *center) showCheck(w http.ResponseWriter, r *http.Request, v visitor, page checkPage) {
	if err := p.seen(r, v, &page); err != nil {
		p.refuse(w, r, v, "/", err)
		return
	}
	s := checkSheet(v, page)
	if page.Problem != nil {
		s.status = http.StatusUnprocessableEntity
	}
	p.show(w, r, v, s)
}

// checkSheet is the page of checks.
func checkSheet(v visitor, page checkPage) sheet {
	return sheet{template: "check", title: "check.title", path: "/check", here: "check", body: page, who: v.actor.Who}
}

// seen fills in what the server saw of its own listeners, and the choices of the form.
func (p *center) seen(r *http.Request, v visitor, page *checkPage) error {
	var seen []desk.Seen
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "check/seen", admin.Nothing{}, &seen); err != nil {
		return err
	}
	for _, s := range seen {
		row := seenRow{Listener: s.Listener, Level: levelGood, Word: v.words.say("check.bound"), At: minute(s.At)}
		if !s.Bound {
			row.Level, row.Word, row.Text = levelBad, v.words.say("map.not-bound"), s.Text
		}
		page.Seen = append(page.Seen, row)
	}
	page.Ways = []option{{Value: "", Label: v.words.say("check.by-port")}}
	for _, way := range []string{"smtp", "imap", "pop3", "sieve"} {
		page.Ways = append(page.Ways, option{Value: way, Label: strings.ToUpper(way)})
	}
	page.Ways = chosen(page.Ways, page.way)
	return nil
}

// severity is the colour of a finding, and its word.
func (w *words) severity(s probe.Severity) (level, word string) {
	level = levelGood
	switch s {
	case probe.Warn:
		level = levelWarn
	case probe.Bad:
		level = levelBad
	}
	return level, w.say("severity." + string(s))
}

// report words what was seen of a host.
func (w *words) report(r probe.Report) reportView {
	view := reportView{Host: r.Host}
	view.Level, view.Word = w.severity(r.Verdict)
	for _, e := range r.Endpoints {
		one := portView{Port: plainNumber(e.Port), Protocol: strings.ToUpper(e.Protocol)}
		one.Level, one.Word = w.severity(e.Verdict)
		one.TLS = append(one.TLS, e.Versions...)
		if e.KeyExchange != "" {
			one.TLS = append(one.TLS, e.KeyExchange)
		}
		if c := e.Certificate; c != nil {
			one.Certificate, one.Until = listed(c.Names), moment(c.NotAfter)
		}
		view.Ports = append(view.Ports, one)
	}
	for _, f := range r.All() {
		if f.Severity == probe.OK {
			continue
		}
		one := findingView{Text: upper(f.Text), Do: capitalised(pieces(f.Do))}
		one.Level, one.Word = w.severity(f.Severity)
		if f.Port != 0 {
			one.Port = plainNumber(f.Port)
		}
		if w.code != "en" {
			one.Title = w.say("finding." + string(f.Code))
		}
		view.Findings = append(view.Findings, one)
	}
	return view
}

func checkWords() vocabulary {
	words := vocabulary{
		"nav.check":       {"Check", "점검"},
		"check.title":     {"Check from outside", "밖에서 본 점검"},
		"check.teach":     {"What a stranger sees: which TLS, which certificate, for which names, and until when. No password is sent and nothing is changed.", "모르는 클라이언트의 눈에 보이는 것입니다. 어떤 TLS와 TLS 인증서를, 어떤 이름으로, 언제까지 제공하는지 봅니다. 암호를 보내지 않고 아무것도 바꾸지 않습니다."},
		"check.own":       {"The listeners of this server", "이 서버의 리스너"},
		"check.seen":      {"The last look at each; the server looks every minute.", "리스너마다 마지막으로 본 것입니다. 서버가 1분마다 봅니다."},
		"check.not-yet":   {"The server has not looked yet. It begins a minute after its start.", "아직 보지 않았습니다. 서버를 시작하고 1분 뒤부터 봅니다."},
		"check.bound":     {"serves what is bound", "연결된 것을 제공"},
		"check.when":      {"Seen", "본 때"},
		"check.hosts":     {"Look at hosts", "호스트 점검"},
		"check.hosts.ask": {"Hosts", "호스트"},
		"check.help":      {"HOST or HOST:PORT, one on each line, at most 500. Without a port the nine of mail and web are tried.", "한 줄에 하나씩 호스트 또는 호스트:포트, 최대 500개. 포트를 적지 않으면 메일과 웹의 아홉 포트를 봅니다."},
		"check.starttls":  {"Spoken before TLS", "TLS 앞의 프로토콜"},
		"check.by-port":   {"what the port says", "포트에 따라"},
		"check.with-own":  {"The listeners of this server too", "이 서버의 리스너도"},
		"check.run":       {"Look", "점검"},
		"check.found":     {"What was seen", "본 것"},
		"check.count":     {"%s of %s hosts seen", "%s / %s개 호스트를 보았습니다"},
		"check.wait":      {"The page goes on by itself. Leaving it ends the look.", "페이지가 저절로 이어집니다. 페이지를 떠나면 점검이 끝납니다."},
		"check.sum":       {"bad: %s, will hurt somebody: %s, good or to know: %s", "나쁨 %s, 주의 %s, 좋음 또는 참고 %s"},
		"check.ended":     {"The look ended early; the hosts that are missing were not seen.", "점검이 일찍 끝났습니다. 빠진 호스트는 보지 못했습니다."},
		"check.many":      {"More than 500 hosts. For so many there is: postseal check --from FILE", "호스트가 500개를 넘습니다. 그만큼 많으면 명령을 쓰십시오: postseal check --from FILE"},
		"check.port":      {"Port", "포트"},
		"check.verdict":   {"Verdict", "판정"},
		"check.names":     {"Names in the certificate", "TLS 인증서의 이름"},
		"check.silent":    {"Nothing answers.", "응답이 없습니다."},
		"severity.ok":     {"good", "좋음"},
		"severity.info":   {"to know", "참고"},
		"severity.warn":   {"will hurt somebody", "주의"},
		"severity.bad":    {"bad", "나쁨"},
	}
	for code, text := range findingWords() {
		words["finding."+string(code)] = text
	}
	return words
}

// findingWords name what can be found. In English its sentence says it all.
func findingWords() map[probe.Code]said {
	return map[probe.Code]said{
		probe.CodeNoAddress:          {"no address", "이름에 주소가 없습니다"},
		probe.CodeLookupFailed:       {"lookup failed", "이름을 조회하지 못했습니다"},
		probe.CodeUnreachable:        {"unreachable", "연결할 수 없습니다"},
		probe.CodeNothingOffered:     {"nothing offered", "아홉 포트 가운데 열린 것이 없습니다"},
		probe.CodeTimedOut:           {"timed out", "응답이 너무 늦거나 없습니다"},
		probe.CodeTooMuch:            {"too much", "응답이 끝없이 이어집니다"},
		probe.CodeClosedEarly:        {"closed early", "TLS 전에 연결을 끊습니다"},
		probe.CodeOtherProtocol:      {"another protocol", "다른 프로토콜을 씁니다"},
		probe.CodeRefusesService:     {"refuses service", "서비스를 거부합니다"},
		probe.CodeStartTLSMissing:    {"no STARTTLS", "TLS로 바꿀 방법이 없습니다"},
		probe.CodeStartTLSRefused:    {"STARTTLS refused", "STARTTLS를 거부합니다"},
		probe.CodeStartTLSExtra:      {"text behind STARTTLS", "STARTTLS 응답 뒤에 평문이 이어집니다"},
		probe.CodeStartTLSInjection:  {"STARTTLS injection", "TLS 전에 끼워 넣은 명령이 TLS 안에서 실행됩니다"},
		probe.CodeTLSFailed:          {"TLS failed", "TLS 연결에 실패했습니다"},
		probe.CodeChainTooLarge:      {"chain too large", "사슬이 너무 큽니다"},
		probe.CodePlainLogin:         {"login in clear", "암호를 평문으로 받습니다"},
		probe.CodeOldVersion:         {"old versions", "TLS 1.0이나 1.1을 허용합니다"},
		probe.CodeOnlyOldVersions:    {"only old versions", "오래된 TLS만 씁니다"},
		probe.CodeNoTLS13:            {"no TLS 1.3", "TLS 1.3을 쓰지 않습니다"},
		probe.CodeWeakCipher:         {"weak cipher", "약한 암호 모음을 씁니다"},
		probe.CodeNotPostQuantum:     {"not post-quantum", "양자 내성 키 교환을 쓰지 않습니다"},
		probe.CodeExpired:            {"expired", "TLS 인증서가 만료되었습니다"},
		probe.CodeNotYetValid:        {"not valid yet", "TLS 인증서가 아직 유효 기간 전입니다"},
		probe.CodeEndsSoon:           {"ends soon", "TLS 인증서가 곧 만료됩니다"},
		probe.CodeWrongName:          {"wrong name", "TLS 인증서에 이 호스트의 이름이 없습니다"},
		probe.CodeNamesMissing:       {"names missing", "클라이언트가 쓰는 이름 일부가 없습니다"},
		probe.CodeAskedByAddress:     {"asked by address", "주소로 접속하여 이름을 비교할 수 없습니다"},
		probe.CodeSelfSigned:         {"self-signed", "자체 서명한 TLS 인증서입니다"},
		probe.CodeChainIncomplete:    {"incomplete chain", "중간 인증 기관이 빠져 있습니다"},
		probe.CodeUntrusted:          {"not trusted", "이 서버가 신뢰하지 않는 루트입니다"},
		probe.CodeOrganisationOnly:   {"trusted here only", "이 조직에서만 신뢰합니다"},
		probe.CodeInvalidCertificate: {"invalid", "사슬이 규칙에 어긋납니다"},
		probe.CodeRevoked:            {"revoked", "폐기된 TLS 인증서입니다"},
		probe.CodeRevocationUnknown:  {"revocation not known", "폐기 여부를 알 수 없습니다"},
		probe.CodeWeakKey:            {"weak key", "약한 키입니다"},
		probe.CodeWeakSignature:      {"weak signature", "위조할 수 있는 서명입니다"},
		probe.CodeChainOrder:         {"chain out of order", "사슬의 순서가 틀렸습니다"},
		probe.CodeChainExtra:         {"needless certificates", "필요 없는 것까지 보냅니다"},
		probe.CodeRootSent:           {"root sent", "루트까지 보냅니다"},
		probe.CodeOnlyECDSA:          {"ECDSA only", "ECDSA를 모르는 클라이언트는 접속하지 못합니다"},
		probe.CodeStaleCertificate:   {"stale", "다른 포트에는 더 새로운 TLS 인증서가 있습니다"},
		probe.CodeDifferent:          {"different", "다른 포트와 TLS 인증서가 다릅니다"},
		probe.CodeServedNotBound:     {"served is not bound", "제공하는 것이 연결된 것과 다릅니다"},
	}
}
