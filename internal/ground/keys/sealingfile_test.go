package keys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"io/fs"
	"strings"
	"testing"
)

func testSealingFile(t testing.TB) *SealingFile {
	t.Helper()
	organisation, ok := testKey(t, Ed25519).Public().(ed25519.PublicKey)
	if !ok {
		t.Fatal("the organisation key is not Ed25519")
	}
	return &SealingFile{Server: "mail1.example.com", Organisation: organisation, Key: NewSealingKey()}
}

func wantSameFile(t *testing.T, got, want *SealingFile) {
	t.Helper()
	if got.Server != want.Server || !got.Organisation.Equal(want.Organisation) || !bytes.Equal(got.Key.Seed(), want.Key.Seed()) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSealingFile(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"mail1.example.com", "01J9", "two words", "line\nsealing-key: x", "# no comment", "메일", "50%", " "} {
		f := testSealingFile(t)
		f.Server = server
		text := f.Marshal()
		got, err := ParseSealingFile(text)
		if err != nil {
			t.Errorf("server %q: %v", server, err)
			continue
		}
		wantSameFile(t, got, f)
		for _, mode := range []fs.FileMode{0o600, 0o400} {
			read, err := ReadSealingFile(writeTestFile(t, text, mode))
			if err != nil {
				t.Errorf("server %q, mode %04o: %v", server, mode, err)
				continue
			}
			wantSameFile(t, read, f)
		}
	}
}

func TestSealingFileText(t *testing.T) {
	t.Parallel()
	f := testSealingFile(t)
	text := string(f.Marshal())
	// Scanners that look for keys in backups and repositories must not take it for what it is not.
	if strings.Contains(strings.ToUpper(text), "PRIVATE KEY") {
		t.Error("the file speaks of a private key")
	}
	if !strings.HasPrefix(text, "# ") || !strings.Contains(text, "\nserver: mail1.example.com\n") {
		t.Errorf("the file does not explain itself, or hides its server")
	}
	windows := "\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\n# more\n"
	got, err := ParseSealingFile([]byte(windows))
	if err != nil {
		t.Fatal(err)
	}
	wantSameFile(t, got, f)
}

func TestSealingFileRefuses(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	server, organisation, sealing := "server: a\n", "organisation: "+key+"\n", "sealing-key: "+key+"\n"
	if _, err := ParseSealingFile([]byte(server + organisation + sealing)); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, data, want string }{
		{"empty", "", "after line 0: no line for server, organisation, sealing-key"},
		{"no server", organisation + sealing, "after line 2: no line for server"},
		{"no organisation", server + sealing, "after line 2: no line for organisation"},
		{"no sealing key", server + organisation + "#" + sealing, "after line 3: no line for sealing-key"},
		{"server twice", server + server + organisation + sealing, "line 2: server stands here a second time"},
		{"organisation twice", organisation + server + organisation, "line 3: organisation stands here a second time"},
		{"sealing key twice", sealing + "\n" + sealing, "line 3: sealing-key stands here a second time"},
		{"empty server", "server: \n", "line 1: server: not an id"},
		{"bad escape in server", "server: %zz\n", "line 1: server: not an id"},
		{"unknown name", server + "colour: blue\n", "line 2: unknown name, want server, organisation or sealing-key"},
		{"upper case", "Server: a\n", "line 1: unknown name"},
		{"no colon", server + key + "\n", "line 2: not of the form name: value"},
		{"short key", "sealing-key: " + key[4:] + "\n", "line 1: sealing-key: 40 characters, want 44 of base64"},
		{"long key", "organisation: " + key + key + "\n", "line 1: organisation: 88 characters, want 44 of base64"},
		{"no base64", "sealing-key: " + strings.Repeat("!", 44) + "\n", "line 1: sealing-key: not 32 bytes in base64"},
		{"a byte too many", "sealing-key: " + strings.Repeat("A", 44) + "\n", "line 1: sealing-key: not 32 bytes in base64"},
		{"bits after the end", "sealing-key: " + key[:42] + "d=\n", "line 1: sealing-key: not 32 bytes in base64"},
		{"too long", strings.Repeat("#\n", maxSealingFileBytes), "sealing key file of more than 16 KiB"},
	}
	for _, tt := range tests {
		got, err := ParseSealingFile([]byte(tt.data))
		if got != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		} else if strings.Contains(err.Error(), key[4:12]) {
			t.Errorf("%s: the error repeats the key: %v", tt.name, err)
		}
	}
	path := writeTestFile(t, []byte(server+"x\n"), 0o600)
	if _, err := ReadSealingFile(path); err == nil || err.Error() != "reading "+path+": line 2: not of the form name: value" {
		t.Errorf("got %v, want path and line", err)
	}
}

func TestSealingFileMustBeComplete(t *testing.T) {
	t.Parallel()
	whole := *testSealingFile(t)
	for name, empty := range map[string]func(*SealingFile){
		"server":       func(f *SealingFile) { f.Server = "" },
		"organisation": func(f *SealingFile) { f.Organisation = nil },
		"key":          func(f *SealingFile) { f.Key = nil },
	} {
		func() {
			f := whole
			empty(&f)
			defer func() {
				if recover() == nil {
					t.Errorf("without %s: an incomplete file was written", name)
				}
			}()
			f.Marshal()
		}()
	}
}
