package pages

import (
	"slices"
	"time"

	"postseal/internal/ground/listener"
	"postseal/internal/steer/desk"
)

const (
	// maxChanges bounds the changes on the first page.
	maxChanges = 12
	// trailGlance is how many rows of the audit trail the first page looks through.
	trailGlance = 300
)

// deedRow is something that was done, worded.
type deedRow struct {
	Number       string
	At           stamp
	Who, From    string
	Act          string
	Object, Page string // Page is where the object is shown; empty for nowhere
}

// looks are acts that change no certificate: who comes and goes. They stand in the audit trail, not among the changes.
func looks(act string) bool {
	return slices.Contains([]string{"sign-in", "sign-out", "sign-in-link", "known-issuers"}, act)
}

// deed words a row of the audit trail.
func (w *words) deed(d desk.Entry) deedRow {
	row := deedRow{Number: plainNumber(int(d.Number)), At: minute(d.At), Who: d.Who, From: d.From, Act: w.did(d.Act), Object: d.Object}
	if len(d.Object) == 64 { // a fingerprint: its beginning tells it from others
		row.Object = d.Object[:16] + "…"
	}
	_, listens := listener.ByName(d.Object)
	switch {
	case d.Object == "" || d.Act == "remove":
	case listens:
		row.Page = "/listeners"
	case aboutCertificate(d.Act):
		row.Page = address("/certificate", "id", d.Object)
	case d.Act == "trust" || d.Act == "distrust":
		row.Page = "/trust"
	case d.Act == "backup" || d.Act == "backup-kept" || d.Act == "recovery-init" || d.Act == "recovery-test":
		row.Page = "/backup"
	}
	return row
}

// did is what an act is called when it is done.
func (w *words) did(act string) string {
	if text, ok := w.texts["did."+act]; ok {
		return text
	}
	return act
}

// deeds words several rows.
func (w *words) deeds(trail []desk.Entry) []deedRow {
	var rows []deedRow
	for _, d := range trail {
		rows = append(rows, w.deed(d))
	}
	return rows
}

// yesterday is when the day before began, where the server is.
func yesterday(now time.Time) time.Time {
	local := now.Local()
	return time.Date(local.Year(), local.Month(), local.Day()-1, 0, 0, 0, 0, local.Location())
}

// aboutCertificate says whether the object of an act is a lineage or a certificate.
func aboutCertificate(act string) bool {
	return slices.Contains([]string{"new", "request", "complete", "import", "enable", "disable", "renew", "activate", "rollback", "retire", "export", "set-internal", "set-lineage", "renew-request"}, act)
}

// changes are those since yesterday began, and how many are left out.
func (w *words) changes(trail []desk.Entry, now time.Time) (rows []deedRow, more int) {
	since := yesterday(now)
	for _, d := range trail {
		switch {
		case d.At.Before(since) || looks(d.Act):
		case len(rows) == maxChanges:
			more++
		default:
			rows = append(rows, w.deed(d))
		}
	}
	return rows, more
}

// historyWords are what was done, by the name of its act in the audit trail.
func historyWords() vocabulary {
	return vocabulary{
		"did.abandon-keys":     {"gave up keys that nothing opens", "열 수 없는 키 포기"},
		"did.audit-accept":     {"went on after a broken audit trail", "훼손된 감사 기록에서 계속"},
		"did.restore":          {"restored a backup", "백업 복원"},
		"did.activate":         {"put the next generation in force", "다음 세대 적용"},
		"did.backup":           {"made a backup", "백업 생성"},
		"did.backup-kept":      {"kept a backup", "백업 보관"},
		"did.complete":         {"completed a request", "발급 요청 완료"},
		"did.disable":          {"stopped serving it by name", "이름별 제공 멈춤"},
		"did.distrust":         {"trusts no more", "신뢰하지 않음"},
		"did.enable":           {"enabled for services", "서비스에 사용"},
		"did.export":           {"exported", "내보내기"},
		"did.import":           {"imported", "가져오기"},
		"did.known-issuers":    {"learnt of issuers", "발급자 기억"},
		"did.new":              {"made a certificate", "TLS 인증서 생성"},
		"did.recovery-init":    {"made the recovery key", "복구 키 생성"},
		"did.recovery-test":    {"tested the recovery key", "복구 키 시험"},
		"did.recovery-use":     {"used the recovery key", "복구 키 사용"},
		"did.remove":           {"removed", "삭제"},
		"did.renew":            {"renewed", "갱신"},
		"did.request":          {"made a request", "발급 요청 생성"},
		"did.retire":           {"retired a generation", "세대 퇴역"},
		"did.rollback":         {"rolled back", "이전 세대로 되돌림"},
		"did.set-internal":     {"made it the internal certificate", "내부 TLS 인증서로 지정"},
		"did.set-lineage":      {"set how it renews", "갱신 방법 설정"},
		"did.setup":            {"set up the organisation", "조직 설정"},
		"did.sign-in":          {"signed in", "로그인"},
		"did.sign-in-link":     {"made a sign-in link", "로그인 링크 생성"},
		"did.sign-out":         {"signed out", "로그아웃"},
		"did.trust":            {"trusts an authority", "인증 기관 신뢰"},
		"did.trust-remove":     {"ended trust or distrust", "신뢰·불신 해제"},
		"did.enable-listener":  {"turned the listener on", "리스너 켜기"},
		"did.disable-listener": {"turned the listener off", "리스너 끄기"},

		"did.token-new":    {"made a token", "토큰 생성"},
		"did.token-revoke": {"revoked a token", "토큰 취소"},

		"history.title": {"History", "이력"},
		"history.none":  {"The last rows of the audit trail have nothing of it.", "최근 감사 기록에 이 항목에 대한 것이 없습니다."},
		"history.all":   {"All of its history", "전체 이력 보기"},
		"history.when":  {"When", "시각"},
		"history.who":   {"Who", "누가"},
		"history.what":  {"What", "한 일"},
		"history.of":    {"Of what", "대상"},
	}
}
