package askpass_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/askpass"
	"sallyport/internal/sshtest"
)

func TestAllowed(t *testing.T) {
	for _, tc := range []struct {
		env             string
		allowed, forced bool
	}{
		{"", false, false},
		{"SSH_ASKPASS=/x", false, false},
		{"SSH_ASKPASS=/x DISPLAY=:0", true, false},
		{"SSH_ASKPASS=/x WAYLAND_DISPLAY=w", true, false},
		{"SSH_ASKPASS=/x SSH_ASKPASS_REQUIRE=force", true, true},
		{"SSH_ASKPASS_REQUIRE=force", false, true},
		{"SSH_ASKPASS=/x SSH_ASKPASS_REQUIRE=prefer", false, true},
		{"SSH_ASKPASS=/x SSH_ASKPASS_REQUIRE=prefer DISPLAY=:0", true, true},
		{"SSH_ASKPASS=/x SSH_ASKPASS_REQUIRE=never DISPLAY=:0", false, false},
		{"SSH_ASKPASS=/x SSH_ASKPASS_REQUIRE=odd DISPLAY=:0", true, false},
	} {
		getenv := func(name string) string {
			for _, e := range strings.Fields(tc.env) {
				if v, ok := strings.CutPrefix(e, name+"="); ok {
					return v
				}
			}
			return ""
		}
		if allowed, forced := askpass.Allowed(getenv); allowed != tc.allowed || forced != tc.forced {
			t.Errorf("%s: %v, %v", tc.env, allowed, forced)
		}
	}
}

func TestAsk(t *testing.T) {
	script := func(body string) string {
		path := filepath.Join(t.TempDir(), "askpass")
		sshtest.WriteProgram(t, path, "#!/bin/sh\n"+body+"\n")
		return path
	}
	for _, tc := range []struct {
		body    string
		confirm bool
		want    string
		err     error
	}{
		{`echo "answer to $1"; echo more`, false, "answer to q?", nil},
		{`printf 'carriage\r\n'`, false, "carriage", nil},
		{`printf 'no newline'`, false, "no newline", nil},
		{`echo "[$SSH_ASKPASS_PROMPT]"`, false, "[]", nil},
		{`echo "[$SSH_ASKPASS_PROMPT]"`, true, "[confirm]", nil},
		{`exit 0`, true, "yes", nil},
		{`exit 0`, false, "", nil},
		{`echo x; exit 1`, false, "", askpass.ErrRefused},
		{`kill -9 $$`, true, "", askpass.ErrRefused},
	} {
		got, err := askpass.Program{Path: script(tc.body)}.Ask(context.Background(), "q?", tc.confirm)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: %q, %v", tc.body, got, err)
		}
	}
	if _, err := (askpass.Program{Path: "/nowhere/askpass"}).Ask(context.Background(), "q?", false); err == nil || errors.Is(err, askpass.ErrRefused) {
		t.Errorf("a program that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (askpass.Program{Path: script("sleep 60")}).Ask(ctx, "q?", false); err == nil {
		t.Error("the end of the context does not end the program")
	}
}
