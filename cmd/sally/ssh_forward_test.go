package main_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// lateEcho reads all that a connection sends, to its end, and only then
// answers with it.
func lateEcho(t testing.TB, network, addr string) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(soon))
				if text, err := io.ReadAll(conn); err == nil {
					conn.Write(append([]byte("back "), text...))
				}
			})
		}
	})
	return l.Addr().String()
}

// dial connects to a forward that is about to listen.
func dial(t testing.TB, network, addr string) net.Conn {
	t.Helper()
	var conn net.Conn
	await(t, "somebody listens on "+addr, func() (ok bool) {
		var err error
		conn, err = net.DialTimeout(network, addr, soon)
		return err == nil
	})
	conn.SetDeadline(time.Now().Add(soon))
	return conn
}

// wantEcho talks to an lateEcho through a forward, half closed.
func wantEcho(t testing.TB, network, addr string) {
	t.Helper()
	conn := dial(t, network, addr)
	defer conn.Close()
	wantEchoOn(t, conn)
}

func wantEchoOn(t testing.TB, conn net.Conn) {
	t.Helper()
	text := strings.Repeat("some words; ", 50_000)
	go func() {
		io.WriteString(conn, text)
		conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "back "+text {
		t.Errorf("through %v: %d bytes, %v; want %d", conn.RemoteAddr(), len(got), err, len(text)+5)
	}
}

// ends are listeners of all kinds, as -L and -R write them and as net does.
type end struct{ network, addr, flag string }

func listenEnds(t testing.TB) []end {
	t.Helper()
	v4, v6 := sshtest.RefusedPort(t), sshtest.RefusedPort6(t)
	path := filepath.Join(t.TempDir(), "l")
	return []end{
		{"tcp", v4, v4},
		{"tcp", v6, v6},
		{"unix", path, path},
	}
}

func echoEnds(t testing.TB) []end {
	t.Helper()
	v4, v6 := lateEcho(t, "tcp", "127.0.0.1:0"), lateEcho(t, "tcp", "[::1]:0")
	path := filepath.Join(t.TempDir(), "e")
	lateEcho(t, "unix", path)
	return []end{{"tcp", v4, v4}, {"tcp", v6, v6}, {"unix", path, path}}
}

// TestSSHForwards is -L and -R from every kind of end to every kind.
func TestSSHForwards(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := twoJumps(t)
		c.use(chain)
		var args []string
		var listeners []end
		for _, flag := range []string{"-L", "-R"} {
			for _, to := range echoEnds(t) {
				for _, from := range listenEnds(t) {
					args = append(args, flag, from.flag+":"+to.flag)
					listeners = append(listeners, from)
				}
			}
		}
		session := c.start(append(append([]string{"-o", "ExitOnForwardFailure=yes"}, args...), "target", "echo up; cat")...)
		session.expect("up")
		for _, l := range listeners {
			wantEcho(t, l.network, l.addr)
		}
		session.in.Close()
		if code := session.wait(soon); code != 0 || session.err.String() != "" {
			t.Errorf("exit code %d, stderr %q", code, session.err)
		}
		for _, l := range listeners {
			await(t, l.flag+" is gone", func() bool {
				conn, err := net.Dial(l.network, l.addr)
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
		}
	})
}

// TestSSHStdioForward is -W, with half a close each way.
func TestSSHStdioForward(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := twoJumps(t)
		c.use(chain)
		for _, to := range echoEnds(t)[:2] {
			cmd := c.cmd("-W", to.addr, "target")
			cmd.Stdin = strings.NewReader("word")
			if r := c.end(cmd); r.code != 0 || r.out != "back word" || r.err != "" {
				t.Errorf("%s: %+v", to.addr, r)
			}
		}
		c.fails([]string{"refused", "Connect"}, "-W", sshtest.RefusedPort(t), "target")
	})
}

// socks asks a SOCKS server for a connection: version 4, 4a or 5 (RFC 1928).
func socks(t testing.TB, conn net.Conn, version, host string, port int) bool {
	t.Helper()
	p := binary.BigEndian.AppendUint16(nil, uint16(port))
	ip := net.ParseIP(host)
	answer := make([]byte, 8)
	switch version {
	case "4":
		conn.Write(append(append([]byte{4, 1}, p...), append([]byte(ip.To4()), 0)...))
		_, err := io.ReadFull(conn, answer)
		return err == nil && answer[1] == 90
	case "4a":
		conn.Write(append(append([]byte{4, 1}, p...), append([]byte{0, 0, 0, 1, 0}, host+"\x00"...)...))
		_, err := io.ReadFull(conn, answer)
		return err == nil && answer[1] == 90
	}
	conn.Write([]byte{5, 1, 0})
	if _, err := io.ReadFull(conn, answer[:2]); err != nil || answer[1] != 0 {
		t.Errorf("SOCKS5 method: %v, %v", answer[:2], err)
		return false
	}
	request := append([]byte{5, 1, 0, 3, byte(len(host))}, host...)
	if v4 := ip.To4(); v4 != nil {
		request = append([]byte{5, 1, 0, 1}, v4...)
	} else if ip != nil {
		request = append([]byte{5, 1, 0, 4}, ip...)
	}
	conn.Write(append(request, p...))
	reply := make([]byte, 10)
	_, err := io.ReadFull(conn, reply)
	return err == nil && reply[1] == 0
}

// TestSSHDynamicForwards is -D and -R with a port only.
func TestSSHDynamicForwards(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := twoJumps(t)
		c.use(chain)
		local, remote := listenEnds(t)[0], listenEnds(t)[0]
		session := c.start("-D", local.flag, "-R", remote.flag, "target", "echo up; cat")
		session.expect("up")
		v4, v6 := lateEcho(t, "tcp", "127.0.0.1:0"), lateEcho(t, "tcp", "[::1]:0")
		for _, from := range []end{local, remote} {
			for _, tc := range []struct{ version, host, at string }{
				{"4", "127.0.0.1", v4}, {"4a", "localhost", v4}, {"5", "127.0.0.1", v4}, {"5", "localhost", v4}, {"5", "::1", v6},
			} {
				conn := dial(t, from.network, from.addr)
				_, port, _ := net.SplitHostPort(tc.at)
				var number int
				fmt.Sscan(port, &number)
				if !socks(t, conn, tc.version, tc.host, number) {
					t.Errorf("%v: SOCKS%s to %s was refused", from, tc.version, tc.host)
				} else {
					wantEchoOn(t, conn)
				}
				conn.Close()
			}
			conn := dial(t, from.network, from.addr)
			_, port, _ := net.SplitHostPort(sshtest.RefusedPort(t))
			var number int
			fmt.Sscan(port, &number)
			if socks(t, conn, "5", "127.0.0.1", number) {
				// OpenSSH's local end says yes at once, and then closes.
				if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Errorf("%v: a port that refuses gave data", from)
				}
			}
			conn.Close()
		}
		session.in.Close()
		session.wait(soon)
	})
}

// TestSSHForwardFailures are told, and with ExitOnForwardFailure are the end.
func TestSSHForwardFailures(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		taken := lateEcho(t, "tcp", "127.0.0.1:0")
		for _, flag := range []string{"-L", "-R"} {
			r := c.run(flag, taken+":127.0.0.1:1", "jump", "echo there")
			if r.code != 0 || r.out != "there\n" || !strings.Contains(r.err, "forward") && !strings.Contains(r.err, "bind") {
				t.Errorf("%s: %+v", flag, r)
			}
			r = c.run("-o", "ExitOnForwardFailure=yes", flag, taken+":127.0.0.1:1", "jump", "echo there")
			if r.code != 255 || r.out != "" || r.err == "" {
				t.Errorf("%s, ExitOnForwardFailure: %+v", flag, r)
			}
		}
		if c.ours() { // what cannot listen here is told before anything is dialled
			long := "/" + strings.Repeat("x", 200)
			for listen, reason := range map[string]string{taken: "address already in use", "192.0.2.1:7": "cannot assign", long: "Bad local forwarding specification"} {
				r := c.run("-o", "ExitOnForwardFailure=yes", "-p", "1", "-L", listen+":127.0.0.1:1", "jump", "true")
				if r.code != 255 || !strings.Contains(r.err, reason) || strings.Contains(r.err, "connection refused") {
					t.Errorf("-L %s: %+v", listen, r)
				}
			}
		}
		// A remote forward to port 0 says which port it is.
		there := lateEcho(t, "tcp", "127.0.0.1:0")
		session := c.start("-R", "0:"+there, "jump", "echo up; cat")
		session.expect("up")
		const said = "Allocated port "
		if !session.err.await("for remote forward to "+there, soon) {
			t.Fatalf("stderr %q", session.err)
		}
		var port int
		fmt.Sscanf(session.err.String()[strings.Index(session.err.String(), said):], said+"%d", &port)
		wantEcho(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		session.in.Close()
		session.wait(soon)
	})
}

// TestSSHForwardOptions: what the configuration says of forwards.
func TestSSHForwardOptions(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := twoJumps(t)
		to, other := lateEcho(t, "tcp", "127.0.0.1:0"), lateEcho(t, "tcp", "127.0.0.1:0")
		dir := t.TempDir()
		wide, local, dynamic := listenEnds(t)[0], filepath.Join(dir, "l"), listenEnds(t)[0]
		_, port, _ := net.SplitHostPort(wide.addr)
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: local, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		stale.SetUnlinkOnClose(false)
		stale.Close()
		c.use(chain, "Host target", "  GatewayPorts yes", "  LocalForward "+port+" "+to, "  LocalForward "+local+" "+to,
			"  StreamLocalBindUnlink yes", "  StreamLocalBindMask 0117", "  RemoteForward "+dynamic.flag, "  PermitRemoteOpen "+to)
		session := c.start("target", "echo up; cat")
		session.expect("up")
		wantEcho(t, "tcp", "127.0.0.2:"+port) // an address of this machine that is not named anywhere
		wantEcho(t, "unix", local)
		if info, err := os.Stat(local); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		for at, permitted := range map[string]bool{to: true, other: false} {
			conn := dial(t, "tcp", dynamic.addr)
			if got := socks(t, conn, "5", "127.0.0.1", portOf(at)); got && permitted {
				wantEchoOn(t, conn)
			} else if got != permitted && permitted {
				t.Error("what PermitRemoteOpen names is refused")
			} else if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Error("what PermitRemoteOpen does not name gives data")
			}
			conn.Close()
		}
		session.in.Close()
		session.wait(soon)

		session = c.start("-o", "ClearAllForwardings=yes", "target", "echo up; cat")
		session.expect("up")
		for _, l := range []end{{"tcp", "127.0.0.1:" + port, ""}, {"tcp", dynamic.addr, ""}, {"unix", local, ""}} {
			if conn, err := net.Dial(l.network, l.addr); err == nil {
				conn.Close()
				t.Errorf("with ClearAllForwardings somebody listens on %s", l.addr)
			}
		}
		session.in.Close()
		session.wait(soon)
	})
}
