package trial

import (
	"errors"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// wantCode fails unless err is an IMAP NO or BAD with this response code.
func wantCode(t *testing.T, err error, code imap.ResponseCode) {
	t.Helper()
	if refused, ok := errors.AsType[*imap.Error](err); !ok || refused.Code != code {
		t.Errorf("got %v, want a refusal with %s", err, code)
	}
}

func selectFolder(t *testing.T, c *imapclient.Client, name string) *imap.SelectData {
	t.Helper()
	data, err := c.Select(name, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFolders(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := h.imap(t)
	for _, name := range []string{"Sent", "Work", "Work/2026", "Lists/"} {
		if err := c.Create(name, nil).Wait(); err != nil {
			t.Fatalf("creating %s: %v", name, err)
		}
	}
	wantCode(t, c.Create("/", nil).Wait(), imap.ResponseCodeCannot)
	wantCode(t, c.Create("inbox", nil).Wait(), imap.ResponseCodeAlreadyExists)
	wantCode(t, c.Delete("inbox").Wait(), imap.ResponseCodeCannot)
	wantCode(t, c.Rename("INBOX", "Old", nil).Wait(), imap.ResponseCodeCannot)
	wantCode(t, c.Rename("Work", "Work/below", nil).Wait(), imap.ResponseCodeCannot)
	wantCode(t, c.Rename("Work", "Sent", nil).Wait(), imap.ResponseCodeAlreadyExists)
	wantCode(t, c.Delete("nowhere").Wait(), imap.ResponseCodeNonExistent)
	_, err := c.Select("nowhere", nil).Wait()
	wantCode(t, err, imap.ResponseCodeNonExistent)
	_, err = tryAppend(c, "nowhere", "x")
	wantCode(t, err, imap.ResponseCodeTryCreate)

	appendMessage(t, c, "Work/2026", "Subject: moved along\r\n\r\n")
	if err := c.Rename("Work", "Office", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe("Sent").Wait(); err != nil {
		t.Fatal(err)
	}
	if got, want := listed(t, c, nil), []string{"INBOX", "Lists", "Office", "Office/2026", "Sent"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := listed(t, c, &imap.ListOptions{SelectSubscribed: true}), []string{"Sent"}; !slices.Equal(got, want) {
		t.Errorf("subscribed are %v, want %v", got, want)
	}
	status, err := c.Status("Office/2026", &imap.StatusOptions{NumMessages: true, NumUnseen: true, Size: true, UIDNext: true}).Wait()
	if err != nil || *status.NumMessages != 1 || *status.NumUnseen != 1 || *status.Size != 24 || status.UIDNext != 2 {
		t.Errorf("status %+v, %v", status, err)
	}
	if err := c.Delete("Office/2026").Wait(); err != nil {
		t.Error(err)
	}
}

func listed(t *testing.T, c *imapclient.Client, options *imap.ListOptions) []string {
	t.Helper()
	all, err := c.List("", "*", options).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, data := range all {
		names = append(names, data.Mailbox)
	}
	return names
}

func TestFlagsCopyMoveExpunge(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := h.imap(t)
	for _, subject := range []string{"one", "two", "three"} {
		appendMessage(t, c, "INBOX", "Subject: "+subject+"\r\n\r\n")
	}
	if err := c.Create("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	data := selectFolder(t, c, "INBOX")
	if data.NumMessages != 3 || data.UIDNext != 4 || !slices.Contains(data.PermanentFlags, imap.FlagWildcard) {
		t.Errorf("select: %+v", data)
	}
	stored, err := c.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{"\\DELETED", "Later"}}, nil).Collect()
	if err != nil || len(stored) != 1 || !slices.Equal(stored[0].Flags, []imap.Flag{imap.FlagDeleted, "later"}) {
		t.Errorf("store: %+v, %v", stored, err)
	}
	copied, err := c.Copy(imap.SeqSet{{Start: 2, Stop: 0}}, "Archive").Wait()
	if err != nil || copied.SourceUIDs.String() != "2:3" || copied.DestUIDs.String() != "1:2" {
		t.Errorf("copy: %+v, %v", copied, err)
	}
	expunged, err := c.Expunge().Collect()
	if err != nil || !slices.Equal(expunged, []uint32{2}) {
		t.Errorf("expunge: %v, %v", expunged, err)
	}
	moved, err := c.Move(imap.UIDSetNum(3), "Archive").Wait()
	if err != nil || moved.DestUIDs.String() != "3" {
		t.Errorf("move: %+v, %v", moved, err)
	}
	if _, err := c.Move(imap.UIDSetNum(99), "Archive").Wait(); err != nil {
		t.Errorf("moving nothing: %v", err)
	}
	if _, err := c.Copy(imap.UIDSetNum(99), "Archive").Wait(); err != nil {
		t.Errorf("copying nothing: %v", err)
	}
	if data := selectFolder(t, c, "INBOX"); data.NumMessages != 1 {
		t.Errorf("INBOX has %d messages, want 1", data.NumMessages)
	}
	if data := selectFolder(t, c, "Archive"); data.NumMessages != 3 || !slices.Contains(data.Flags, "later") {
		t.Errorf("Archive: %+v", data)
	}
}

// TestStarIsTheLastMessage speaks by hand: go-imap's client does not recognise these answers as its own.
func TestStarIsTheLastMessage(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	appendMessage(t, h.imap(t), "INBOX", "x")
	appendMessage(t, h.imap(t), "INBOX", "y")
	c := textproto.NewConn(h.dial(t, IMAP))
	ask := func(line string) (answer []string) {
		t.Helper()
		if err := c.PrintfLine("a %s", line); err != nil {
			t.Fatal(err)
		}
		for {
			got, err := c.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(got, "a ") {
				return append(answer, got)
			}
			answer = append(answer, got)
		}
	}
	ask("LOGIN " + DefaultAddress + " \"" + testPassword + "\"")
	ask("SELECT INBOX")
	for _, command := range []string{"FETCH * UID", "FETCH 99:* UID", "FETCH *:99 UID", "UID FETCH * UID", "UID FETCH 99:* UID"} {
		if got := ask(command); got[0] != "* 2 FETCH (UID 2)" || !strings.HasPrefix(got[1], "a OK") {
			t.Errorf("%s: got %q", command, got)
		}
	}
	for _, command := range []string{"FETCH 99 UID", "UID FETCH 99 UID", "UID FETCH $ UID", "STORE 99 FLAGS (x)"} {
		if got := ask(command); len(got) != 1 || !strings.HasPrefix(got[0], "a OK") {
			t.Errorf("%s: got %q", command, got)
		}
	}
	for _, command := range []string{"FETCH 1 BINARY[]", "FETCH 1 BINARY.SIZE[]"} {
		if got := ask(command); len(got) != 1 || !strings.HasPrefix(got[0], "a BAD") {
			t.Errorf("%s: got %q", command, got)
		}
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := h.imap(t)
	cmd := c.Append("INBOX", 1, &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDeleted}})
	cmd.Write([]byte("x"))
	cmd.Close()
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsSet}, nil).Collect()
	wantCode(t, err, imap.ResponseCodeCannot)
	_, err = c.Move(imap.SeqSetNum(1), "INBOX").Wait()
	wantCode(t, err, imap.ResponseCodeCannot)
	if _, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect(); err != nil {
		t.Fatal(err)
	}
	if err := c.UnselectAndExpunge().Wait(); err != nil {
		t.Fatal(err)
	}
	selectFolder(t, c, "INBOX")
	got, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Flags: true}).Collect()
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Flags, []imap.Flag{imap.FlagDeleted}) {
		t.Errorf("after reading only: %+v, %v", got, err)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := h.imap(t)
	appendMessage(t, c, "INBOX", "From: Ann <ann@a.test>\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nDate: Tue, 3 Feb 2026 10:00:00 +0900\r\n\r\nApple pie\r\n")
	appendMessage(t, c, "INBOX", "From: Bob <bob@b.test>\r\nSubject: two\r\nContent-Transfer-Encoding: base64\r\n\r\ncGVhciB0YXJ0\r\n")
	appendMessage(t, c, "INBOX", "Content-Type: multipart/mixed; boundary=b\r\nSubject: parts\r\n\r\n--b\r\n\r\nplum\r\n--b\r\nContent-Type: image/png\r\n\r\nquince\r\n--b--\r\n")
	appendMessage(t, c, "INBOX", " no header at all")
	selectFolder(t, c, "INBOX")
	if err := c.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	header := func(key, value string) []imap.SearchCriteriaHeaderField {
		return []imap.SearchCriteriaHeaderField{{Key: key, Value: value}}
	}
	day := time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		criteria imap.SearchCriteria
		want     []uint32
	}{
		"everything":            {imap.SearchCriteria{}, []uint32{1, 2, 3, 4}},
		"decoded subject":       {imap.SearchCriteria{Header: header("Subject", "CAFÉ")}, []uint32{1}},
		"a field is there":      {imap.SearchCriteria{Header: header("From", "")}, []uint32{1, 2}},
		"body without case":     {imap.SearchCriteria{Body: []string{"apple"}}, []uint32{1}},
		"decoded body":          {imap.SearchCriteria{Body: []string{"pear tart"}}, []uint32{2}},
		"text part only":        {imap.SearchCriteria{Body: []string{"plum"}}, []uint32{3}},
		"not in an image":       {imap.SearchCriteria{Body: []string{"quince"}}, nil},
		"text finds headers":    {imap.SearchCriteria{Text: []string{"bob@b"}}, []uint32{2}},
		"flagged":               {imap.SearchCriteria{Flag: []imap.Flag{"\\flagged"}}, []uint32{2}},
		"not flagged":           {imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagFlagged}}, []uint32{1, 3, 4}},
		"sent that day":         {imap.SearchCriteria{SentSince: day, SentBefore: day.AddDate(0, 0, 1)}, []uint32{1}},
		"sent later":            {imap.SearchCriteria{SentSince: day.AddDate(0, 0, 1)}, nil},
		"came before that day":  {imap.SearchCriteria{Before: day}, nil},
		"came since":            {imap.SearchCriteria{Since: day}, []uint32{1, 2, 3, 4}},
		"small":                 {imap.SearchCriteria{Smaller: 20}, []uint32{4}},
		"large":                 {imap.SearchCriteria{Larger: 110}, []uint32{3}},
		"not":                   {imap.SearchCriteria{Not: []imap.SearchCriteria{{Body: []string{"apple"}}}}, []uint32{2, 3, 4}},
		"or":                    {imap.SearchCriteria{Or: [][2]imap.SearchCriteria{{{Body: []string{"apple"}}, {Body: []string{"plum"}}}}}, []uint32{1, 3}},
		"by number":             {imap.SearchCriteria{SeqNum: []imap.SeqSet{{{Start: 3, Stop: 0}}}}, []uint32{3, 4}},
		"by identifier, a text": {imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 1, Stop: 2}}}, Text: []string{"pie"}}, []uint32{1}},
	} {
		got, err := c.Search(&test.criteria, nil).Wait()
		if err != nil || !slices.Equal(got.AllSeqNums(), test.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, test.want)
		}
	}
	count, err := c.UIDSearch(&imap.SearchCriteria{}, &imap.SearchOptions{ReturnMin: true, ReturnMax: true, ReturnCount: true}).Wait()
	if err != nil || count.Min != 1 || count.Max != 4 || count.Count != 4 {
		t.Errorf("got %+v, %v", count, err)
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := h.imap(t)
	appendMessage(t, c, "INBOX", "Subject: x\r\nTo: y\r\n\r\n0123456789")
	for name, test := range map[string]struct {
		section imap.FetchItemBodySection
		want    string
	}{
		"a piece":          {imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Partial: &imap.SectionPartial{Offset: 2, Size: 3}}, "234"},
		"over the end":     {imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Partial: &imap.SectionPartial{Offset: 8, Size: 1 << 31}}, "89"},
		"behind the end":   {imap.FetchItemBodySection{Partial: &imap.SectionPartial{Offset: 99, Size: 3}}, ""},
		"one field":        {imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"To"}}, "To: y\r\n\r\n"},
		"the first part":   {imap.FetchItemBodySection{Part: []int{1}}, "0123456789"},
		"a part not there": {imap.FetchItemBodySection{Part: []int{7}}, ""},
	} {
		if got := fetchAll(t, c, &test.section); len(got) != 1 || string(got[0]) != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestIdleTellsOfNewMail(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	exists := make(chan uint32, 10)
	c := imapclient.New(h.dial(t, IMAP), &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				exists <- *data.NumMessages
			}
		},
	}})
	defer c.Close()
	if err := c.Login(DefaultAddress, testPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	selectFolder(t, c, "INBOX")
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	h.sendRaw(t, []byte("Subject: new\r\n\r\n"))
	select {
	case n := <-exists:
		if n != 1 {
			t.Errorf("told of %d messages, want 1", n)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing was told")
	}
	if err := idle.Close(); err != nil {
		t.Error(err)
	}
	if err := idle.Wait(); err != nil {
		t.Error(err)
	}
}

// TestIdleTellsOfMailFromBefore: what came between the last command and IDLE is told too.
func TestIdleTellsOfMailFromBefore(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	exists := make(chan uint32, 10)
	c := imapclient.New(h.dial(t, IMAP), &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				exists <- *data.NumMessages
			}
		},
	}})
	defer c.Close()
	if err := c.Login(DefaultAddress, testPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	selectFolder(t, c, "INBOX")
	h.sendRaw(t, []byte("Subject: new\r\n\r\n"))
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-exists:
		if n != 1 {
			t.Errorf("told of %d messages, want 1", n)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing was told")
	}
	if err := idle.Close(); err != nil {
		t.Error(err)
	}
	if err := idle.Wait(); err != nil {
		t.Error(err)
	}
}

func TestTwoSessionsAgreeOnNumbers(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	a, b := h.imap(t), h.imap(t)
	for range 3 {
		appendMessage(t, a, "INBOX", "x")
	}
	selectFolder(t, a, "INBOX")
	selectFolder(t, b, "INBOX")
	if err := a.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	// b has not been told yet: its number 2 is still the message with identifier 2.
	got, err := b.Fetch(imap.SeqSetNum(2), &imap.FetchOptions{UID: true}).Collect()
	if err != nil || len(got) != 1 || got[0].UID != 2 {
		t.Errorf("before it is told: %+v, %v", got, err)
	}
	if err := b.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	got, err = b.Fetch(imap.SeqSetNum(2), &imap.FetchOptions{UID: true}).Collect()
	if err != nil || len(got) != 1 || got[0].UID != 3 {
		t.Errorf("after it is told: %+v, %v", got, err)
	}
}

func TestAppendLimits(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	h.store.limits = limits{messages: 2, bytes: 100, folders: 2}
	c := h.imap(t)
	appendMessage(t, c, "INBOX", strings.Repeat("x", 60))
	_, err := tryAppend(c, "INBOX", strings.Repeat("x", 60))
	wantCode(t, err, imap.ResponseCodeOverQuota)
	appendMessage(t, c, "INBOX", "x")
	_, err = tryAppend(c, "INBOX", "x")
	wantCode(t, err, imap.ResponseCodeOverQuota)
	selectFolder(t, c, "INBOX")
	_, err = c.Copy(imap.SeqSetNum(2), "INBOX").Wait()
	wantCode(t, err, imap.ResponseCodeOverQuota)
	if err := c.Create("one", nil).Wait(); err != nil {
		t.Error(err)
	}
	wantCode(t, c.Create("two", nil).Wait(), imap.ResponseCodeOverQuota)
	if _, err := c.Move(imap.SeqSetNum(2), "one").Wait(); err != nil {
		t.Errorf("a move needs no room, got %v", err)
	}
	cmd := c.Append("INBOX", maxMessageBytes+1, nil)
	_, err = cmd.Wait()
	wantCode(t, err, imap.ResponseCodeTooBig)
	if got := h.store.arriving; got != 0 {
		t.Errorf("%d octets are still counted as arriving", got)
	}
}
