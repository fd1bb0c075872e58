package pages

import (
	"net/http"
	"time"

	"postseal/internal/ground/backup"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

// backupLimit is how long the download of a backup may take: it is as long as the organisation is large.
const backupLimit = 30 * time.Minute

// backupPage is what would bring the organisation back.
type backupPage struct {
	Level, Word string // of the recovery key
	ID          string
	Recipient   string
	Made        *stamp
	Tested      *stamp
	Missing     string
	Last        *lastBackup
}

type lastBackup struct {
	File  string
	Bytes string
	Made  stamp
	Test  *stamp
}

// backup shows the recovery key and the last backup.
func (p *center) backup(w http.ResponseWriter, r *http.Request, v visitor) {
	var got desk.RecoveryView
	if err := admin.Local(p.desk, v.actor).Call(r.Context(), "recovery/show", admin.Nothing{}, &got); err != nil {
		p.refuse(w, r, v, "/", err)
		return
	}
	page := backupPage{ID: got.ID, Recipient: got.Recipient, Made: moment(got.MadeAt), Tested: moment(got.TestedAt)}
	switch {
	case got.Unsigned:
		page.Level, page.Word = levelBad, v.words.say("backup.unsigned")
	case got.ID == "":
		page.Level, page.Word = levelBad, v.words.say("backup.no-key")
	case got.Missing > 0:
		page.Level, page.Word = levelBad, v.words.say("backup.missing", grouped(got.Missing))
	case got.TestedAt.IsZero():
		page.Level, page.Word = levelWarn, v.words.say("backup.untested")
	default:
		page.Level, page.Word = levelGood, v.words.say("backup.good")
	}
	if b := got.Backup; b != nil {
		page.Last = &lastBackup{File: b.File, Bytes: grouped(int((b.Bytes + 1023) / 1024)), Made: minute(b.MadeAt), Test: moment(b.TestedAt)}
	}
	p.show(w, r, v, sheet{template: "backup", title: "backup.title", path: "/backup", here: "backup", body: page})
}

// moment is a moment that may not have been.
func moment(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := minute(t)
	return &s
}

// makeBackup answers with a backup as a file. It is not remembered as kept: nobody here can know that it arrived whole.
func (p *center) makeBackup(w http.ResponseWriter, r *http.Request, v visitor) {
	if !p.readForm(w, r) {
		return
	}
	// A recorder of a test has no deadline; a connection that has none needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(backupLimit))
	out := &attachment{to: w, name: "postseal-" + time.Now().UTC().Format("2006-01-02-150405") + ".age"}
	var head backup.Header
	err := admin.Local(p.desk, v.actor).Stream(r.Context(), "backup/create", desk.BackupRequest{}, out, &head)
	switch {
	case err == nil:
	case out.begun:
		p.log.ErrorContext(r.Context(), "management page failed", "doing", "sending a backup", "peer", r.RemoteAddr, "err", err)
		panic(http.ErrAbortHandler) // the browser must see that the rest is missing
	default:
		p.refuse(w, r, v, "/backup", err)
	}
}

// attachment sends its headers with the first byte, so that a refusal before it can be a page.
type attachment struct {
	to    http.ResponseWriter
	name  string
	begun bool
}

func (a *attachment) Write(b []byte) (int, error) {
	if !a.begun {
		a.begun = true
		a.to.Header().Set("Content-Type", "application/octet-stream")
		a.to.Header().Set("Content-Disposition", `attachment; filename="`+a.name+`"`)
	}
	return a.to.Write(b)
}

func backupWords() vocabulary {
	return vocabulary{
		"nav.backup":        {"Backup", "백업"},
		"backup.title":      {"Backup and recovery", "백업과 복구"},
		"backup.teach":      {"Two things bring everything back on a new machine: a backup, and the recovery key. They must not lie together.", "새 컴퓨터에서 모든 것을 되살리려면 백업과 복구 키, 두 가지가 필요합니다. 둘을 한곳에 두지 마십시오."},
		"backup.key":        {"Recovery key", "복구 키"},
		"backup.no-key":     {"There is none", "없음"},
		"backup.no-key.do":  {"Without it the loss of one file on this machine is the loss of every private key. Make it on the command line, on a medium that you take away: it is shown to nobody, this page included.", "복구 키가 없으면 이 컴퓨터의 파일 하나를 잃을 때 모든 개인 키를 잃습니다. 따로 보관할 매체에 명령줄로 만드십시오. 이 화면을 포함하여 누구에게도 보이지 않습니다."},
		"backup.unsigned":   {"Not signed by the organisation", "조직이 서명하지 않음"},
		"backup.missing":    {"It does not open %s private keys", "개인 키 %s개를 열지 못함"},
		"backup.untested":   {"Never tested", "시험하지 않음"},
		"backup.good":       {"Tested", "시험함"},
		"backup.id":         {"Number", "번호"},
		"backup.recipient":  {"Public half", "공개 부분"},
		"backup.made":       {"Made", "만든 때"},
		"backup.tested":     {"Tested", "시험한 때"},
		"backup.test":       {"Prove that it opens everything:", "모든 것을 여는지 확인하려면:"},
		"backup.last":       {"Last backup", "마지막 백업"},
		"backup.none":       {"None is known to be whole.", "온전하다고 확인된 백업이 없습니다."},
		"backup.file":       {"File", "파일"},
		"backup.size":       {"%s KiB", "%s KiB"},
		"backup.create":     {"Make a backup", "백업 만들기"},
		"backup.create.how": {"It is encrypted for the recovery key and comes as a download; the server goes on meanwhile. A download is not counted as the last backup, because nobody here can know that it arrived whole. One that is made on the server every night counts:", "복구 키로 암호화하여 내려받습니다. 그동안에도 서버는 계속 일합니다. 온전히 도착했는지 이 서버가 알 수 없으므로 내려받은 것은 마지막 백업으로 세지 않습니다. 서버에서 매일 밤 만드는 것은 셉니다:"},
		"backup.download":   {"Make and download a backup", "백업을 만들어 내려받기"},
		"backup.verify":     {"Whether a file is whole and can be restored:", "파일이 온전하여 복원할 수 있는지 확인하려면:"},
		"backup.restore":    {"After a disaster", "재해 뒤에는"},
		"backup.restore.1":  {"On the new machine, put the backup into an empty data directory:", "새 컴퓨터에서 빈 데이터 디렉터리에 백업을 복원합니다:"},
		"backup.restore.2":  {"Give the server a new sealing key, with the recovery key:", "복구 키로 서버에 새 봉인 키를 만듭니다:"},
		"backup.restore.3":  {"Start it. It serves the same certificates:", "시작합니다. 같은 TLS 인증서를 제공합니다:"},
	}
}
