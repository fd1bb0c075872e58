package pages

import (
	"encoding/csv"
	"errors"
	"net/http"
	"strings"
	"time"

	"postseal/internal/ground/health"
	"postseal/internal/ground/state"
	stages "postseal/internal/keep/notice"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// maxNotices is how many notices of each kind the page shows; the file has all that are kept.
const maxNotices = 200

// noticesPage is what people are told, and whether it reaches them.
type noticesPage struct {
	Channels     []channelView
	Open, Closed []noticeRow
	More         string // says how many are left out; empty for none
	Tested       []testView
	Problem      *notice // why no test message went out
}

// channelView is a way to people or programs.
type channelView struct {
	Name, To       string
	Level, Word    string
	Waiting        string // notices that it has still to say; empty for none
	Since, Next    *stamp // of what waits
	Error          string // the last, in English
	Told, Reported *stamp
}

// noticeRow is one notice.
type noticeRow struct {
	notice
	Urgency, Level string
	Opened         stamp
	Ends, Closed   *stamp
	Next           *stamp // when it is said more urgently
	Told           []toldView
	Untold         string // what stands there while nobody was told
}

// toldView is what a channel has said of a notice.
type toldView struct {
	Channel, Level, Word string
	At                   stamp
}

// testView is what became of a test message.
type testView struct {
	Channel, To, Level, Word string
	Text                     string // in English; empty when it was taken
}

// notices shows the notices and the channels.
func (p *center) notices(w http.ResponseWriter, r *http.Request, v visitor) {
	p.showNotices(w, r, v, noticesPage{})
}

func (p *center) showNotices(w http.ResponseWriter, r *http.Request, v visitor, page noticesPage) {
	var got desk.NoticeList
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "notice/list", desk.NoticesRequest{All: true}, &got); err != nil {
		p.refuse(w, r, v, "/", err)
		return
	}
	for _, c := range got.Channels {
		page.Channels = append(page.Channels, v.words.channel(c))
	}
	more := 0
	for _, n := range got.Notices {
		to := &page.Open
		if !n.ClosedAt.IsZero() {
			to = &page.Closed
		}
		if len(*to) == maxNotices {
			more++
			continue
		}
		*to = append(*to, v.words.told(n, time.Now()))
	}
	if more > 0 {
		page.More = v.words.say("notices.more", grouped(more))
	}
	s := sheet{template: "notices", title: "notices.title", path: "/notices", here: "notices", body: page}
	if page.Problem != nil {
		s.status = http.StatusConflict
	}
	p.show(w, r, v, s)
}

// testNotices sends a test message over every channel and shows what became of it.
func (p *center) testNotices(w http.ResponseWriter, r *http.Request, v visitor) {
	if !p.readForm(w, r) {
		return
	}
	var got []desk.NoticeTest
	page := noticesPage{}
	err := admin.Local(p.desk, v.actor).Call(r.Context(), "notice/test", admin.Nothing{}, &got)
	problem, refused := errors.AsType[*admin.Problem](err)
	switch {
	case err == nil:
	case refused:
		n := v.words.problem(problem)
		page.Problem = &n
	default:
		p.broken(w, r, "acting for a page", err)
		return
	}
	for _, one := range got {
		t := testView{Channel: v.words.say("channel." + one.Channel), To: one.To, Level: levelGood, Word: v.words.say("notices.test.taken")}
		if !one.Taken {
			t.Level, t.Word, t.Text = levelBad, v.words.say("notices.test.refused"), one.Text
		}
		page.Tested = append(page.Tested, t)
	}
	p.showNotices(w, r, v, page)
}

// channel words how a channel does.
func (w *words) channel(c desk.ChannelView) channelView {
	view := channelView{Name: w.say("channel." + c.Channel), To: c.To, Level: levelGood, Word: w.say("notices.works"), Since: moment(c.WaitingSince), Next: moment(c.NextAt),
		Error: c.LastError, Told: moment(c.LastTold), Reported: moment(c.LastReport)}
	if c.Waiting > 0 {
		view.Waiting = grouped(c.Waiting)
	}
	switch {
	case c.Tries > 0:
		view.Level, view.Word = levelBad, w.say("notices.fails", grouped(c.Tries))
	case c.LastTold.IsZero() && c.LastReport.IsZero():
		view.Level, view.Word = levelWarn, w.say("notices.unproved")
	}
	if c.Tries == 0 { // an old failure that is over is no news, and neither is when it may speak again
		view.Error, view.Next, view.Since = "", nil, nil
	}
	return view
}

// told words a notice.
func (w *words) told(n desk.NoticeView, now time.Time) noticeRow {
	c := health.Condition{Code: health.Code(n.Kind), Object: n.Object, Text: n.Text, Severity: health.Attention}
	if c.Code == health.CodeCertificateEnding && n.Stage == stages.Now {
		c.Code = health.CodeCertificateExpired // what has ended does not end soon
	}
	ends := make(map[string]time.Time)
	if !n.EndsAt.IsZero() {
		ends[n.Object] = n.EndsAt
	}
	row := noticeRow{notice: w.notice(c, ends), Level: levelWarn, Opened: minute(n.OpenedAt), Closed: moment(n.ClosedAt), Untold: w.say("notices.untold")}
	if c.Code == health.CodeTokenEnding { // its object is no lineage
		row.Page, row.Goes = "/tokens", w.say("mend.tokens")
	}
	switch {
	case !n.ClosedAt.IsZero():
		row.Level, row.Untold = levelGood, w.say("notices.never")
	case n.Stage == stages.Now:
		row.Urgency, row.Level = w.say("notices.now"), levelBad
	case n.Stage == stages.Overdue:
		row.Urgency = w.say("notices.overdue")
	default:
		row.Urgency = w.say("notices.within", w.days(n.Stage))
	}
	if !n.EndsAt.IsZero() {
		end := day(n.EndsAt)
		row.Ends = &end
	}
	if at, ok := stages.Next(n.Stage, n.EndsAt); ok && n.ClosedAt.IsZero() && at.After(now) {
		next := day(at)
		row.Next = &next
	}
	levels := map[string]string{state.NoticeSent: levelGood, state.NoticeUnsure: levelWarn, state.NoticePerhaps: levelWarn, state.NoticeGaveUp: levelBad}
	for _, t := range n.Told {
		row.Told = append(row.Told, toldView{Channel: w.say("channel." + t.Channel), Level: levels[t.Outcome], Word: w.say("told." + t.Outcome), At: minute(t.At)})
	}
	return row
}

// noticesFile answers with all notices that are kept, as CSV (RFC 4180).
func (p *center) noticesFile(w http.ResponseWriter, r *http.Request, v visitor) {
	var got desk.NoticeList
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "notice/list", desk.NoticesRequest{All: true}, &got); err != nil {
		p.refuse(w, r, v, "/notices", err)
		return
	}
	attach(w, "postseal-notices.csv")
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 section 2
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	out.Write([]string{"kind", "object", "stage", "text", "ends", "opened", "closed", "told"}) // the reader is gone when this fails
	for _, n := range got.Notices {
		var told []string
		for _, t := range n.Told {
			told = append(told, t.Channel+" "+t.Outcome+" "+at(t.At))
		}
		out.Write([]string{desk.InertCell(n.Kind), desk.InertCell(n.Object), plainNumber(n.Stage), desk.InertCell(n.Text), at(n.EndsAt), at(n.OpenedAt), at(n.ClosedAt), strings.Join(told, "; ")})
	}
	out.Flush()
}

// attach says that what follows is a table to be kept.
func attach(w http.ResponseWriter, name string) {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

func noticesWords() vocabulary {
	return vocabulary{
		"nav.notices":          {"Notices", "알림"},
		"notices.title":        {"Notices", "알림"},
		"notices.teach":        {"What somebody must know before it hurts: told once for each stage of urgency, by mail and web hook, and once more when its cause is gone.", "문제가 생기기 전에 알아야 할 것입니다. 급한 정도가 바뀔 때마다 메일과 웹훅으로 한 번씩 알리고, 원인이 사라지면 한 번 더 알립니다."},
		"notices.report":       {"The report", "보고서"},
		"notices.download":     {"Download as CSV", "CSV로 내려받기"},
		"notices.channels":     {"Who is told", "알리는 곳"},
		"notices.nobody":       {"Nobody is told: no mail server and no web hook is configured. What is listed below stays on this page, and nobody learns of it who does not look.", "알리는 곳이 없습니다. 메일 서버도 웹훅도 설정하지 않았습니다. 아래의 알림은 이 화면에만 있으며, 보러 오지 않으면 아무도 모릅니다."},
		"notices.nobody.do":    {"Name a mail server and a reader in postseal.toml, and restart:", "postseal.toml에 메일 서버와 받는 사람을 적고 다시 시작하십시오:"},
		"notices.works":        {"works", "정상"},
		"notices.fails":        {"fails, %s times in a row", "연속 %s번 실패"},
		"notices.unproved":     {"has said nothing yet", "아직 보낸 것이 없음"},
		"notices.waiting":      {"Waiting to be told", "알릴 것"},
		"notices.next-try":     {"Next try", "다음 시도"},
		"notices.failing":      {"Failing since", "실패가 시작된 때"},
		"notices.last-told":    {"Last told", "마지막으로 알린 때"},
		"notices.last-report":  {"Last report", "마지막 보고서"},
		"notices.never":        {"never", "없음"},
		"notices.test":         {"Send a test message", "시험 메시지 보내기"},
		"notices.tested":       {"Test message", "시험 메시지"},
		"notices.test.taken":   {"taken", "받음"},
		"notices.test.refused": {"not taken", "받지 않음"},
		"notices.open":         {"Open", "열린 알림"},
		"notices.open.caption": {"The oldest stands first. Each closes by itself when its cause is gone.", "오래된 것이 위에 있습니다. 원인이 사라지면 저절로 닫힙니다."},
		"notices.none":         {"Nothing has to be told. When a certificate or a token comes to its end, or something breaks, it stands here and is sent out.", "알릴 것이 없습니다. TLS 인증서나 토큰이 곧 만료되거나 문제가 생기면 여기에 나타나고 알림을 보냅니다."},
		"notices.closed.title": {"Closed", "닫힌 알림"},
		"notices.what":         {"What", "내용"},
		"notices.urgency":      {"Urgency", "급한 정도"},
		"notices.since":        {"Since", "시작"},
		"notices.next":         {"Next reminder", "다음 알림"},
		"notices.no-next":      {"none", "없음"},
		"notices.said":         {"Told", "알린 결과"},
		"notices.untold":       {"not yet", "아직"},
		"notices.until":        {"Until", "닫힌 때"},
		"notices.ends":         {"ends", "만료"},
		"notices.now":          {"now", "지금"},
		"notices.overdue":      {"overdue", "갱신이 늦음"},
		"notices.within":       {"%s or less", "%s 이내"},
		"notices.more":         {"%s more are in the download.", "내려받은 파일에 %s건이 더 있습니다."},
		"channel.mail":         {"Mail", "메일"},
		"channel.webhook":      {"Web hook", "웹훅"},
		"told.told":            {"told", "알림"},
		"told.unsure":          {"unsure, told once more", "불확실, 한 번 더 알림"},
		"told.perhaps":         {"perhaps told", "도착 여부 모름"},
		"told.gaveUp":          {"given up after 30 days", "30일 뒤 포기"},
	}
}
