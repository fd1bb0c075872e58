package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"postseal/internal/ground/listener"
)

func TestReadFiles(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"all", "bind = \"127.0.0.1\"\nport-offset = 10000\n[listen]\nimaps = \"192.0.2.1:993\"\n[limits]\nbefore-login = \"90s\"\n", ""},
		{"revocation", "[revocation]\nonline = false\nproxy = \"http://proxy.example.com:3128\"\nallow = [\"10.0.0.0/8\", \"fd00::/8\"]\nports = [8080]\n", ""},
		{"check", "[check]\nevery = \"30s\"\n", ""},
		{"no check", "[check]\nevery = \"0s\"\n", ""},
		{"a check without an end", "[check]\nevery = \"1ms\"\n", "check.every is less than 100ms"},
		{"metrics and audit", "[metrics]\nloopback = true\n[audit]\nsyslog = \"tcp://192.0.2.1:601\"\n", ""},
		{"no collector", "[audit]\nsyslog = \"mail.example.com\"\n", "unix:/dev/log"},
		{"no port of a collector", "[audit]\nsyslog = \"udp://mail.example.com\"\n", "udp://HOST:PORT"},
		{"notices", "[notices]\nsmtp = \"mail.example.com:587\"\nfrom = \"p@example.com\"\nto = [\"a@example.com\"]\nlanguage = \"ko\"\nwebhook = \"https://hooks.example.com/x\"\nwebhook-allow = [\"10.0.0.0/8\"]\n", ""},
		{"no language of notices", "[notices]\nlanguage = \"de\"\n", "want \"en\" or \"ko\""},
		{"mail without a server", "[notices]\nto = [\"a@example.com\"]\n", "notices.smtp is missing"},
		{"a key without a web hook", "[notices]\nwebhook-key-file = \"k\"\n", "notices.webhook is missing"},
		{"no prefix", "[revocation]\nallow = [\"10.0.0.1\"]\n", "line 2"},
		{"no port", "[revocation]\nports = [70000]\n", "line 2"},
		{"no proxy", "[revocation]\nproxy = \"socks5://proxy.example.com\"\n", "not an http or https address"},
		{"no URL", "[revocation]\nproxy = \"http://u:secret@[::1\"\n", "revocation.proxy is no URL"},
		{"unknown key", "bind = \"::1\"\nport-ofset = 1\n", "line 2: unknown key port-ofset (nearest: port-offset)"},
		{"not TOML", "bind = \n", "line 1"},
		{"bad duration", "[limits]\ndrain = \"soon\"\n", "line 2"},
		{"negative", "[limits]\nconnections-per-address = -1\n", "limits.connections-per-address is negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "postseal.toml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path, true)
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q and the path", err, c.want)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := Read(missing, false); err != nil {
		t.Errorf("an optional file that is missing: got %v", err)
	}
	if _, err := Read(missing, true); err == nil {
		t.Error("a named file that is missing: got no error")
	}
}

func TestKeysDocumentTheFile(t *testing.T) {
	var walk func(prefix string, of reflect.Type) []string
	walk = func(prefix string, of reflect.Type) []string {
		var names []string
		for f := range of.Fields() {
			name := prefix + f.Tag.Get("toml")
			switch {
			case f.Type.Kind() == reflect.Struct:
				names = append(names, walk(name+".", f.Type)...)
			case f.Type.Kind() == reflect.Map:
				names = append(names, name+".NAME")
			default:
				names = append(names, name)
			}
		}
		return names
	}
	var documented []string
	for _, k := range Keys() {
		documented = append(documented, k.Name)
	}
	if got := walk("", reflect.TypeFor[File]()); !reflect.DeepEqual(got, documented) {
		t.Errorf("keys of the file: got %v, documented %v", got, documented)
	}
}

func TestResolve(t *testing.T) {
	imaps, _ := listener.ByName("imaps")
	offset := 10000
	old := netip.MustParseAddrPort("0.0.0.0:993")
	for _, c := range []struct {
		name string
		a    Addresses
		want string
	}{
		{"nothing said", Addresses{}, "0.0.0.0:993"},
		{"bind", Addresses{Bind: "127.0.0.1"}, "127.0.0.1:993"},
		{"offset", Addresses{PortOffset: &offset}, "0.0.0.0:10993"},
		{"one listener wins", Addresses{Bind: "127.0.0.1", PortOffset: &offset, Listen: map[string]string{"imaps": "[::1]:1993"}}, "[::1]:1993"},
	} {
		if err := c.a.Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := c.a.Resolve(imaps, old); got.String() != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	far := 60000
	for _, bad := range []Addresses{{Bind: "localhost"}, {PortOffset: &far}, {Listen: map[string]string{"telnet": "127.0.0.1:23"}}, {Listen: map[string]string{"imaps": "993"}}, {Listen: map[string]string{"imaps": "127.0.0.1:0"}}, {Listen: map[string]string{"imaps": "127.0.0.1:993", "pop3s": "127.0.0.1:993"}}} {
		if bad.Check() == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if _, err := ParseListen([]string{"imaps:993"}); err == nil {
		t.Error("--listen without = was accepted")
	}
}
