package letter

import (
	"fmt"
	"time"
)

// said is a text in both languages, side by side.
type said struct{ en, ko string }

// words are the texts of one language.
type words struct{ code string }

func wordsOf(language string) words {
	if language == Korean {
		return words{Korean}
	}
	return words{English}
}

// texts are all sentences of letters. In Korean no particle follows a placeholder.
func texts() map[string]said {
	return map[string]said{
		"one.subject":      {"[Postseal %s] %s", "[Postseal %s] %s"},
		"news.subject":     {"[Postseal %s] %d things need you", "[Postseal %s] 처리할 일 %d건"},
		"over.one.subject": {"[Postseal %s] over: %s", "[Postseal %s] 해결됨: %s"},
		"over.subject":     {"[Postseal %s] %d things are over", "[Postseal %s] 해결된 일 %d건"},
		"greeting":         {"%s, server %s, %s.", "조직: %s, 서버: %s, 시각: %s"},
		"doubt":            {"Some of this may have reached you before: nobody knows whether the earlier message arrived.", "이 내용 가운데 일부는 이미 받으셨을 수 있습니다. 먼저 보낸 메시지가 도착했는지 알 수 없습니다."},
		"late":             {"This comes late: it could not be sent since %s. It is everything that is still true.", "늦게 보내는 알림입니다. %s 이후로 보내지 못했습니다. 지금도 사실인 내용을 모두 담았습니다."},
		"news":             {"NEEDS YOU", "처리할 일"},
		"over":             {"OVER: its cause is gone", "해결됨: 원인이 없어졌습니다"},
		"still":            {"STILL SO: you were told before", "아직 남은 일: 전에 알려 드렸습니다"},
		"more":             {"and %d more; see: postseal notice list", "그 밖에 %d건. 모두 보려면: postseal notice list"},
		"do":               {"do:", "할 일:"},
		"since":            {"since %s", "시작: %s"},
		"footer":           {"See everything: postseal status. Each notice comes once for each stage, and once more when it is over.", "전체 보기: postseal status. 알림은 단계마다 한 번, 해결되면 한 번 더 보냅니다."},

		"test.subject": {"[Postseal] test message of %s, %s", "[Postseal] 시험 메시지: %s, %s"},
		"test.text":    {"This is a test message of Postseal on %s. Notices will come this way.", "Postseal 시험 메시지입니다(서버: %s). 알림은 이 경로로 옵니다."},

		"report.subject":      {"[Postseal] Monday report of %s, %s: %d things need you", "[Postseal] 월요일 보고: %s, %s, 처리할 일 %d건"},
		"report.greeting":     {"Report of %s, server %s, %s.", "보고 대상 조직: %s, 서버: %s, 시각: %s"},
		"report.needs":        {"WHAT NEEDS YOU", "처리할 일"},
		"report.needs.none":   {"Nothing.", "없습니다."},
		"report.changed":      {"WHAT CHANGED since %s, and by whom", "바뀐 것과 바꾼 사람(%s 이후)"},
		"report.changed.none": {"Nothing.", "없습니다."},
		"report.ends":         {"WHAT ENDS within 90 days", "90일 안에 만료되는 TLS 인증서"},
		"report.ends.none":    {"Nothing.", "없습니다."},
		"report.first":        {"The first to end: %s, on %s.", "가장 먼저 만료: %s, %s"},
		"left":                {"in %d days", "%d일 남음"},
	}
}

// say returns a text; a key that is not there shows itself, and a test looks for that.
func (w words) say(key string, args ...any) string {
	s, ok := texts()[key]
	text := s.en
	if w.code == Korean {
		text = s.ko
	}
	if !ok {
		text = "⟨" + key + "⟩"
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// minute writes a time in the local zone.
func (w words) minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }
