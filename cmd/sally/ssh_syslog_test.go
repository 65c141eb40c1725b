package main_test

import (
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestSSHSystemLog is -y and SyslogFacility, with a system log of the test's
// own in a mount namespace.
func TestSSHSystemLog(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "another system log")
	sshtest.Require(t, "unshare", "mount")
	c, chain := ourSSH(t), oneJump(t)
	c.use(chain)
	path := filepath.Join(t.TempDir(), "log")
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.before = []string{"unshare", "-m", "sh", "-c", `at=/dev/log; if [ ! -e $at ]; then mount -t tmpfs none /run && at=/run/log && touch $at; fi
		mount --bind "$1" $at && shift && exec "$@"`, "sh", path}
	for _, tc := range []struct {
		args []string
		want string // priority is facility × 8 + severity, RFC 5424 §6.2.1
	}{
		{[]string{"-y", "-o", "ProxyCommand=none", "-p", "1", "jump", "true"}, `^<10>.* ssh\[\d+\]: ssh: jump .*connect`},
		{[]string{"-y", "-o", "SyslogFacility=LOCAL3", "-p", "1", "jump", "true"}, `^<154>.* ssh\[\d+\]: ssh: jump .*connect`},
		{[]string{"-y", "-o", "LogVerbose=kex.c:*:1", "jump", "true"}, `^<14>.* ssh: warning: jump: LogVerbose`},
		{[]string{"-y", "-v", "jump", "true"}, `^<15>.* debug1: `},
	} {
		found := make(chan string)
		go func() { found <- nextMatch(log, tc.want) }()
		if r := c.run(tc.args...); r.err != "" {
			t.Errorf("%q: stderr %q", tc.args, r.err)
		}
		if got := <-found; got != "" {
			t.Errorf("%q: no %s in the system log, but:\n%s", tc.args, tc.want, got)
		}
	}
	c.before = []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /run; if [ -e /dev/log ]; then mount --bind /dev/null /dev/log; fi; exec "$@"`, "sh"}
	r := c.run("-y", "jump", "echo on")
	if ok := regexp.MustCompile(`^ssh: warning: system log: [^\n]*\n$`).MatchString(r.err); r.code != 0 || r.out != "on\n" || !ok {
		t.Errorf("without a system log: %+v", r)
	}
}

// nextMatch reads messages until one matches; else it returns all of them.
func nextMatch(log *net.UnixConn, want string) (all string) {
	pattern := regexp.MustCompile(want)
	buf := make([]byte, 64<<10)
	log.SetReadDeadline(time.Now().Add(soon))
	for {
		n, err := log.Read(buf)
		if err != nil {
			return all + err.Error()
		}
		if pattern.Match(buf[:n]) {
			return ""
		}
		all += string(buf[:n])
	}
}
