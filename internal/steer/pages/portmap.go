package pages

import (
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/steer/desk"
)

// portMap is the picture of what answers where: a row for each server, a column for each port. It is a table, so that it
// can be heard as well as seen.
type portMap struct {
	Ports []portHead
	Rows  []portRow
}

// portHead is a column.
type portHead struct{ Port, Name string }

// portRow is a server.
type portRow struct {
	Server string
	Cells  []portCell
}

// portCell is a port of a server. Its colour repeats what its words and the shape of its sign say.
type portCell struct {
	portHead
	Level string
	Left  string // of the certificate
	Word  string // what is wrong; empty for nothing
	Held  string // the certificate
	Page  string // where it is shown
}

// portMap draws the listeners that are turned on. troubles are conditions that are about listeners.
func (w *words) portMap(server string, listeners []desk.ListenerView, byThumbprint map[string]desk.Certificate, troubles []health.Condition, now time.Time) portMap {
	m := portMap{Rows: []portRow{{Server: server}}}
	for _, l := range listeners {
		if !l.Enabled {
			continue
		}
		head := portHead{plainNumber(l.Port), l.Listener}
		row := w.listener(l, byThumbprint, now)
		cell := portCell{portHead: head, Level: row.Level, Left: row.Short, Held: l.Certificate, Page: "/listeners"}
		if len(l.Thumbprints) > 0 {
			cell.Page = address("/certificate", "id", l.Thumbprints[0])
		}
		switch {
		case l.State != desk.ListenerOpen:
			cell.Word, cell.Level = row.State, levelBad
		case l.Service == "":
			cell.Left, cell.Level = w.say("map.redirect"), levelGood
		case l.Certificate == "":
			cell.Word, cell.Level = w.say("listeners.none"), levelBad
		}
		for _, c := range troubles {
			if c.Object == l.Listener && c.Code == health.CodeServedNotBound {
				cell.Word, cell.Level, cell.Page = w.say("map.not-bound"), levelBad, "/check"
			}
		}
		m.Ports = append(m.Ports, head)
		m.Rows[0].Cells = append(m.Rows[0].Cells, cell)
	}
	return m
}

// overviewWords are what the first page says beyond what others say too.
func overviewWords() vocabulary {
	return vocabulary{
		"map.title":     {"Servers and ports", "서버와 포트"},
		"map.caption":   {"What is left of the certificate that each port serves. What is wrong stands in words.", "포트마다 제공하는 TLS 인증서의 남은 기간입니다. 문제가 있으면 글로 적혀 있습니다."},
		"map.server":    {"Server", "서버"},
		"map.redirect":  {"to https", "https로 연결"},
		"map.not-bound": {"served is not bound", "제공과 연결이 다름"},

		"time.title":   {"Time line", "시간표"},
		"time.caption": {"Every certificate in use on one axis, from today on; the one that ends first stands first.", "쓰고 있는 모든 TLS 인증서를 오늘부터 하나의 축에 그렸습니다. 먼저 만료되는 것이 위에 있습니다."},
		"time.rules":   {"Rules that change, dashed in the picture", "바뀌는 규정(그림의 점선)"},
		"time.all":     {"The whole calendar", "전체 일정 보기"},

		"changed.title":   {"What has changed since yesterday", "어제부터 바뀐 것"},
		"changed.caption": {"The newest stands first.", "새로운 것이 위에 있습니다."},
		"changed.none":    {"Nothing has changed since yesterday.", "어제부터 바뀐 것이 없습니다."},
		"changed.all":     {"The whole audit trail", "전체 감사 기록 보기"},
		"changed.more":    {"%s more since yesterday.", "어제부터 %s건 더 있습니다."},

		"mend.renew":    {"Renew now", "지금 갱신"},
		"mend.request":  {"Renew: make the request", "갱신 요청 만들기"},
		"mend.activate": {"Put it in force", "적용"},
		"mend.disable":  {"Turn %s off", "%s 리스너 끄기"},
		"mend.choose":   {"Choose a certificate", "TLS 인증서 고르기"},
		"mend.check":    {"Look at what is served", "제공 상태 점검"},
		"mend.tokens":   {"Tokens", "토큰 보기"},
		"mend.backup":   {"Backup and recovery", "백업과 복구"},
	}
}
