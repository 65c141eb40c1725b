package main_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestSSHChannelTimeout: what is idle is closed and says so, what is not goes
// on. The stock client of 9.2 does not know the keyword.
func TestSSHChannelTimeout(t *testing.T) {
	t.Parallel()
	c, chain := ourSSH(t), oneJump(t)
	c.use(chain)
	start := time.Now()
	r := c.run("-o", "ChannelTimeout=session=1", "jump", "echo before; sleep 60")
	if r.code != 255 || r.out != "before\n" || !strings.Contains(r.err, "jump: session closed: nothing was sent or received for 1s (ChannelTimeout)") {
		t.Errorf("idle session: %+v", r)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if out := c.must("-o", "ChannelTimeout=session=2 direct-*=1", "jump", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done"); strings.Count(out, "\n") != 6 {
		t.Errorf("busy session: %q", out)
	}

	there, here := lateEcho(t, "tcp", "127.0.0.1:0"), sshtest.RefusedPort(t)
	l := c.start("-o", "ChannelTimeout=direct-tcpip=1", "-L", here+":"+there, "jump", "echo up; cat")
	l.expect("up")
	conn, err := net.Dial("tcp", here)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(soon))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("idle connection: %d bytes, %v", n, err)
	}
	l.in.Close()
	if code := l.wait(soon); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSSHObscuredKeystrokes types through the clock: nothing is lost, changed
// or out of order, with OpenSSH and with a server that is not.
func TestSSHObscuredKeystrokes(t *testing.T) {
	t.Parallel()
	c, chain := ourSSH(t), oneJump(t)
	c.use(chain)
	for _, interval := range []string{"interval:5", "interval:80", "no"} {
		con := escaping(t, c, "-o", "ObscureKeystrokeTiming="+interval)
		for i := range 3 {
			word := strings.Repeat(string(rune('a'+i)), 40)
			for _, key := range "echo [" + word + "]\r" {
				con.Send(string(key))
			}
			con.Expect("["+word+"]\r\n", soon)
			con.Expect(prompt, soon)
		}
		con.Send("exit 4\r")
		if code := con.Wait(soon); code != 4 {
			t.Errorf("%s: exit code %d\n%s", interval, code, con.Transcript())
		}
	}
}
