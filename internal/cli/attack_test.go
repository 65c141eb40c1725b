//go:build unix

package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"sallyport/internal/api"
	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

// An evil server sends what a terminal would obey: a title, a clipboard, a
// cursor movement over our own words, text that reads backwards.
const evilText = "\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31mhello\u202eolleh\r\n\ta\rb\u0085\x00\xff end\n"

// wantHarmless fails when text could steer a terminal.
func wantHarmless(t *testing.T, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\ufffd'
	}); i >= 0 {
		t.Errorf("steers a terminal at %d: %q", i, text)
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), "\r") { // a terminal may have added one
		t.Errorf("returns to the start of the line: %q", text)
	}
	if !strings.Contains(text, " end") {
		t.Errorf("lost the text: %q", text)
	}
}

// TestEvilServerCannotSteerTheTerminal shows notices of every kind.
func TestEvilServerCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"banner", "warning", "info", "debug", "what is not known"} {
		f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		v := newVoice("sally", f)
		v.setLevel(len(logLevels))
		v.Tell(api.Notice{Hop: "evil", Kind: kind, Text: evilText})
		v.complain(errors.New(evilText))
		said, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		wantHarmless(t, string(said))
	}
}

// TestEvilServerPromptsThroughAskpass sees what the program is given.
func TestEvilServerPromptsThroughAskpass(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "askpass")
	sshtest.WriteProgram(t, program, "#!/bin/sh\nprintf '%s' \"$1\" >\"$0.said\"; echo secret\n")
	p := &person{voice: newVoice("sally", os.Stderr), getenv: func(name string) string {
		return map[string]string{"SSH_ASKPASS": program, "SSH_ASKPASS_REQUIRE": "force"}[name]
	}}
	answer, err := p.Ask(t.Context(), api.Question{Kind: "password", Intro: evilText, Text: evilText})
	if err != nil || answer != "secret" {
		t.Fatalf("%q, %v", answer, err)
	}
	said, err := os.ReadFile(program + ".said")
	if err != nil {
		t.Fatal(err)
	}
	wantHarmless(t, string(said))
}

// TestEvilServerPromptsOnTheTerminal sees what is shown there.
func TestEvilServerPromptsOnTheTerminal(t *testing.T) {
	t.Parallel()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	if _, err := master.WriteString("an answer\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := askOn(t.Context(), &ending{}, tty, api.Question{Intro: evilText, Text: evilText + "LAST", Echo: true})
	if err != nil || answer != "an answer" {
		t.Errorf("%q, %v", answer, err)
	}
	var said []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(said), "LAST"); said = append(said, one[0]) {
		if _, err := master.Read(one); err != nil {
			t.Fatal(err)
		}
	}
	wantHarmless(t, string(said))
}

// TestVisible keeps what is text.
func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain\ttext\r\n":    "plain\ttext\r\n",
		"héllo wörld 漢字 🙂":   "héllo wörld 漢字 🙂",
		"a\rb":               "ab",
		"\x1b[31mred\x1b[0m": "[31mred[0m",
		"c1 \u009b31m":       "c1 31m",
		"bidi \u202e\u2066x": "bidi x",
		"broken \xff\xfe":    "broken ",
		"last return\r":      "last return",
	} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestRoleIsNotInherited: what the background part of -f starts, and the
// server, learn nothing of its role.
func TestRoleIsNotInherited(t *testing.T) {
	t.Setenv(backgroundVar, "99")
	t.Setenv(roleVar, roleMaster)
	t.Setenv(aloneVar, "1")
	a := &App{Getenv: os.Getenv, Environ: os.Environ()}
	if b := a.newBackground(); b == nil || !b.is(roleMaster) || !b.isAlone() {
		t.Fatalf("the role was not taken up: %+v", b)
	}
	out, err := exec.Command("env").Output()
	if err != nil {
		t.Fatal(err)
	}
	for what, env := range map[string]string{"children": string(out), "requests": strings.Join(a.Environ, "\n")} {
		if strings.Contains(env, "SALLY_BACKGROUND") {
			t.Errorf("%s see the role:\n%s", what, env)
		}
	}
	if b := a.newBackground(); b != nil {
		t.Error("the role was taken up twice")
	}
}

// TestRelativeRuntimeDir is not believed: it would be wherever we happen to be.
func TestRelativeRuntimeDir(t *testing.T) {
	t.Parallel()
	a := &App{Getenv: func(string) string { return "run" }}
	dir, err := a.runtimeDir()
	if err != nil || !filepath.IsAbs(string(dir)) {
		t.Errorf("%q, %v", dir, err)
	}
}

// TestMalloryListensAtTheControlPath: in a directory that all may write to,
// another user's socket is there first. He must get nothing, not even our
// greeting.
func TestMalloryListensAtTheControlPath(t *testing.T) {
	mallory := sshtest.NewAccount(t)
	shared, err := os.MkdirTemp("", "shared")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(shared)
	if err := os.Chmod(shared, fs.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(shared, "ssh-alice@bank:22")
	script := `import os,socket,sys
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.chmod(sys.argv[1],0o777); s.listen(); print("ready",flush=True)
c,_=s.accept(); c.settimeout(10); d=c.recv(1); print("got",len(d),flush=True)`
	cmd := mallory.Command(t, "sh", "-c", `exec python3 -c "$@"`, "sh", script, path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	buf := make([]byte, 100)
	if n, err := out.Read(buf); err != nil || string(buf[:n]) != "ready\n" {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	c := &sshCommand{App: &App{}, options: sshconfig.Options{Control: sshconfig.Control{Path: path}}}
	client, err := c.dialMaster(t.Context())
	if client != nil || err == nil || !strings.Contains(err.Error(), "not as you: refused") {
		t.Errorf("%v, %v", client, err)
	}
	if n, err := out.Read(buf); err != nil || string(buf[:n]) != "got 0\n" {
		t.Errorf("mallory: %q, %v", buf[:n], err)
	}
}

// TestOwnMasterIsTrusted is the other side of that.
func TestOwnMasterIsTrusted(t *testing.T) {
	t.Parallel()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	if err := trustedMaster(ours); err != nil {
		t.Error(err)
	}
	ours.Close()
	if err := trustedMaster(ours); err == nil {
		t.Error("nobody is trusted")
	}
}

// TestEvilMasterNamesItsProcess so that a signal would go to many.
func TestEvilMasterNamesItsProcess(t *testing.T) {
	t.Parallel()
	for pid, want := range map[uint32]bool{0: false, 1: false, 2: true, 1<<31 - 1: true, 1 << 31: false, 1<<32 - 1: false} {
		if got := isProcess(int(pid)); got != want {
			t.Errorf("process %d: %v", pid, got)
		}
	}
}
