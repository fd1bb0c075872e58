package pages

import "regexp"

// koreanPatterns translate sentences of other packages that have something in them. The first that fits counts. A test
// runs the acts that say them, so that a sentence that changes is noticed.
func koreanPatterns() []pattern {
	var all []pattern
	for _, p := range [][2]string{
		{`^nothing to change: .*$`, "바뀌는 것이 없습니다. 이미 그렇게 되어 있습니다."},
		{`^(\S+) stays closed until a certificate is enabled for it without --sni-only: it has no default$`, "기본 TLS 인증서가 없어 $1 리스너는 계속 닫혀 있습니다. 기본으로도 하나를 쓰도록 하십시오."},
		{`^clients will refuse it: .*$`, "클라이언트가 거부합니다."},
		{`^it does not name this server, (.+)$`, "이 서버의 이름($1)이 들어 있지 않습니다."},
		{`^it has no RSA member: clients without ECDSA cannot connect.*$`, "RSA 구성원이 없어 ECDSA를 모르는 클라이언트는 접속할 수 없습니다(25번 포트에서는 내부 TLS 인증서로 대신합니다)."},
		{`^it has no RSA member: port 25 has nothing to fall back to.*$`, "RSA 구성원이 없어 ECDSA를 모르는 발신 서버에 대해 25번 포트에서 대신 쓸 것이 없습니다."},
		{`^(.+) is here already, in lineage (.+)$`, "$1: 이미 있습니다(갱신 계열 $2)."},
		{`^the chain stops: the certificate of (.+) is missing; import it too, or clients will not trust this one$`, "사슬이 끊겨 있습니다. 빠진 발급자: $1. 함께 가져오지 않으면 클라이언트가 신뢰하지 않습니다."},
		{`^the authority left out (.+), which was asked for$`, "요청한 이름을 인증 기관이 뺐습니다: $1"},
		{`^another request of (.+) still waits for its answer$`, "같은 계열($1)의 다른 요청이 아직 답을 기다립니다."},
		{`^it waits as the next generation of (.+); put it in force with: .*$`, "다음 세대로 기다립니다(갱신 계열 $1). 페이지에서 적용할 수 있습니다."},
		{`^sessions that are open get the time of draining .*$`, "열려 있는 세션에는 마칠 시간(limits.drain, 30초)을 줍니다."},
		{`^the listener (\S+) has no certificate then and closes$`, "$1 리스너는 TLS 인증서가 없어져 닫힙니다."},
		{`^generation (\d+), which waited, is retired$`, "기다리던 ${1}세대는 물러납니다."},
		{`^stored, but the server goes on serving what it served before: .*$`, "저장했지만 서버는 이전의 것을 계속 제공합니다. 자세한 내용은 개요에 있습니다."},

		{`^"(.+)" ([0-9A-F]{40}) with its private key$`, "$1($2), 개인 키도 함께"},
		{`^the name binding of (.+) at (\S+)$`, "이름별 제공: $1, 리스너 $2"},
		{`^the listener (\S+)$`, "리스너 $1"},
		{`^the trust in anchor ([0-9a-f]+)$`, "인증 기관에 대한 신뢰: $1"},
		{`^the trust in (.+)$`, "다음에 대한 신뢰: $1"},
		{`^the distrust of (.+)$`, "신뢰하지 않는 목록의 항목: $1"},

		{`^pose as (.+) to clients that trust this certificate$`, "이 TLS 인증서를 신뢰하는 클라이언트에게 다음 이름 행세하기: $1"},
		{`^stand between clients and (\S+) \(port (\d+)\) of (.+)$`, "클라이언트와 $3 서버의 $1(포트 $2) 사이에 끼어들기"},
		{`^pose as (.+) to the other servers of the organisation \(direct trust\)$`, "조직의 다른 서버에게 $1 서버 행세하기(직접 신뢰)"},

		{`^do the same with (.+): it has this key too$`, "같은 키를 쓰는 다음 것으로도 같은 일 하기: $1"},
		{`^have it from a file: .*$`, "파일에서 키를 얻기: 내보낼 수 있는 키라서 내보낼 때마다 훔칠 곳이 하나 늘어납니다"},
		{`^pose as (.+) to old clients that still look at the common name$`, "아직 일반 이름(CN)을 보는 오래된 클라이언트에게 다음 이름 행세하기: $1"},
		{`^pose as any host directly under (.+), also those that have nothing to do with mail$`, "메일과 무관한 것까지, 다음 도메인 바로 아래의 모든 호스트 행세하기: $1"},
		{`^log in as (.+) wherever client certificates of its issuer are taken$`, "이 발급자의 클라이언트 TLS 인증서를 받는 곳에 다음 주체로 로그인하기: $1"},
		{`^sign and read mail as (.+)$`, "다음 주소로 메일에 서명하고 메일 읽기: $1"},
		{`^receive in our place the mail of partners .*$`, "이 이름이나 이 키를 믿고 메일을 보내는 협력사의 메일을 대신 받기"},

		{`^clients from outside will not trust it: .*$`, "밖에서 접속하는 클라이언트가 신뢰하지 않습니다."},
		{`^wrong purpose: it is not for servers \(serverAuth\), only for (.+)$`, "용도가 맞지 않습니다. 서버용(serverAuth)이 아니며 용도는 다음과 같습니다: $1"},
		{`^it holds no name of a host, so no client can ask for it$`, "호스트 이름이 없어 어떤 클라이언트도 찾을 수 없습니다."},
		{`^it has (.+) as common name only, and clients look at subjectAltName alone$`, "$1: 일반 이름(CN)에만 있습니다. 클라이언트는 subjectAltName만 봅니다."},
		{`^it holds no name that clients use here, such as (.+)$`, "클라이언트가 여기서 쓸 만한 이름이 없습니다. 예: $1"},

		{`^wildcard (.+): whoever steals this one key can pose as every host directly under (.+)$`, "와일드카드 $1: 이 키 하나를 훔치면 $2 바로 아래의 모든 호스트 행세를 할 수 있습니다."},
		{`^wildcard: old POP and IMAP clients take no wildcard; .*$`, "와일드카드: 오래된 POP·IMAP 클라이언트는 받아들이지 않습니다. 서버의 정확한 이름이 든 것을 쓰십시오."},
		{`^wildcard: it says that it is of extended validation, .*$`, "와일드카드: 확장 검증(EV)에서는 허용되지 않아 쓸모가 없습니다."},
		{`^its (\d+) names share one certificate: .*$`, "이름 ${1}개가 함께 들어 있어, 하나 때문에 폐기하거나 바꾸면 모두 바뀝니다."},
		{`^one name each means many certificates: (\d+) in use hold a single name, .*$`, "이름이 하나씩 든 것이 ${1}개 쓰이고 있어 따로따로 갱신하고 연결해야 합니다. 하나에 모두 담을 수 있습니다."},
		{`^no common name: .*$`, "일반 이름(CN)이 없습니다. subjectAltName을 모르는 오래된 기기(전화기, 프린터, 스캐너)는 이름을 찾지 못합니다."},

		{`^self-signed, and not one of the certificates that are trusted here$`, "자체 서명이며, 여기서 신뢰하는 것이 아닙니다."},
		{`^the chain ends at (.+), which is not trusted here$`, "인증 사슬이 여기서 신뢰하지 않는 곳에서 끝납니다: $1"},
		{`^its chain needs (.+), which neither came along nor is known$`, "인증 사슬에 필요한 것이 함께 오지 않았고 알려져 있지도 않습니다: $1"},
		{`^the chain runs in a circle .*$`, "인증 사슬이 돌고 돌아 신뢰하는 곳에 닿지 않습니다."},
		{`^no chain to an anchor was found within the limit .*$`, "정해진 횟수 안에 신뢰하는 곳까지의 인증 사슬을 찾지 못했습니다."},
		{`^the signature on (.+) is not that of (.+)$`, "서명이 발급자의 것이 아닙니다: $2"},
		{`^(?:the certificate|the issuer (".*")) is distrusted: .*$`, "신뢰하지 않기로 한 것입니다. $1"},
		{`^(?:the certificate|the issuer (".*")) (?:ended|has ended|expired).*$`, "만료되었습니다. $1"},
		{`^whether (?:the certificate|the issuer (".*")) is revoked could not be checked: .*$`, "폐기되었는지 확인하지 못했습니다. $1"},
		{`^the chain leads to (.+)$`, "인증 사슬이 신뢰하는 곳에 닿습니다: $1"},
		{`^its authority has not answered yet$`, "인증 기관의 답을 기다리고 있습니다."},
		{`^waiting for the authority's answer to the request$`, "인증 기관의 답을 기다리고 있습니다."},
		{`^sign tokens that every server of the organisation accepts$`, "조직의 모든 서버가 받아들이는 토큰에 서명하기"},

		{`^not valid before (.+)$`, "유효 기간 전: $1부터"},
		{`^ended at (.+)$`, "만료됨: $1"},
		{`^revoked .*$`, "발급 기관이 폐기했습니다."},
		{`^distrusted: .*$`, "신뢰하지 않기로 한 것입니다."},
	} {
		all = append(all, pattern{regexp.MustCompile(p[0]), p[1]})
	}
	return all
}

// koreanProblems say what a refusal means and what to do, by the name of the error; the error itself follows in English.
func koreanProblems() map[string]string {
	return map[string]string{
		"desk.ValueError":                 "입력한 값이 올바르지 않습니다. 아래에 적힌 항목을 고치십시오.",
		"desk.UnknownCertificateError":    "그런 TLS 인증서가 없습니다. 이미 삭제되었을 수 있습니다.",
		"desk.AmbiguousIDError":           "지문의 앞부분이 같은 TLS 인증서가 여럿입니다. 더 길게 적으십시오.",
		"desk.UnknownLineageError":        "그런 갱신 계열이 없습니다.",
		"desk.UnknownServerError":         "조직에 그런 서버가 없습니다.",
		"desk.ListenerServiceError":       "그 리스너는 고른 서비스에 속하지 않습니다. 서비스를 더 고르거나 리스너를 비워 두십시오.",
		"desk.InUseError":                 "쓰이고 있어 삭제할 수 없습니다. 먼저 다른 TLS 인증서가 그 자리를 넘겨받게 하십시오.",
		"desk.ListenError":                "그 주소와 포트에서 리스너를 열 수 없습니다. 다른 프로그램이 쓰고 있는지 확인하십시오.",
		"desk.ErrDefaultBinding":          "기본으로 쓰이는 것은 뺄 수 없고, 다른 TLS 인증서가 넘겨받을 수만 있습니다.",
		"desk.ErrNotBound":                "그곳에 연결되어 있지 않습니다.",
		"desk.ErrLineageExists":           "같은 이름의 갱신 계열이 이미 있습니다. 다른 이름을 적거나 비워 두십시오.",
		"desk.ErrNoPrivateKey":            "개인 키가 여기에 없어 쓸 수 없습니다.",
		"desk.ErrNotCurrent":              "적용 중인 세대가 아닙니다.",
		"desk.ErrNotAnAuthority":          "인증 기관의 것이 아닙니다. 그것을 발급한 인증 기관의 TLS 인증서를 올리십시오.",
		"desk.ErrNothingToImport":         "파일에 TLS 인증서가 없습니다. PFX, PEM, DER, P7B, ZIP, JKS 파일을 올리십시오.",
		"desk.ErrNoMatchingKey":           "개인 키가 함께 오지 않았고, 이것을 기다리는 요청도 없습니다. 키 파일도 함께 올리십시오.",
		"desk.ErrImportEnded":             "이미 만료된 TLS 인증서입니다. 인증 기관에 새로 요청하십시오.",
		"desk.ErrNotExportable":           "개인 키를 내보낼 수 없도록 만든 갱신 계열입니다. 개인 키가 없는 형식을 고르십시오.",
		"desk.ErrNotSelfSigned":           "자체 서명한 것이 아니라서 스스로 갱신할 수 없습니다. 인증 기관에 다음 것을 요청하십시오.",
		"desk.ErrNoPrevious":              "되돌아갈 이전 세대가 없습니다.",
		"desk.ErrEnded":                   "만료된 세대는 다시 적용하지 않습니다. 새 세대를 만드십시오.",
		"desk.ErrRevoked":                 "발급 기관이 폐기한 세대는 적용하지 않습니다. 새 키로 다시 요청하십시오.",
		"desk.ErrPending":                 "인증 기관의 답이 아직 오지 않았습니다.",
		"desk.ErrAuthCertificate":         "토큰에 서명하는 TLS 인증서는 클라이언트에게 제공하지 않습니다. 다른 것을 고르십시오.",
		"state.ErrStale":                  "그사이에 상태가 바뀌었습니다. 바뀐 것은 없으니 다시 하십시오.",
		"state.ErrNotFound":               "찾는 것이 없습니다. 이미 삭제되었을 수 있습니다.",
		"state.ErrDiskFull":               "디스크가 가득 찼습니다. 자리를 만든 뒤 다시 하십시오. 반만 된 것은 없습니다.",
		"state.ErrOutcomeUnknown":         "되었는지 알 수 없습니다. 다시 하기 전에 개요와 목록을 먼저 보십시오.",
		"certfile.PasswordMissingError":   "암호가 필요한 파일입니다. 파일을 다시 고르고 암호를 적으십시오.",
		"certfile.PasswordError":          "암호가 틀렸거나 파일이 손상되었습니다. 파일을 다시 고르고 암호를 확인하십시오.",
		"certfile.MismatchError":          "키와 TLS 인증서가 서로 맞지 않습니다. 요청할 때 만든 키의 파일을 올리십시오.",
		"certfile.UnsupportedError":       "파일이 여기서 지원하지 않는 방식을 씁니다. OpenSSL 3으로 다시 만드십시오.",
		"certfile.FormatError":            "파일을 읽을 수 없습니다. PFX, PEM, P7B 파일로 다시 받으십시오.",
		"certfile.LimitError":             "TLS 인증서 파일로는 너무 큽니다. 필요한 것만 꺼내어 올리십시오.",
		"certfile.ErrNoMAC":               "이 PFX에는 변조를 확인할 값(MAC)이 없습니다. MAC을 넣어 다시 만드십시오.",
		"certfile.ErrExportPassword":      "개인 키가 든 파일에는 빈 암호를 쓸 수 없습니다. 암호를 적으십시오.",
		"keys.ErrUnknownKind":             "모르는 종류의 키입니다.",
		"keys.ErrEncrypted":               "암호가 걸린 키입니다. 암호를 적으십시오.",
		"keys.ErrNoPrivateKey":            "읽을 수 있는 개인 키가 없습니다.",
		"keys.WeakKeyError":               "약한 키라서 받지 않습니다. 새 키로 다시 만드십시오.",
		"selfsigned.LifeError":            "유효 기간이 허용 범위를 벗어났습니다.",
		"selfsigned.TooManyNamesError":    "이름이 너무 많습니다. 여러 TLS 인증서로 나누십시오.",
		"selfsigned.ErrNoSubject":         "주체로 쓸 64자 이하의 이름이 없습니다. 이름을 더하거나 주체를 적으십시오.",
		"request.ErrNoName":               "이름이 하나 이상 필요합니다.",
		"request.TooManyNamesError":       "이름이 너무 많습니다. 여러 요청으로 나누십시오.",
		"x509cert.InvalidNameError":       "쓸 수 없는 이름입니다. mail.example.com 또는 *.example.com처럼 적으십시오.",
		"x509cert.InvalidSubjectError":    "주체를 읽을 수 없습니다. CN=mail.example.com,O=Example,C=KR처럼 적으십시오.",
		"x509cert.InvalidThumbprintError": "지문이 아닙니다. 16진수 8자리 이상을 적으십시오.",
		"listener.UnknownServiceError":    "그런 서비스가 없습니다.",
		"config.UnknownListenerError":     "그런 리스너가 없습니다.",
	}
}
