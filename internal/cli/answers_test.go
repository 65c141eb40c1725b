package cli

import (
	"testing"

	"sallyport/internal/api"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// TestWhatPromptsWant: only what is surely a password prompt is answered with a
// password.
func TestWhatPromptsWant(t *testing.T) {
	for _, tc := range []struct {
		kind, text string
		echo       bool
		want       want
	}{
		{"password", "alice@web1's password: ", false, wantPassword},
		{"passphrase", "Enter passphrase for key '/k': ", false, wantNothing},
		{"host-key", "Are you sure? password", true, wantNothing},
		{"confirm", "password?", true, wantNothing},
		{"keyboard-interactive", "(alice@web1) Password: ", false, wantPassword},
		{"keyboard-interactive", "(alice@web1) Password: ", true, wantNothing}, // it would be shown
		{"keyboard-interactive", "(alice@web1) alice@web1's password:", false, wantPassword},
		{"keyboard-interactive", "(alice@web1) Passwort: ", false, wantPassword},
		{"keyboard-interactive", "(alice@web1) パスワード:", false, wantPassword},
		{"keyboard-interactive", "(alice@otp-code) Password: ", false, wantPassword},
		{"keyboard-interactive", "(alice@password) Verification code: ", false, wantOTP},
		{"keyboard-interactive", "(alice@web1) Verification code: ", true, wantOTP},
		{"keyboard-interactive", "(alice@web1) One-time password (OATH) for `alice': ", false, wantOTP},
		{"keyboard-interactive", "(alice@web1) Password & verification code: ", false, wantOTP},
		{"keyboard-interactive", "(alice@web1) Enter PASSCODE: ", false, wantOTP},
		{"keyboard-interactive", "(alice@web1) Passcode or option (1-3): ", true, wantOTP},
		{"keyboard-interactive", "(alice@web1) Response: ", false, wantNothing},
		{"keyboard-interactive", "(alice@web1) New password: ", false, wantNothing},
		{"keyboard-interactive", "(alice@web1) Retype new password: ", false, wantNothing},
		{"keyboard-interactive", "(alice@web1) (current) UNIX password: ", false, wantNothing},
		{"keyboard-interactive", "(alice@web1) PIN: ", false, wantNothing},
		{"keyboard-interactive", "", false, wantNothing},
	} {
		if got := wantOf(api.Question{Kind: tc.kind, Text: tc.text, Echo: tc.echo}); got != tc.want {
			t.Errorf("%s %q, echo %v: %q, want %q", tc.kind, tc.text, tc.echo, got, tc.want)
		}
	}
}

// TestAmbiguousHop: two hops of one alias are answered nothing unless they are
// the same account.
func TestAmbiguousHop(t *testing.T) {
	hop := func(user, command string) route.Route {
		var o sshconfig.Options
		o.User, o.HostName, o.Port, o.Auth.PasswordCommand = user, "10.0.0.1", 22, command
		return route.Route{Hops: []route.Hop{{Name: "web1", Options: o}}}
	}
	q := api.Question{Hop: "web1", Kind: "password"}
	for _, tc := range []struct {
		second route.Route
		known  bool
	}{{hop("alice", "x"), true}, {hop("bob", "x"), false}, {hop("alice", "y"), false}} {
		a := newAnswerer(nil)
		a.know(hop("alice", "x"))
		a.know(tc.second)
		if h, _ := a.take(q, wantPassword); (h != nil) != tc.known {
			t.Errorf("%+v: %v", tc.second.Hops[0].Options.User, h)
		}
	}
	a := newAnswerer(nil)
	a.know(hop("alice", "x"))
	if h, _ := a.take(api.Question{Hop: "web2", Kind: "password"}, wantPassword); h != nil {
		t.Error("a hop that is not known is answered")
	}
	for i, want := range []struct{ hop, failed bool }{{true, false}, {false, true}, {false, false}} {
		h, failed := a.take(q, wantPassword)
		if (h != nil) != want.hop || failed != want.failed {
			t.Errorf("prompt %d: %v, %v", i, h, failed)
		}
		if h != nil {
			a.tried(q, wantPassword, true)
		}
	}
}
