package pages

// makeWords are those of the forms that make certificates and requests.
func makeWords() vocabulary {
	return vocabulary{
		"new.title":     {"New self-signed certificate", "자체 서명 TLS 인증서 만들기"},
		"new.intro":     {"It is made at once and costs nothing. Clients trust it only after somebody has compared its fingerprint, so it fits servers among themselves, tests, and devices that you manage.", "비용 없이 바로 만듭니다. 지문을 비교한 클라이언트만 신뢰하므로 서버 사이, 시험, 직접 관리하는 기기에 알맞습니다."},
		"request.title": {"Request a certificate of an authority", "인증 기관에 TLS 인증서 발급 요청"},
		"request.intro": {"A private key is made here and stays here. You get a request to copy or download; the authority's answer completes it.", "개인 키는 여기서 만들어 여기에 남습니다. 복사하거나 내려받을 요청을 드리며, 인증 기관의 답으로 완료합니다."},

		"field.name":            {"Friendly name", "알아보기 쉬운 이름"},
		"field.name.help":       {"For people; at most 63 characters.", "사람이 보는 이름입니다. 최대 63자."},
		"field.domains":         {"Names", "이름"},
		"field.domains.help":    {"One per line, like mail.example.com or *.example.com. Empty means this server's own names.", "한 줄에 하나씩, mail.example.com 또는 *.example.com처럼 적습니다. 비워 두면 이 서버의 이름을 씁니다."},
		"field.domains.request": {"One per line, like mail.example.com or *.example.com. Clients compare the name that they connect to with these.", "한 줄에 하나씩, mail.example.com 또는 *.example.com처럼 적습니다. 클라이언트는 접속한 이름을 이것과 비교합니다."},
		"field.kind":            {"Key", "키"},
		"field.kind.help":       {"ECDSA is small and fast; old clients need RSA.", "ECDSA는 작고 빠릅니다. 오래된 클라이언트에는 RSA가 필요합니다."},
		"key.default-two":       {"ECDSA-P256 and RSA-2048 together (recommended)", "ECDSA-P256과 RSA-2048 함께(권장)"},
		"key.default-one":       {"ECDSA-P256 (recommended)", "ECDSA-P256(권장)"},
		"field.days":            {"Life in days", "유효 기간(일)"},
		"field.days.help":       {"Empty means 825, the longest that all devices accept.", "비워 두면 825일입니다. 모든 기기가 받아들이는 가장 긴 기간입니다."},
		"field.exportable":      {"The private key may be exported later", "나중에 개인 키를 내보낼 수 있게 하기"},
		"field.exportable.help": {"Leave it off unless another machine needs the key.", "다른 기계에서 키가 필요하지 않다면 끄십시오."},
		"field.services":        {"Enable it at once for", "바로 쓸 서비스"},
		"field.services.help":   {"It takes over from what serves there now.", "지금 쓰이는 것을 대신합니다."},
		"field.subject":         {"Subject", "주체"},
		"field.subject.help":    {"In the form CN=mail.example.com,O=Example,C=KR.", "CN=mail.example.com,O=Example,C=KR 꼴로 적습니다."},
		"field.no-cn":           {"Leave the common name out", "일반 이름(CN) 빼기"},
		"field.no-cn.help":      {"Some authorities want it so; old devices need the name.", "이렇게 원하는 인증 기관이 있습니다. 오래된 기기에는 일반 이름이 필요합니다."},
		"new.lineage.help":      {"The name of the line that begins with it. Empty makes one of the first name.", "이것으로 시작할 갱신 계열의 이름입니다. 비워 두면 첫 이름으로 만듭니다."},
		"field.lineage":         {"Renewal line", "갱신 계열"},
		"field.lineage.help":    {"The name of one that is there makes this its next generation. Empty begins a new line.", "이미 있는 이름을 적으면 그 계열의 다음 세대가 됩니다. 비워 두면 새 계열이 시작됩니다."},
	}
}

// importWords are those of the import.
func importWords() vocabulary {
	return vocabulary{
		"preview.key":         {"private key found", "개인 키 있음"},
		"preview.joins":       {"joins the renewal line", "들어갈 갱신 계열:"},
		"preview.issuer":      {"issued by", "발급자:"},
		"import.title":        {"Import certificates", "TLS 인증서 가져오기"},
		"import.intro":        {"PFX, PEM, DER, P7B, ZIP and JKS; several files together, in any order. You see what came in before anything is kept, and nothing is bound to a service.", "PFX, PEM, DER, P7B, ZIP, JKS를 받습니다. 여러 파일을 순서 없이 함께 올려도 됩니다. 저장하기 전에 들어온 것을 보여 드리며, 서비스에는 연결하지 않습니다."},
		"import.send":         {"Look into the files", "파일 살펴보기"},
		"import.complete":     {"What the authority sent for %s. Its chain may be in the same file or in another.", "%s 요청에 대해 인증 기관이 보낸 파일입니다. 중간 단계가 같은 파일에 있어도, 따로 있어도 됩니다."},
		"field.file":          {"Files", "파일"},
		"field.file.help":     {"At most 16 MiB each.", "파일마다 최대 16 MiB."},
		"field.pem":           {"Or paste PEM", "또는 PEM 붙여 넣기"},
		"field.pem.help":      {"Everything from -----BEGIN to -----END, lines included.", "-----BEGIN부터 -----END까지 모두 붙여 넣으십시오."},
		"field.password":      {"Password of the files", "파일의 암호"},
		"field.password.help": {"Only if there is one.", "있을 때만 적습니다."},
	}
}

// exportWords are those of the export.
func exportWords() vocabulary {
	return vocabulary{
		"export.title":            {"Export", "내보내기"},
		"export.intro":            {"The file goes to this browser. A private key in it lets whoever has it pose as your server: keep it no longer than you need it. Each export of a key is in the audit trail.", "파일은 이 브라우저로 내려갑니다. 개인 키가 든 파일을 가진 사람은 서버 행세를 할 수 있으니 필요한 동안만 두고 지우십시오. 키를 내보낸 일은 감사 기록에 남습니다."},
		"export.send":             {"Download", "내려받기"},
		"field.format":            {"Format", "형식"},
		"field.format.help":       {"Formats with the private key ask for a password.", "개인 키가 들어가는 형식에는 암호가 필요합니다."},
		"export.pfx":              {"PFX with the private key (AES-256)", "개인 키가 든 PFX(AES-256)"},
		"export.pfx-windows2016":  {"PFX with the private key, for Windows Server 2016 and older", "개인 키가 든 PFX, Windows Server 2016 이하용"},
		"export.pem":              {"PEM with the private key, encrypted", "개인 키가 든 PEM(암호화)"},
		"export.pem-public":       {"PEM without the private key", "개인 키 없는 PEM"},
		"export.p7b":              {"P7B: the certificate and its chain", "P7B: TLS 인증서와 사슬"},
		"export.der":              {"DER: the certificate alone", "DER: TLS 인증서만"},
		"export.not-exportable":   {"The private key of this renewal line may not be exported: that was decided when it was made. The certificate itself may.", "이 갱신 계열의 개인 키는 내보낼 수 없도록 만들어졌습니다. TLS 인증서 자체는 내보낼 수 있습니다."},
		"export.no-key":           {"The private key is not here, so only the certificate itself can be exported.", "개인 키가 여기에 없으므로 TLS 인증서 자체만 내보낼 수 있습니다."},
		"field.new-password":      {"Password for the file", "파일에 걸 암호"},
		"field.new-password.help": {"Whoever opens the file needs it.", "파일을 여는 사람에게 필요합니다."},
		"field.repeated":          {"The password once more", "암호 다시 입력"},
		"field.no-chain":          {"Leave the chain out", "사슬 빼기"},
		"field.no-chain.help":     {"Servers mostly need it.", "서버에는 대개 필요합니다."},
	}
}

// enableWords are those of enabling.
func enableWords() vocabulary {
	return vocabulary{
		"enable.title":         {"Enable for services", "서비스에 쓰기"},
		"enable.intro":         {"New connections get the certificate within a second; those that are open go on undisturbed.", "새 연결에는 1초 안에 이 TLS 인증서가 쓰이고, 열려 있는 연결은 그대로 이어집니다."},
		"enable.services":      {"Services for %s", "서비스: %s"},
		"enable.services.help": {"What it serves already stays. What serves there now is taken over from.", "이미 쓰이는 곳은 그대로입니다. 고른 곳에서는 지금 것을 대신합니다."},
		"enable.now":           {"now: %s", "지금: %s"},
		"enable.nothing-now":   {"now: nothing", "지금: 없음"},
		"field.role":           {"How", "방법"},
		"enable.default":       {"As the default", "기본으로"},
		"enable.default.help":  {"Answers every client that asks for no other name.", "다른 이름을 찾지 않는 모든 클라이언트에 답합니다."},
		"enable.by-name":       {"By name", "이름별로"},
		"enable.by-name.help":  {"Answers only clients that ask for one of its names; the default stays.", "이 TLS 인증서의 이름을 찾는 클라이언트에만 답합니다. 기본은 그대로 둡니다."},
		"enable.only":          {"Only these listeners", "이 리스너에만"},
		"enable.only.help":     {"Leave all empty for every listener of the services.", "비워 두면 고른 서비스의 모든 리스너입니다."},
	}
}
