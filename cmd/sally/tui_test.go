package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// screen is the program in tmux, which is a terminal that can be looked at.
type screen struct {
	t      testing.TB
	socket string
}

// screen starts the program on a terminal of 80 × 24.
func (u *user) screen(args ...string) *screen {
	u.t.Helper()
	// The shell keeps the pane: tmux forgets at times how its own child ended.
	return u.onScreen(append([]string{"sh", "-c", `"$@"; echo "ended with $?"; exec sleep 1000`, "sh", program, "-F", u.config}, args...)...)
}

// onScreen starts any program so.
func (u *user) onScreen(command ...string) *screen {
	u.t.Helper()
	dir, err := os.MkdirTemp(u.dir, "tmux")
	if err != nil {
		u.t.Fatal(err)
	}
	s := &screen{t: u.t, socket: filepath.Join(dir, "socket")}
	config := filepath.Join(dir, "conf")
	settings := "set -g default-terminal tmux-256color\nset -g status off\nset -s escape-time 0\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		u.t.Fatal(err)
	}
	argv := append([]string{"-S", s.socket, "-u", "-f", config, "new-session", "-d", "-x", "80", "-y", "24", "env", "LC_ALL=C.UTF-8"}, u.env()...)
	for i, e := range argv {
		if strings.HasPrefix(e, "TERM=") || e == "LC_ALL=C" {
			argv[i] = "X=x" // tmux knows better
		}
	}
	cmd := exec.Command("tmux", append(argv, command...)...)
	cmd.Env = append(u.env(), "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		u.t.Fatalf("tmux: %v\n%s", err, out)
	}
	u.t.Cleanup(func() { exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket, "-u"}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// text is what is on the screen.
func (s *screen) text() string { s.t.Helper(); return s.tmux("capture-pane", "-p") }

// press presses keys: tmux's names for them, or text.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// see waits until all texts are on the screen at once, and returns it.
func (s *screen) see(texts ...string) string {
	s.t.Helper()
	var now string
	seen := poll(soon, func() bool {
		now = s.text()
		for _, text := range texts {
			if !strings.Contains(now, text) {
				return false
			}
		}
		return true
	})
	if !seen {
		s.t.Fatalf("never seen together: %q\n%s", texts, now)
	}
	return now
}

// match waits for what an expression describes.
func (s *screen) match(what *regexp.Regexp) {
	s.t.Helper()
	if !poll(soon, func() bool { return what.MatchString(s.text()) }) {
		s.t.Fatalf("never seen: %v\n%s", what, s.text())
	}
}

// prompt waits for a shell's.
func (s *screen) prompt() { s.t.Helper(); s.match(shellPrompt) }

var (
	shellPrompt = regexp.MustCompile(`(?m)[#$%>]\s*$`)
	roundTrip   = regexp.MustCompile(`\d (µs|ms) [▁-█]`) // a hop's last one, and how they went
)

// code waits for the program's end and returns its exit code.
func (s *screen) code() string {
	s.t.Helper()
	found := endedWith.FindStringSubmatch(s.see("ended with "))
	return found[1]
}

var endedWith = regexp.MustCompile(`ended with (\d+)`)

// picture keeps what is on the screen for docs/tui.md, when it is asked for.
func (s *screen) picture(name string) {
	s.t.Helper()
	if dir := os.Getenv("SALLY_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(s.text()), 0o600); err != nil {
			s.t.Error(err)
		}
	}
}

// TestScreens goes through the screens over a real chain: find a host, bring
// it up, work there, look at the connections and the log, resize, close.
func TestScreens(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	s := u.screen("tui")
	s.see("jump1", "jump2", "target", "no daemon")
	s.press("tgt")
	s.see("1 of 3", "you → jump1 → jump2 → target", "not connected")
	s.press("C-o")
	s.see("target: up", "● jump1", "● jump2", "● target", "3 up")
	s.match(roundTrip)
	s.picture("hosts")
	s.press("Enter")
	s.prompt()
	s.press("echo over-$((40+2))", "Enter")
	s.see("over-42")
	s.press("exit", "Enter")
	s.see("back from target", "1 of 3")
	wantOneLogin(t, c, "jump1", "jump2", "target")

	s.press("Tab")
	s.see("connection", "└─ ● jump2", "   └─ ● target", "login")
	s.press("Down", "Down")
	s.see("▸    └─ ● target", "jump1 → jump2 → target", "idle for")
	s.picture("connections")
	s.tmux("resize-window", "-x", "60", "-y", "16")
	s.see("▸    └─ ● target")
	s.tmux("resize-window", "-x", "120", "-y", "40")
	s.see("▸    └─ ● target", "expires in")
	s.press("Tab")
	s.see("connected", "INFO")
	s.picture("logs")
	s.tmux("resize-window", "-x", "80", "-y", "24")
	s.press("v")
	s.see("DEBUG")
	s.press("F1")
	s.see("letters in order")
	s.picture("help")
	s.press("x")

	s.press("2", "Home", "d")
	s.see("Close jump1? 2 other connections end with it.")
	s.press("n")
	s.see("└─ ● jump2")
	s.press("d", "y")
	s.see("Nothing is connected.", "0 up")
	s.press("q")
	if code := s.code(); code != "0" {
		t.Errorf("exit code %s", code)
	}
}

// TestPicker: "sally" alone ends with the session that was picked, and has
// the host on top the next time.
func TestPicker(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	s := u.screen()
	s.see("▸ ○ jump1")
	s.press("target")
	s.see("1 of 3")
	s.press("Enter")
	s.prompt()
	s.press("exit 3", "Enter")
	if code := s.code(); code != "3" {
		t.Errorf("exit code %s", code)
	}
	file := filepath.Join(u.dir, "state", "sally", "recent")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	s = u.screen()
	s.see("▸ ● target", "last used")
	s.press("nobody@203.0.113.9")
	s.see("▸ nobody@203.0.113.9 (as typed)")
	s.press("C-c")
	if code := s.code(); code != "130" {
		t.Errorf("exit code %s", code)
	}
}

// TestPickAdded: Enter goes to the host that was just added.
func TestPickAdded(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a b c\n  HostName 127.0.0.1\nMatch all\n  ProxyCommand exit 7\n")
	s := u.screen()
	s.see("▸ ○ a")
	s.press("Down")
	s.see("▸ ○ b")
	s.press("c")
	s.see("1 of 3")
	s.press("C-a")
	s.see("it needs a")
	s.press("new", "Tab", "127.0.0.9", "C-s")
	s.see("▸ ○ new", "4 of 4")
	s.press("Enter")
	s.see("new (127.0.0.9:22)", "ended with 255")
}

// TestRememberHost: nothing is kept without a terminal, by ssh's face, or of
// a host whose configuration says no.
func TestRememberHost(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	file := filepath.Join(u.dir, "state", "sally", "recent")
	u.must("target", "true")
	for _, args := range [][]string{{"ssh", "jump1", "true"}, {"-o", "RememberHost=no", "jump1", "true"}, {"--no-daemon", "jump1", "true"}} {
		if con := u.tty(args...); con.Wait(soon) != 0 {
			t.Fatal(con.Transcript())
		}
		if text, err := os.ReadFile(file); err == nil {
			t.Fatalf("%q wrote %q", args, text)
		}
	}
	if con := u.tty("target", "true"); con.Wait(soon) != 0 {
		t.Fatal(con.Transcript())
	}
	if text, err := os.ReadFile(file); err != nil || !strings.HasSuffix(string(text), " target\n") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestScreensFailures: what a command said stays until it was read.
func TestScreensFailures(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	c.Host("jump2").Kill()
	s := u.screen("tui")
	s.press("target")
	s.see("1 of 3")
	s.press("C-o")
	s.see("jump2", "Enter goes back")
	s.press("Enter")
	s.see("up target: it ended with exit code 1", "● jump1")
	s.press("C-x")
	s.see("target is not connected")
	s.press("C-c")
	s.code()
}

// TestManyHosts works with 5,000 of them: tags arrive, and a key is answered
// at once.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	var config strings.Builder
	config.WriteString("IgnoreUnknown Tags\n")
	for i := range 5000 {
		fmt.Fprintf(&config, "Host node-%04d\n  HostName 10.0.%d.%d\n  Tags rack%d\n", i, i/256, i%256, i%40)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	u := newUserWith(t, file)
	s := u.screen("tui")
	s.see("5000 of 5000", "#rack1")
	s.press("node4711")
	s.see("1 of 5000", "▸ ○ node-4711", "root@10.0.18.103:22")
	s.press("C-u", "#rack7")
	s.see("125 of 5000", "node-0007")
	s.press("End")
	s.see("node-4967")
	s.press("C-c")
	s.code()
}

// TestScreensTerminal: without colour when asked, nothing without a terminal
// that can move its cursor, and the terminal put back.
func TestScreensTerminal(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config")
	text := "Host ev\x1b]0;owned\x07il\nHost good\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	u := newUserWith(t, file)
	cmd := u.cmd("tui")
	cmd.Env = append(u.env(), "NO_COLOR=1", "TERM=xterm-256color", "COLORTERM=truecolor")
	con := sshtest.Tty(t, cmd)
	before := con.FirstTermios()
	con.Expect("good", soon)
	con.Send("\x03")
	if code := con.Wait(soon); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if after := con.Termios(); after != before {
		t.Errorf("the terminal was %+v and is %+v", before, after)
	}
	out := con.Output()
	for _, bad := range []string{"\x1b[3", "\x1b[9", "38;5", "38;2", "\x1b]0;owned"} {
		if i := strings.Index(out, bad); i >= 0 && !cursorKey(out[i:]) {
			t.Errorf("%q in the output at %q", bad, out[i:min(len(out), i+20)])
		}
	}
	for name, env := range map[string]string{"dumb": "TERM=dumb", "none": "TERM="} {
		cmd := u.cmd("tui")
		cmd.Env = append(u.env(), env)
		con := sshtest.Tty(t, cmd)
		if code := con.Wait(soon); code != 1 || !strings.Contains(con.Output(), "needs a terminal that can move its cursor") {
			t.Errorf("%s: %d %q", name, code, con.Output())
		}
	}
	if r := u.sally("tui"); r.code != 1 || !strings.Contains(r.err, "needs a terminal") {
		t.Errorf("without a terminal: %v", r)
	}
	cmd = exec.Command(program)
	cmd.Env = u.env()
	if r := u.run(cmd); r.code != 0 || !strings.Contains(r.out, "Usage:") {
		t.Errorf("alone, without a terminal: %v", r)
	}
}

// cursorKey reports whether an escape sequence is a movement and no colour.
func cursorKey(s string) bool {
	end := strings.IndexFunc(s[2:], func(r rune) bool { return r >= '@' })
	return end >= 0 && s[2+end] != 'm'
}

// TestScreensEndBySignals: the terminal is put back, and the program ends, with
// either signal, whatever the screens are doing.
func TestScreensEndBySignals(t *testing.T) {
	t.Parallel()
	u := newUserWith(t, filepath.Join(t.TempDir(), "config"))
	writeFile(t, u.config, "Host web1\n  HostName 127.0.0.1\n")
	for _, verb := range [][]string{{"tui"}, nil} {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
			con := u.tty(verb...)
			con.Expect("web1", soon)
			_ = syscall.Kill(con.PID(), s)
			con.Expect("\x1b[?1049l", soon) // the other screen is left
			if code := con.Wait(soon); code != 128+int(s) {
				t.Errorf("%q, %v: exit code %d\n%s", verb, s, code, con.Transcript())
			}
		}
	}
}

// TestWatchingKeepsNothing: measuring does not count as use.
func TestWatchingKeepsNothing(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	u.must("-o", "ControlPersist=3", "up", "jump1")
	s := u.screen("tui")
	s.see("● jump1")
	start := time.Now()
	await(t, "the connection is closed although it is watched", func() bool { return u.master("jump1") == nil })
	if took := time.Since(start); took > soon {
		t.Errorf("after %v", took)
	}
	s.press("C-c")
	s.code()
}
