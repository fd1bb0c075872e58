package pages

// frameWords are what every page of the admin center may say.
func frameWords() vocabulary {
	return vocabulary{
		"nav.label":        {"Places", "메뉴"},
		"nav.overview":     {"Overview", "개요"},
		"nav.certificates": {"Certificates", "TLS 인증서"},
		"nav.listeners":    {"Listeners", "리스너"},
		"nav.trust":        {"Trust", "신뢰"},

		"notice.certificate": {"Show the certificate", "이 TLS 인증서 보기"},
		"notice.listeners":   {"Show the listeners", "리스너 보기"},

		"yes": {"yes", "예"},
		"no":  {"no", "아니요"},

		"form.optional": {"optional", "선택 사항"},
		"form.preview":  {"Show what would change", "바뀔 내용 보기"},
		"form.cancel":   {"Cancel", "취소"},

		"problem.draft.title": {"This preview is no longer here", "이 미리 보기는 더 이상 없습니다"},
		"problem.draft":       {"This request has changed nothing. A preview waits for half an hour, and works once: if you pressed twice, the first time counts. Look, then begin anew.", "이 요청으로 바뀐 것은 없습니다. 미리 보기는 30분 동안, 한 번만 쓸 수 있습니다. 두 번 눌렀다면 처음 것이 실행되었습니다. 먼저 확인하고, 필요하면 처음부터 다시 하십시오."},

		"error.days":          {"The life is a number of days, 1 or more.", "유효 기간은 1 이상의 날수로 적으십시오."},
		"error.date":          {"The date is written like 2026-12-31.", "날짜는 2026-12-31처럼 적으십시오."},
		"error.services":      {"Choose at least one service.", "서비스를 하나 이상 고르십시오."},
		"error.no-file":       {"Choose a file, or paste its text.", "파일을 고르거나 그 내용을 붙여 넣으십시오."},
		"error.nothing-given": {"Give a file, a public key or an authority.", "파일, 공개 키, 인증 기관 가운데 하나를 지정하십시오."},
		"error.passwords":     {"The two passwords differ. Type both again.", "두 암호가 다릅니다. 다시 입력하십시오."},
		"error.no-password":   {"A private key leaves these pages only with a password.", "이 화면에서 개인 키는 암호를 걸어야만 내보낼 수 있습니다."},
	}
}

// actWords are about acts: what they are called before and after, their preview, and what was done.
func actWords() vocabulary {
	return vocabulary{
		"preview.title":    {"What would change", "바뀔 내용"},
		"preview.intro":    {"Nothing has been changed yet. If this is what you want, do it with the button below.", "아직 아무것도 바뀌지 않았습니다. 아래 내용이 맞으면 버튼을 눌러 실행하십시오."},
		"preview.nothing":  {"There is nothing to do.", "할 일이 없습니다."},
		"preview.anew":     {"The organisation has changed since you looked. This is what would change now.", "보고 계신 동안 조직의 상태가 바뀌었습니다. 지금 실행하면 다음과 같이 바뀝니다."},
		"preview.later":    {"What this changes depends on the step before it.", "이 단계의 결과는 앞 단계에 달려 있습니다."},
		"preview.chain":    {"The chain of %s", "%s: 인증 사슬"},
		"preview.made":     {"What comes in", "들어오는 것"},
		"preview.until":    {"Until", "만료일"},
		"preview.moves":    {"Where the certificate served changes", "제공하는 TLS 인증서가 바뀌는 곳"},
		"preview.where":    {"Where", "곳"},
		"preview.from":     {"Now", "지금"},
		"preview.to":       {"Then", "바뀐 뒤"},
		"preview.removed":  {"This goes:", "없어지는 것:"},
		"preview.no-moves": {"No listener serves another certificate because of it.", "이 일로 다른 TLS 인증서를 제공하게 되는 리스너는 없습니다."},
		"preview.do":       {"Do it", "실행"},
		"preview.back":     {"Back", "돌아가기"},
		"held.until":       {"until", "만료"},
		"refused.title":    {"This cannot be done", "할 수 없는 일입니다"},

		"role.default": {"default", "기본"},
		"role.name":    {"by name", "이름별"},

		"done.label":   {"What was done", "한 일"},
		"done.failed":  {"The step after it failed:", "그다음 단계는 실패했습니다:"},
		"done.undo":    {"Undo", "되돌리기"},
		"done.command": {"Or on the command line:", "명령줄에서는:"},

		"act.new":                   {"Make the self-signed certificate %s", "자체 서명 TLS 인증서 만들기: %s"},
		"act.new.done":              {"Made: %s", "만들었습니다: %s"},
		"act.request":               {"Make the request %s", "발급 요청 만들기: %s"},
		"act.request.done":          {"Made the request: %s", "발급 요청을 만들었습니다: %s"},
		"act.import":                {"Import %s", "가져오기: %s"},
		"act.import.done":           {"Imported: %s", "가져왔습니다: %s"},
		"act.enable":                {"Enable %s", "서비스에 쓰기: %s"},
		"act.enable.done":           {"Enabled: %s", "서비스에 씁니다: %s"},
		"act.disable":               {"Stop serving %s by name", "이름별 제공 멈추기: %s"},
		"act.disable.done":          {"No longer served by name: %s", "이름별 제공을 멈추었습니다: %s"},
		"act.internal":              {"Make %s the internal certificate", "내부 TLS 인증서로 쓰기: %s"},
		"act.internal.done":         {"Now the internal certificate: %s", "내부 TLS 인증서로 씁니다: %s"},
		"act.renew":                 {"Renew %s", "갱신: %s"},
		"act.renew.done":            {"Renewed: %s", "갱신했습니다: %s"},
		"act.renew-request":         {"Make the request that renews %s", "갱신 요청 만들기: %s"},
		"act.renew-request.done":    {"Made the request that renews %s", "갱신 요청을 만들었습니다: %s"},
		"act.renew-request.button":  {"Renew: make the request", "갱신 요청 만들기"},
		"act.activate":              {"Put the next generation of %s in force", "다음 세대 적용: %s"},
		"act.activate.done":         {"In force: the next generation of %s", "다음 세대를 적용했습니다: %s"},
		"act.rollback":              {"Roll %s back to the generation before", "이전 세대로 되돌리기: %s"},
		"act.rollback.done":         {"Rolled back: %s", "이전 세대로 되돌렸습니다: %s"},
		"act.remove":                {"Remove %s", "삭제: %s"},
		"act.remove.done":           {"Removed: %s", "삭제했습니다: %s"},
		"act.lineage":               {"Change how %s renews", "갱신 방식 바꾸기: %s"},
		"act.lineage.done":          {"Changed how it renews: %s", "갱신 방식을 바꾸었습니다: %s"},
		"act.listener-enable":       {"Open the listener %s", "리스너 켜기: %s"},
		"act.listener-enable.done":  {"Opened: %s", "켰습니다: %s"},
		"act.listener-disable":      {"Close the listener %s", "리스너 끄기: %s"},
		"act.listener-disable.done": {"Closed: %s", "껐습니다: %s"},
		"act.trust":                 {"Trust the authorities in %s", "인증 기관 신뢰: %s"},
		"act.trust.done":            {"Trusted: %s", "신뢰합니다: %s"},
		"act.distrust":              {"Trust no more: %s", "더 이상 신뢰하지 않기: %s"},
		"act.distrust.done":         {"No longer trusted: %s", "더 이상 신뢰하지 않습니다: %s"},
		"act.untrust":               {"Take %s off the list", "목록에서 빼기: %s"},
		"act.untrust.done":          {"Off the list: %s", "목록에서 뺐습니다: %s"},
	}
}

// certificatesWords are those of the list of certificates.
func certificatesWords() vocabulary {
	return vocabulary{
		"list.count":           {"%s in this list", "이 목록에 %s개"},
		"list.new":             {"New self-signed", "자체 서명으로 만들기"},
		"list.request":         {"Request one", "발급 요청"},
		"list.import":          {"Import", "가져오기"},
		"list.filter":          {"Filter", "거르기"},
		"list.any":             {"any", "전체"},
		"list.within":          {"within %s", "%s 안에"},
		"list.domain":          {"Name or domain", "이름 또는 도메인"},
		"list.ends":            {"Ends", "만료"},
		"list.all":             {"Previous and retired too", "이전·물러난 세대도"},
		"list.show":            {"Show", "보기"},
		"list.caption":         {"One row is one generation. What ends first stands first; requests that wait stand above all.", "한 줄이 한 세대입니다. 먼저 만료되는 것이 위에 있고, 발급을 기다리는 요청이 맨 위에 있습니다."},
		"list.complete":        {"Complete", "완료하기"},
		"list.pages":           {"Pages", "쪽"},
		"list.page":            {"Page %s of %s", "%s / %s쪽"},
		"list.previous":        {"Previous", "이전"},
		"list.next":            {"Next", "다음"},
		"list.none":            {"There is no certificate here", "여기에는 TLS 인증서가 없습니다"},
		"list.none.teach":      {"A certificate proves to clients whom they talk to. Make one that signs itself to begin at once, or request one of an authority that your clients trust.", "TLS 인증서는 클라이언트에게 상대가 누구인지 증명합니다. 바로 시작하려면 자체 서명으로 만들고, 클라이언트가 신뢰하는 것이 필요하면 인증 기관에 발급을 요청하십시오."},
		"list.none-such":       {"No certificate fits", "맞는 TLS 인증서가 없습니다"},
		"list.none-such.teach": {"Widen the filter. A name finds the certificates that cover it, wildcards included.", "조건을 넓혀 보십시오. 이름으로 찾으면 와일드카드를 포함해 그 이름에 맞는 것이 모두 나옵니다."},
		"list.everything":      {"Show everything", "모두 보기"},

		"generation.number":   {"generation %s", "%s세대"},
		"generation.current":  {"in force", "적용 중"},
		"generation.next":     {"next, waits", "다음, 대기"},
		"generation.previous": {"previous", "이전"},
		"generation.retired":  {"retired", "물러남"},
		"generation.pending":  {"request", "요청"},
	}
}

// certificateWords are those of the page of one certificate.
func certificateWords() vocabulary {
	return vocabulary{
		"act.complete":        {"Complete the request", "요청 완료하기"},
		"act.enable.button":   {"Enable for services", "서비스에 쓰기"},
		"act.ask-again":       {"Request the next one", "다음 것 발급 요청"},
		"act.export":          {"Export", "내보내기"},
		"act.activate.button": {"Put in force", "적용하기"},
		"act.renew.button":    {"Renew", "갱신"},
		"act.rollback.button": {"Roll back", "이전 세대로 되돌리기"},
		"act.disable.button":  {"Stop", "멈추기"},
		"act.disable.at":      {"Stop serving it by name on %s", "이름별 제공 멈추기: %s"},
		"act.internal.button": {"Make it the internal certificate", "내부 TLS 인증서로 쓰기"},

		"pending.title": {"The request for the authority", "인증 기관에 보낼 요청"},
		"pending.how":   {"Give this text to your authority. When it answers, complete the request with the file it sends; the private key is here already.", "이 글을 인증 기관에 보내십시오. 답이 오면 받은 파일로 요청을 완료합니다. 개인 키는 이미 여기에 있습니다."},
		"pending.csr":   {"The request, in PEM", "요청(PEM)"},

		"download.csr-pem": {"Download PEM", "PEM 내려받기"},
		"download.csr-der": {"Download DER", "DER 내려받기"},
		"download.public":  {"Without the private key.", "개인 키는 들어 있지 않습니다."},

		"path.title":         {"Chain", "인증 사슬"},
		"path.valid":         {"within its dates", "유효 기간 안"},
		"path.anchor":        {"trusted", "신뢰함"},
		"path.missing":       {"nothing trusted", "신뢰할 수 있는 것이 없음"},
		"path.missing.teach": {"The chain reaches no authority that is trusted here. Import the missing certificate, or trust the authority.", "사슬이 여기서 신뢰하는 인증 기관에 닿지 않습니다. 빠진 TLS 인증서를 가져오거나 그 인증 기관을 신뢰하도록 하십시오."},

		"line.title":       {"Renewal line", "갱신 계열"},
		"line.teach":       {"Services are bound to the line, so a renewal cannot strand them. The mark is now.", "서비스는 갱신 계열에 연결되어 있어 갱신해도 끊기지 않습니다. 세로줄이 지금입니다."},
		"renew.other":      {"Renew in another way", "다른 방법으로 갱신"},
		"renew.keep":       {"Keep the key", "같은 키 유지"},
		"renew.wait":       {"Let it wait until somebody puts it in force", "적용하지 않고 기다리게 하기"},
		"lineage.settings": {"How it renews", "갱신 방식"},

		"lineage.activation": {"A new generation", "새 세대는"},
		"lineage.auto":       {"comes into force by itself", "저절로 적용됨"},
		"lineage.approve":    {"waits for a person", "사람의 승인을 기다림"},
		"lineage.key":        {"The key at renewal", "갱신할 때 키는"},
		"lineage.new-key":    {"a new one", "새로 만듦"},
		"lineage.keep-key":   {"the same one", "그대로 씀"},
		"lineage.set":        {"Change", "바꾸기"},

		"serves.title":   {"Where it serves", "쓰이는 곳"},
		"serves.nothing": {"Nowhere yet. Enable it for a service, and clients meet it there.", "아직 쓰이지 않습니다. 서비스에 쓰도록 하면 그곳에서 클라이언트에게 제공됩니다."},
		"serves.off":     {"the listener is off", "리스너가 꺼져 있음"},
		"serves.lineage": {"The generation in force serves there; this one does not.", "그곳에는 적용 중인 세대가 쓰이며, 이 세대는 쓰이지 않습니다."},

		"thief.title": {"What a thief of this key could do", "이 키를 훔친 사람이 할 수 있는 일"},
		"thief.teach": {"If somebody else may have the private key, renew with a new key and let the authority revoke this certificate.", "개인 키가 새어 나갔을지 모른다면 새 키로 갱신하고 인증 기관에 이 TLS 인증서의 폐기를 요청하십시오."},
		"lints.title": {"Rules of public authorities that it breaks", "공인 인증 기관의 규칙에 어긋나는 점"},
		"lints.teach": {"Browsers may refuse it for these; mail programs mostly do not look.", "브라우저는 이 때문에 거부할 수 있지만 메일 프로그램은 대개 보지 않습니다."},

		"detail.title":      {"Details", "자세히"},
		"detail.members":    {"Members of this generation:", "이 세대의 구성원:"},
		"detail.names":      {"Names", "이름"},
		"detail.subject":    {"Subject", "주체"},
		"detail.issuer":     {"Issuer", "발급자"},
		"detail.serial":     {"Serial number", "일련 번호"},
		"detail.key":        {"Key", "키"},
		"detail.usages":     {"Purposes", "용도"},
		"detail.signature":  {"Signature", "서명 방식"},
		"detail.crl":        {"Revocation lists", "폐기 목록 주소"},
		"detail.ocsp":       {"OCSP responder", "OCSP 응답 서버"},
		"detail.authority":  {"May sign certificates", "다른 것에 서명할 수 있음"},
		"detail.root":       {"Trust comes from", "신뢰의 근거"},
		"detail.has-key":    {"Private key is here", "개인 키 있음"},
		"detail.exportable": {"Key may be exported", "키를 내보낼 수 있음"},
		"detail.server":     {"Server", "서버"},

		"root.None":        {"nothing", "없음"},
		"root.Registry":    {"setup, or a root added by hand", "설치할 때 만든 것 또는 직접 추가한 루트"},
		"root.Enterprise":  {"our own authority", "조직의 인증 기관"},
		"root.ThirdParty":  {"the system's root store", "시스템의 루트 저장소"},
		"root.GroupPolicy": {"a root pushed by an administrator's tool", "관리 도구가 배포한 루트"},
		"root.Unknown":     {"not known yet", "아직 모름"},

		"pem.title": {"The certificate in PEM", "PEM으로 보기"},

		"remove.title": {"Remove", "삭제"},
		"remove.teach": {"A removed certificate and its private key cannot be brought back.", "삭제한 TLS 인증서와 개인 키는 되살릴 수 없습니다."},
		"remove.one":   {"Remove this generation", "이 세대 삭제"},
		"remove.all":   {"Remove the whole renewal line", "갱신 계열 전체 삭제"},

		"same-command": {"The same on the command line:", "명령줄에서는:"},
	}
}

// listenersWords are those of the page of listeners.
func listenersWords() vocabulary {
	return vocabulary{
		"listeners.teach":          {"What this server can answer on. A listener that is on serves the certificate beside it; clients that ask for another name may get one by name.", "이 서버가 응답할 수 있는 곳입니다. 켜진 리스너는 옆에 적힌 TLS 인증서를 제공하고, 다른 이름을 찾는 클라이언트에는 이름별로 제공할 수 있습니다."},
		"listeners.plain":          {"Without a certificate", "TLS 인증서 없이"},
		"listeners.of":             {"Listeners of %s", "리스너: %s"},
		"listeners.act":            {"Action", "동작"},
		"listeners.enable":         {"Turn on %s", "켜기: %s"},
		"listeners.enable.button":  {"Turn on", "켜기"},
		"listeners.disable":        {"Turn off %s", "끄기: %s"},
		"listeners.disable.button": {"Turn off", "끄기"},
	}
}

// trustWords are those of the pages about trust.
func trustWords() vocabulary {
	return vocabulary{
		"trust.title":           {"Trust", "신뢰"},
		"trust.teach":           {"The authorities of this machine's root store are trusted anyway. Here stand those that the organisation adds, and what it trusts no more, whoever vouches for it.", "이 기계의 루트 저장소에 있는 인증 기관은 원래 신뢰합니다. 여기에는 조직이 더한 인증 기관과, 누가 보증하더라도 더 이상 신뢰하지 않는 것이 있습니다."},
		"trust.add":             {"Trust an authority", "인증 기관 신뢰하기"},
		"trust.anchors":         {"Trusted authorities", "신뢰하는 인증 기관"},
		"trust.anchors.caption": {"Added to those of the system", "시스템의 것에 더한 인증 기관"},
		"trust.authority":       {"Authority", "인증 기관"},
		"trust.origin":          {"Added", "더한 방법"},
		"trust.added":           {"by hand", "직접"},
		"trust.pushed":          {"by a tool", "관리 도구"},
		"trust.remove":          {"Trust no more", "신뢰 거두기"},
		"trust.remove.of":       {"Trust no more: %s", "신뢰 거두기: %s"},
		"trust.none":            {"None was added. If your organisation has its own authority, such as AD CS, add its root certificate, and the certificates that it signed count as valid here.", "더한 인증 기관이 없습니다. AD CS처럼 조직의 인증 기관이 있다면 그 루트 TLS 인증서를 더하십시오. 그러면 그 기관이 서명한 것이 여기서 유효해집니다."},
		"trust.add.title":       {"Trust an authority", "인증 기관 신뢰하기"},
		"trust.add.intro":       {"Give the certificate of the authority. Compare its fingerprint with one that you got by another way, such as a telephone call.", "인증 기관의 TLS 인증서를 올리십시오. 지문은 전화처럼 다른 경로로 받은 것과 비교하십시오."},

		"distrust.add":         {"Distrust", "신뢰하지 않기"},
		"distrust.list":        {"No longer trusted", "더 이상 신뢰하지 않는 것"},
		"distrust.caption":     {"Refused wherever it appears in a chain", "사슬 어디에 있든 거부합니다"},
		"distrust.what":        {"What", "대상"},
		"distrust.since":       {"Since", "시작"},
		"distrust.after":       {"only what it issued after", "다음 날짜 뒤에 발급한 것만:"},
		"distrust.certificate": {"Certificate", "TLS 인증서"},
		"distrust.spki":        {"Public key", "공개 키"},
		"distrust.issuer":      {"Issuer", "발급자"},
		"distrust.remove":      {"Take off the list", "목록에서 빼기"},
		"distrust.remove.of":   {"Take off the list: %s", "목록에서 빼기: %s"},
		"distrust.none":        {"Nothing was added. A self-signed certificate has no authority that could revoke it: distrust it here when its key was stolen.", "더한 것이 없습니다. 자체 서명한 것은 폐기해 줄 인증 기관이 없으니, 키를 도난당하면 여기서 신뢰하지 않도록 하십시오."},
		"distrust.title":       {"Trust something no more", "더 이상 신뢰하지 않기"},
		"distrust.intro":       {"By certificate, by public key, or everything that an issuer has signed. One of them is enough.", "TLS 인증서, 공개 키, 또는 한 발급자가 서명한 모든 것을 지정합니다. 하나면 됩니다."},
		"distrust.file.help":   {"The certificates in these files are refused.", "이 파일에 든 TLS 인증서를 거부합니다."},
		"field.spki":           {"Public key", "공개 키"},
		"field.spki.help":      {"Its SHA-256, 64 hex digits.", "SHA-256 값, 16진수 64자리."},
		"field.issuer":         {"Issuer", "발급자"},
		"field.issuer.help":    {"Its whole name, like CN=Old CA,O=Example,C=KR.", "전체 이름을 CN=Old CA,O=Example,C=KR처럼 적습니다."},
		"field.after":          {"Only what it issued after", "이 날짜 뒤에 발급한 것만"},
		"field.after.help":     {"Empty means everything.", "비워 두면 전부입니다."},
	}
}
