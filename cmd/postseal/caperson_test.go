package main

import "testing"

// TestFilesOfPeople: each address has a file of its own, in the directory.
func TestFilesOfPeople(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for mail, want := range map[string]string{
		"kim@example.com": "kim@example.com", "Kim.Lee+x@example.com": "Kim.Lee+x@example.com", "o_neil@example.com": "o_neil@example.com",
		"o'neil@example.com": "o=27neil@example.com", "a/b@example.com": "a=2fb@example.com", "a|b@example.com": "a=7cb@example.com", "a=7cb@example.com": "a=3d7cb@example.com",
		"-rf@example.com": "=2drf@example.com", "rf@example.com": "rf@example.com", ".x@example.com": "=2ex@example.com", "/etc/passwd": "=2fetc=2fpasswd", "": "",
	} {
		got := fileOf(mail)
		if got != want {
			t.Errorf("%s: got %s, want %s", mail, got, want)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s have one file", mail, other)
		}
		seen[got] = mail
	}
}
