package pages

import (
	"slices"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// healthCard is what one authority publishes: its revocation lists and its answers, each on a line of its own time.
type healthCard struct {
	Name, Purpose string
	Level, Word   string // the worst of its rows
	Rows          []healthRow
	Shards        []shardBar
	OCSP          bool
}

// healthRow is something that was signed and holds for a while, drawn from its beginning to its end.
type healthRow struct {
	Name, Address string
	Level, Word   string
	Number        string
	Facts         []string
	This, Next    *stamp
	Label         string // the picture in words
	Gone          int    // of lifeUnits: how much of its time is over
	Again         int    // where it is signed anew, if somebody asks
}

// shardBar is how full a list is.
type shardBar struct {
	Name, Text    string
	Full, Revoked int // of lifeUnits
	Level, Word   string
}

// health draws what each authority publishes, in the order of the hierarchy.
func (w *words) health(h *desk.PKIHealth, now time.Time) []healthCard {
	var cards []healthCard
	for _, n := range h.Tree {
		if n.State == state.AuthorityPending {
			continue
		}
		card := healthCard{Name: n.Name, Purpose: w.say("purpose." + n.Purpose), Level: levelGood}
		for _, l := range h.Lists {
			if l.Authority != n.Name {
				continue
			}
			card.Rows = append(card.Rows, w.list(l, n.KeyHere, now))
			if l.Room > 0 {
				card.Shards = append(card.Shards, w.shard(l))
			}
		}
		for _, r := range h.Responders {
			if r.Authority == n.Name {
				card.Rows = append(card.Rows, w.responder(r, now))
				card.OCSP = true
			}
		}
		levels := []string{"off", levelGood, levelWarn, levelBad}
		for i, row := range card.Rows {
			if i == 0 || slices.Index(levels, row.Level) > slices.Index(levels, card.Level) {
				card.Level, card.Word = row.Level, row.Word
			}
		}
		cards = append(cards, card)
	}
	return cards
}

// list draws a revocation list. Our own are signed anew when somebody asks, so one that is old hurts nobody; one whose key
// is elsewhere is not.
func (w *words) list(l desk.ListHealth, keyHere bool, now time.Time) healthRow {
	row := healthRow{Name: w.say("crl.complete"), Address: l.Address, Level: levelGood, Word: w.say("crl.good"), Number: l.Number}
	if l.Shard != 0 {
		row.Name = w.say("crl.shard", plainNumber(int(l.Shard)))
	}
	row.span(w, l.ThisUpdate, l.NextUpdate, now)
	switch {
	case l.Number == "":
		row.Level, row.Word = "off", w.say("crl.never")
	case now.After(l.NextUpdate) && !keyHere:
		row.Level, row.Word = levelBad, w.say("crl.ended")
	case l.Waiting:
		row.Level, row.Word = levelWarn, w.say("crl.waiting")
	case now.After(l.NextUpdate):
		row.Level, row.Word = levelWarn, w.say("crl.old")
	}
	row.Facts = append(row.Facts, w.say("crl.revoked", grouped(int(l.Revoked))))
	if l.Bytes > 0 {
		row.Facts = append(row.Facts, w.say("bytes", grouped(int(l.Bytes))))
	}
	row.Facts = append(row.Facts, w.fetched(l.Fetched, now))
	return row
}

// responder draws the life of the signer of OCSP answers.
func (w *words) responder(r desk.ResponderHealth, now time.Time) healthRow {
	row := healthRow{Name: w.say("ocsp.title"), Address: r.Address, Level: levelGood, Word: w.say("ocsp.good"), Facts: []string{w.fetched(r.Asked, now)}}
	row.span(w, r.Since, r.Ends, now)
	switch {
	case r.Since.IsZero():
		row.Level, row.Word, row.Facts = "off", w.say("ocsp.never"), nil
	case now.After(r.Until):
		row.Level, row.Word = levelWarn, w.say("ocsp.old")
	}
	return row
}

// span draws the time from one moment to another; without them there is no picture.
func (row *healthRow) span(w *words, from, until, now time.Time) {
	if from.IsZero() || !until.After(from) {
		return
	}
	this, next := minute(from), minute(until)
	row.This, row.Next = &this, &next
	gone := min(max(now.Sub(from), 0), until.Sub(from))
	row.Gone, row.Again = int(gone*lifeUnits/until.Sub(from)), lifeUnits/2
	row.Label = w.say("crl.picture", row.Name, plainNumber(row.Gone*100/lifeUnits), this.Human, next.Human)
}

// fetched says when this server was last asked.
func (w *words) fetched(at, now time.Time) string {
	if at.IsZero() {
		return w.say("crl.not-fetched")
	}
	return w.say("crl.fetched", w.age(now.Sub(at)))
}

// shard draws how many certificates a list has of those that it may have.
func (w *words) shard(l desk.ListHealth) shardBar {
	bar := shardBar{Name: w.say("crl.shard", plainNumber(int(l.Shard))), Level: levelGood, Word: w.say("shard.open"),
		Text: w.say("shard.full", grouped(int(l.Issued)), grouped(int(l.Room)), grouped(int(l.Revoked)))}
	// Something that is there is seen to be there.
	part := func(n int64) int {
		if n == 0 {
			return 0
		}
		return min(max(int(n*lifeUnits/l.Room), lifeUnits/100), lifeUnits)
	}
	bar.Full, bar.Revoked = part(l.Issued), part(l.Revoked)
	if l.Closed {
		bar.Level, bar.Word = "off", w.say("shard.closed", l.EndsAt.Local().Format(time.DateOnly))
	}
	return bar
}

// age says how long ago something was, in hours or days.
func (w *words) age(d time.Duration) string {
	switch hours := int(d / time.Hour); {
	case hours < 1:
		return w.say("age.minutes", plainNumber(max(0, int(d/time.Minute))))
	case hours < 48:
		return w.say("age.hours", plainNumber(hours))
	default:
		return w.say("age.days", grouped(hours/24))
	}
}

func healthWords() vocabulary {
	return vocabulary{
		"health.title":    {"Revocation lists and answers", "폐기 목록과 답"},
		"health.teach":    {"Signed when somebody asks: anew after each revocation, and behind the mark, when half of the time is over. The bar is the time that is over.", "누가 물을 때 서명합니다. 폐기할 때마다, 그리고 표시된 절반이 지나면 새로 서명합니다. 막대는 지난 시간입니다."},
		"health.worst":    {"Worst of it:", "가장 나쁜 것:"},
		"crl.complete":    {"Complete list", "전체 목록"},
		"crl.shard":       {"List %s", "목록 %s"},
		"crl.number":      {"Number", "번호"},
		"crl.good":        {"up to date", "최신"},
		"crl.never":       {"nobody has asked yet", "아직 아무도 묻지 않음"},
		"crl.waiting":     {"signed anew when asked", "물으면 새로 서명"},
		"crl.old":         {"old; signed anew when asked", "오래됨, 물으면 새로 서명"},
		"crl.ended":       {"ended: bring the key, or a new list", "끝남: 키나 새 목록이 필요"},
		"crl.revoked":     {"%s revoked", "폐기 %s건"},
		"crl.fetched":     {"fetched %s", "%s 가져감"},
		"crl.not-fetched": {"not fetched since the server started", "서버를 시작한 뒤 가져간 적 없음"},
		"crl.picture":     {"%s: %s %% of its time is over, from %s to %s", "%s: 지난 시간 %s%%, %s부터 %s까지"},
		"bytes":           {"%s bytes", "%s바이트"},
		"age.minutes":     {"%s minutes ago", "%s분 전"},
		"age.hours":       {"%s hours ago", "%s시간 전"},
		"age.days":        {"%s days ago", "%s일 전"},
		"ocsp.title":      {"Signer of answers (OCSP)", "답(OCSP) 서명자"},
		"ocsp.good":       {"answers", "답하는 중"},
		"ocsp.old":        {"made anew when asked", "물으면 새로 만듦"},
		"ocsp.never":      {"nobody has asked yet", "아직 아무도 묻지 않음"},
		"shard.title":     {"How full the lists are", "목록이 찬 정도"},
		"shard.full":      {"%s of %s certificates, %s of them revoked", "TLS 인증서 %s / %s개, 그중 폐기 %s개"},
		"shard.open":      {"open", "쓰는 중"},
		"shard.closed":    {"closed; it retires after %s", "닫힘, %s 뒤에 물러남"},
	}
}
