package sshtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killWithin is how long a host's processes may take to go when killed.
const killWithin = time.Minute

// SetExtra replaces HostConfig.ExtraConfig, for the connections to come.
func (h *Host) SetExtra(lines ...string) {
	h.t.Helper()
	h.makePrivsepDir()
	writeFile(h.t, h.file("sshd_config"), h.sshdConfig(lines), 0o644)
	check := exec.Command(h.program, "-t", "-f", h.file("sshd_config"))
	if out, err := check.CombinedOutput(); err != nil {
		h.t.Fatalf("%s: sshd -t: %v: %s", h.Name, err, out)
	}
}

// makePrivsepDir makes the directory that sshd, as root, insists on.
func (h *Host) makePrivsepDir() {
	if os.Geteuid() != 0 {
		return
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// sshdConfig puts extra lines first, where they win, and Match blocks last,
// where they end nothing.
func (h *Host) sshdConfig(extra []string) string {
	blocks := len(extra)
	for i, line := range extra {
		if f := strings.Fields(line); len(f) > 0 && strings.EqualFold(f[0], "match") {
			blocks = i
			break
		}
	}
	a := h.cfg.Auth
	lines := append([]string{}, extra[:blocks]...)
	lines = append(lines,
		"HostKey "+h.file("host_key"),
		"AuthorizedKeysFile "+h.file("authorized_keys"),
		"AuthenticationMethods "+a.methods(),
		"PubkeyAuthentication "+yesNo(a.usesKey()),
		"PasswordAuthentication "+yesNo(a == Password),
		"KbdInteractiveAuthentication "+yesNo(a.usesPAM()),
		"UsePAM "+yesNo(a.usesPAM()),
		"PermitRootLogin yes",
		"StrictModes no",
		"PidFile none",
		"PrintMotd no",
		"PrintLastLog no",
		"LogLevel VERBOSE",
		"AcceptEnv LANG LC_*",
		"SetEnv "+h.environment(),
		"Subsystem sftp internal-sftp",
	)
	if h.service != "" && hasSessionProgram() {
		lines = append(lines, "PAMServiceName "+h.service)
	}
	return strings.Join(append(lines, extra[blocks:]...), "\n") + "\n"
}

// environment is that of sessions. The start-up files and the history of who runs
// the tests are no matter of theirs: they have a home of their own. With a shell
// level, bash does not take a command run by sshd for a login.
func (h *Host) environment() string {
	env := h.mark + " SHLVL=1"
	if h.Account == nil {
		env += " HOME=" + h.file("home")
	}
	return env
}

// hasSessionProgram is true from OpenSSH 9.8 on. There, the name of the PAM
// service is an option; before, it is the name that sshd was called by.
func hasSessionProgram() bool {
	_, found := findIn("sshd-session", "/usr/lib/openssh", "/usr/libexec", "/usr/libexec/openssh", "/usr/lib/ssh")
	return found
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Restart listens again, on the same address, after killing what is left.
func (h *Host) Restart() {
	h.t.Helper()
	h.Kill()
	// Without TCP keepalive and, below, with Nagle's algorithm: as sshd itself
	// finds its connections.
	lc := net.ListenConfig{KeepAlive: -1}
	l, err := lc.Listen(context.Background(), "tcp", h.port.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.listener = l
	h.mu.Unlock()
	h.running.Go(func() { h.acceptAll(l) })
}

func (h *Host) acceptAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if err := h.serve(c.(*net.TCPConn)); err != nil {
			h.t.Errorf("%s: %v", h.Name, err)
		}
	}
}

// serve hands the connection to a new sshd.
func (h *Host) serve(c *net.TCPConn) error {
	defer c.Close()
	c.SetNoDelay(false)
	f, err := c.File()
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := h.sshd(f)
	// Held while the process starts, so that Kill sees all of them or none.
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listener == nil { // killed meanwhile
		return nil
	}
	h.connections++
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start sshd: %w", err)
	}
	h.live[cmd.Process.Pid] = true
	h.running.Go(func() { h.reap(cmd) })
	return nil
}

func (h *Host) sshd(conn *os.File) *exec.Cmd {
	cmd := exec.Command(h.program, "-i", "-f", h.file("sshd_config"), "-E", h.file("log"))
	if h.service != "" {
		cmd.Args[0] = filepath.Join(filepath.Dir(h.program), h.service)
	}
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdin, cmd.Stdout = conn, conn
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

func (h *Host) reap(cmd *exec.Cmd) {
	cmd.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.live, cmd.Process.Pid)
}

// sshds lists the host's sshd processes, one to three a connection.
func (h *Host) sshds() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var roots []int
	for pid := range h.live {
		roots = append(roots, pid)
	}
	return append(roots, descendants(roots...)...)
}

// Kill stops listening, so that connections are refused, and kills every
// process of the host with SIGKILL, also those that its users left behind.
// Established connections end; how the kernel tells the peer (end of data or
// reset) depends on what was unread.
func (h *Host) Kill() {
	h.mu.Lock()
	if h.listener != nil {
		h.listener.Close()
		h.listener = nil
	}
	h.mu.Unlock()
	h.Drop()
	h.running.Wait()
}

// Drop kills every process of the host, as Kill does, and goes on listening.
func (h *Host) Drop() {
	gone := poll(killWithin, func() bool {
		left := h.sshds()
		for _, p := range ProcessesWith(h.mark) {
			left = append(left, p.PID)
		}
		signalAll(left, unix.SIGKILL)
		return len(left) == 0
	})
	if !gone {
		h.t.Errorf("%s: processes that cannot be killed: %v", h.Name, h.sshds())
	}
}

// Freeze stops the processes of the live connections, which fall silent and
// stay open. New connections work.
func (h *Host) Freeze() { signalAll(h.sshds(), unix.SIGSTOP) }

// Thaw ends Freeze.
func (h *Host) Thaw() { signalAll(h.sshds(), unix.SIGCONT) }
