package trial

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postseal/internal/ground/keys"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, err := newAccount(DefaultAddress, keys.NewSecret(testPassword))
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			user, password string
			ok             bool
		}{
			{DefaultAddress, testPassword, true},
			{"Trial@Example.TEST", testPassword, true},
			{DefaultAddress, "", false},
			{DefaultAddress, testPassword + " ", false},
			{DefaultAddress, "CORRECT HORSE", false},
			{"trial", testPassword, false},
			{"postmaster@example.test", testPassword, false},
			{"", "", false},
		} {
			began := time.Now()
			err := a.login(t.Context(), test.user, test.password)
			if (err == nil) != test.ok {
				t.Errorf("%q with %q: got %v", test.user, test.password, err)
			}
			want := loginDelay
			if test.ok {
				want = 0
			}
			if took := time.Since(began); took != want {
				t.Errorf("%q with %q took %v, want %v", test.user, test.password, took, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), loginDelay/4)
		defer cancel()
		began := time.Now()
		if err := a.login(ctx, "x", "y"); err == nil || time.Since(began) != loginDelay/4 {
			t.Errorf("got %v after %v, want a refusal when the context ends", err, time.Since(began))
		}
	})
}

func TestIMAPWrongPassword(t *testing.T) {
	t.Parallel()
	h := startMailbox(t)
	c := imapclient.New(h.dial(t, IMAP), nil)
	defer c.Close()
	wantCode(t, c.Login(DefaultAddress, "wrong").Wait(), imap.ResponseCodeAuthenticationFailed)
	wantCode(t, c.Login("", "").Wait(), imap.ResponseCodeAuthenticationFailed)
	if err := c.Login(DefaultAddress, testPassword).Wait(); err != nil {
		t.Error(err)
	}
}
