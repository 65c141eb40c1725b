package sshtest

import (
	"net"
	"strings"
	"testing"
)

// ready opens a session that stays and waits until it runs.
func ready(t *testing.T, c *Chain, args ...string) *Console {
	t.Helper()
	con := Tty(t, c.SSH(append(args, "echo rea''dy; exec sleep 600")...))
	con.Expect("ready", soon)
	return con
}

func TestKillRefusesAndRestartServes(t *testing.T) {
	LeakCheck(t)
	c := NewChain(t, HostConfig{Name: "host"})
	h := c.Host("host")
	// The session's program has left its session and its parents.
	con := Tty(t, c.SSH("host", "setsid sleep 612 </dev/null >/dev/null 2>&1 & echo rea''dy; exec sleep 600"))
	con.Expect("ready", soon)
	// A process is not found in the moment in which it executes a program.
	if !poll(soon, func() bool { return len(ProcessesWith(h.mark)) >= 2 }) {
		t.Errorf("session processes: %v", ProcessesWith(h.mark))
	}
	h.Kill()
	if status := con.Wait(soon); status != 255 {
		t.Errorf("status %d after Kill", status)
	}
	if left := ProcessesWith(h.mark); len(left) > 0 || len(h.sshds()) > 0 {
		t.Errorf("left: %v, %v", left, h.sshds())
	}
	if _, errOut, _ := run(t, c, "host", "true"); !strings.Contains(errOut, "refused") {
		t.Errorf("after Kill: %s", errOut)
	}
	h.Restart()
	if out, errOut, status := run(t, c, "host", "echo back"); out != "back\n" || status != 0 {
		t.Errorf("after Restart: %q %q %d", out, errOut, status)
	}
	if h.Connections() != 2 || h.AcceptedLogins() != 2 {
		t.Errorf("%d connections, %d logins", h.Connections(), h.AcceptedLogins())
	}
}

func TestDropEndsConnectionsOnly(t *testing.T) {
	c := NewChain(t, HostConfig{Name: "host"})
	con := ready(t, c, "host")
	c.Host("host").Drop()
	if status := con.Wait(soon); status != 255 {
		t.Errorf("status %d", status)
	}
	if _, errOut, status := run(t, c, "host", "true"); status != 0 {
		t.Errorf("after Drop: %s", errOut)
	}
}

func TestFreezeAndThaw(t *testing.T) {
	LeakCheck(t)
	c := NewChain(t, HostConfig{Name: "jump"}, HostConfig{Name: "target"})
	con := Tty(t, c.SSH("-t", "target", "echo rea''dy; read x; echo got $x"))
	con.Expect("ready", soon)
	c.Host("jump").Freeze()
	con.Send("word\r")
	// New connections work meanwhile.
	if _, errOut, status := run(t, c, "target", "true"); status != 0 {
		t.Errorf("beside the frozen one: %s", errOut)
	}
	if strings.Contains(con.Output(), "got") {
		t.Errorf("the frozen hop passed data\n%s", con.Transcript())
	}
	c.Host("jump").Thaw()
	con.Expect("got word", soon)
	con.Wait(soon)
	c.Host("jump").Freeze() // must not keep the test from ending
}

func TestThePortStaysReserved(t *testing.T) {
	c := NewChain(t, HostConfig{Name: "host"})
	h := c.Host("host")
	h.Kill()
	for range 2000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		taken := l.Addr().String() == h.Addr
		l.Close()
		if taken {
			t.Fatalf("%s was given away", h.Addr)
		}
	}
}
