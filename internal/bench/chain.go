package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The chain: two jump hosts and a target, each a real sshd of the current user,
// and the same again behind slow links.
var hostNames = []string{"jump1", "jump2", "target"}

// Prefixes of the aliases under which the same hosts are reached otherwise.
const (
	farPrefix = "far-" // over a slow link to each
	kexPrefix = "kex-" // with one key exchange for both clients
	many      = 100    // targets behind the second jump host: t-1, t-2, …
	lone      = "lone" // the target, directly and over one slow link
	thin      = "thin" // the same over one that takes little, as from a home
)

// linkRTT is the round trip over a slow link; thinRTT and thinRate, in bytes a
// second, are of the thin one.
const (
	linkRTT  = 100 * time.Millisecond
	thinRTT  = 20 * time.Millisecond
	thinRate = 10_000_000 / 8
)

// sameKex is what both clients have; OpenSSH's own first choice has a part that
// is there for quantum computers.
const sameKex = "curve25519-sha256"

// chain is the servers, and the slow links to them.
type chain struct {
	dir, user string
	hosts     map[string]*sshd
	links     map[string]*link
}

// sshd is one server.
type sshd struct {
	addr string
	log  string
	cmd  *exec.Cmd
}

func newChain(ctx context.Context, dir string) (*chain, error) {
	u, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("find the user: %w", err)
	}
	c := &chain{dir: dir, user: u.Username, hosts: map[string]*sshd{}, links: map[string]*link{}}
	if os.Geteuid() == 0 { // sshd insists on it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	for _, key := range append([]string{"id"}, hostNames...) {
		if err := makeKey(ctx, filepath.Join(dir, key)); err != nil {
			return nil, err
		}
	}
	for _, name := range hostNames {
		if c.hosts[name], err = c.startServer(ctx, name); err != nil {
			return c, fmt.Errorf("start %s: %w", name, err)
		}
		if c.links[name], err = newLink(c.hosts[name].addr, linkRTT, 0); err != nil {
			return c, err
		}
	}
	if c.links[thin], err = newLink(c.hosts["target"].addr, thinRTT, thinRate); err != nil {
		return c, err
	}
	return c, c.writeKnownHosts()
}

func makeKey(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a key: %w: %s", err, out)
	}
	return nil
}

// sshdPath finds the server, which is not in everybody's PATH.
func sshdPath() (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin", "/usr/libexec") {
		if path, err := exec.LookPath(filepath.Join(dir, "sshd")); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New("sshd is not installed (Debian: openssh-server)")
}

// serverConfig is sshd's, all but where it listens.
func (c *chain) serverConfig(name string) string {
	return strings.Join([]string{
		"HostKey " + filepath.Join(c.dir, name),
		"AuthorizedKeysFile " + filepath.Join(c.dir, "id.pub"),
		"AuthenticationMethods publickey", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"UsePAM no", "PermitRootLogin yes", "StrictModes no", "PidFile none", "PrintMotd no", "PrintLastLog no",
		"LogLevel VERBOSE", "MaxStartups 500:30:500",
		// With a shell level bash leaves start-up files alone: they are not
		// what is measured.
		"SetEnv SHLVL=1",
	}, "\n") + "\n"
}

// startServer starts a host's sshd on a free port. Another process may take
// that before sshd does: then on another one.
func (c *chain) startServer(ctx context.Context, name string) (*sshd, error) {
	path, err := sshdPath()
	if err != nil {
		return nil, err
	}
	for range 5 {
		var s *sshd
		if s, err = c.tryServer(ctx, path, name); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func (c *chain) tryServer(ctx context.Context, path, name string) (*sshd, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sshd{addr: free.Addr().String(), log: filepath.Join(c.dir, name+".log")}
	free.Close()
	config := filepath.Join(c.dir, name+".sshd")
	if err := os.WriteFile(config, []byte("ListenAddress "+s.addr+"\n"+c.serverConfig(name)), 0o600); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(path, "-D", "-f", config, "-E", s.log)
	s.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := awaitServer(ctx, s.addr); err != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		said, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("%w; it said %q", err, said)
	}
	return s, nil
}

// awaitServer returns when a server greets.
func awaitServer(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		var d net.Dialer
		if conn, err := d.DialContext(ctx, "tcp", addr); err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			var first [4]byte
			_, err = conn.Read(first[:])
			conn.Close()
			if err == nil && string(first[:]) == "SSH-" {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the server does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// logins counts the logins on a host so far.
func (c *chain) logins(name string) (int, error) {
	log, err := os.ReadFile(c.hosts[name].log)
	return bytes.Count(log, []byte("Accepted publickey")), err
}

func (c *chain) writeKnownHosts() error {
	var b strings.Builder
	for _, name := range hostNames {
		key, err := os.ReadFile(filepath.Join(c.dir, name+".pub"))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s,%s%s,%s%s", name, farPrefix, name, kexPrefix, name)
		if name == "target" {
			fmt.Fprintf(&b, ",%s,%s,t-*", lone, thin)
		}
		fmt.Fprintf(&b, " %s\n", bytes.TrimSpace(key))
	}
	return os.WriteFile(filepath.Join(c.dir, "known_hosts"), []byte(b.String()), 0o600)
}

// clientConfig is an ssh_config for all aliases, with lines for every host.
func (c *chain) clientConfig(lines []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "IgnoreUnknown ObscureKeystrokeTiming\n")
	host := func(name, addr, via string, more ...string) {
		ip, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(&b, "Host %s\n    HostName %s\n    Port %s\n    HostKeyAlias %s\n", name, ip, port, name)
		if via != "" {
			fmt.Fprintf(&b, "    ProxyJump %s\n", via)
		}
		for _, line := range more {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	via := ""
	for _, name := range hostNames {
		before := func(prefix string) string {
			if via == "" {
				return ""
			}
			return prefix + via
		}
		host(name, c.hosts[name].addr, via)
		host(kexPrefix+name, c.hosts[name].addr, before(kexPrefix), "KexAlgorithms "+sameKex)
		host(farPrefix+name, c.links[name].addr(), before(farPrefix))
		via = name
	}
	host(lone, c.links["target"].addr(), "")
	host(thin, c.links[thin].addr(), "")
	for i := range many {
		host(targetName(i), c.hosts["target"].addr, "jump2")
	}
	fmt.Fprintf(&b, "Host *\n")
	for _, line := range append(lines,
		"User "+c.user, "IdentityFile "+filepath.Join(c.dir, "id"), "IdentitiesOnly yes",
		"UserKnownHostsFile "+filepath.Join(c.dir, "known_hosts"), "GlobalKnownHostsFile /dev/null",
		// Newer clients send keystrokes at fixed times unless told otherwise.
		"StrictHostKeyChecking yes", "BatchMode yes", "ObscureKeystrokeTiming no") {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	return b.String()
}

func targetName(i int) string { return "t-" + strconv.Itoa(i+1) }

// pids are the servers' listeners: what is below them is theirs.
func (c *chain) pids() []int {
	var pids []int
	for _, s := range c.hosts {
		pids = append(pids, s.cmd.Process.Pid)
	}
	return pids
}

// close ends the servers and the links.
func (c *chain) close() {
	for _, l := range c.links {
		l.close()
	}
	for _, s := range c.hosts {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}
