package session

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// terminals returns pseudo-terminals set up by stty in unusual ways.
func terminals(t *testing.T) map[string]*os.File {
	ttys := map[string]*os.File{}
	for _, modes := range []string{
		"sane",
		"raw -echo",
		"intr ^A quit undef erase ^H kill ^X eof ^E eol ^L eol2 ^K start ^N stop ^O susp ^P rprnt ^G werase ^T lnext ^F",
		"-ixon ixany ixoff -iutf8 istrip inlcr igncr -icrnl iuclc -imaxbel ignpar parmrk inpck",
		"-isig -icanon xcase -echoe -echok echonl noflsh tostop -iexten -echoctl -echoke",
		"-opost olcuc -onlcr ocrnl onocr onlret",
		"parodd 9600",
		"50", "115200", "230400", "460800",
	} {
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { master.Close(); slave.Close() })
		stty := exec.Command("stty", strings.Fields(modes)...)
		stty.Stdin = slave
		if out, err := stty.CombinedOutput(); err != nil {
			t.Fatalf("stty %s: %v: %s", modes, err, out)
		}
		ttys[modes] = slave
	}
	return ttys
}

// The oracle: what the stock client sends from the same terminal.
func TestModesAreThoseOfOpenSSH(t *testing.T) {
	for name, tty := range terminals(t) {
		ours, err := ReadModes(tty)
		if err != nil {
			t.Fatal(err)
		}
		if theirs := modesOfStockClient(t, tty); !bytes.Equal(ours, theirs) {
			t.Errorf("stty %s:\nours   %x\ntheirs %x", name, ours, theirs)
		}
	}
}

// modesOfStockClient runs ssh -tt on tty and returns its pty-req's modes.
func modesOfStockClient(t *testing.T, tty *os.File) []byte {
	t.Helper()
	modes := make(chan []byte, 1)
	address := listenStock(t, func(p *peer) {
		for r := range p.reqs {
			r.Reply(true, nil)
			switch r.Type {
			case "pty-req":
				modes <- ptyModes(t, r.Payload)
			case "exec":
				p.exitStatus(0)
				return
			}
		}
	})
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("ssh", "-F", "none", "-tt", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-p", port, host, "x")
	cmd.Stdin = tty
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh: %v: %s", err, out)
	}
	return <-modes
}

// listenStock serves one connection from a stock client.
func listenStock(t *testing.T, serve func(*peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		servePeer(t, conn, accepting(serve))
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func ptyModes(t *testing.T, payload []byte) []byte {
	var m struct {
		Term       string
		C, R, W, H uint32
		Modes      []byte
	}
	if err := ssh.Unmarshal(payload, &m); err != nil {
		t.Error(err)
	}
	return m.Modes
}

// The modes have their effect on a real server's terminal.
func TestModesSeenByStty(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	stty := exec.Command("stty", "intr", "^A", "quit", "undef", "-echoctl", "-ixon", "ixany", "-onlcr", "9600")
	stty.Stdin = slave
	if err := stty.Run(); err != nil {
		t.Fatal(err)
	}
	modes, err := ReadModes(slave)
	if err != nil {
		t.Fatal(err)
	}
	got := do(t, dialSSHD(t), Request{Command: "stty -a", PTY: &PTY{Term: "xterm", Modes: modes, Cols: 80, Rows: 24}}, nil)
	for _, want := range []string{"speed 9600 baud", "intr = ^A", "quit = <undef>", "-echoctl", "-ixon", " ixany", "-onlcr", " icanon"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in %q", want, got.stdout)
		}
	}
}

func TestModesOfNoTerminal(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	modes, err := ReadModes(f)
	if err == nil || !bytes.Equal(modes, []byte{0}) {
		t.Errorf("%x, %v", modes, err)
	}
}

func TestUnknownSpeed(t *testing.T) {
	got := EncodeModes(&unix.Termios{Cflag: unix.B4000000})
	want := []byte{opOutputSpeed, 0, 0, 0x25, 0x80, opInputSpeed, 0, 0, 0x25, 0x80} // 9600
	if !bytes.HasPrefix(got, want) {
		t.Errorf("%x", got)
	}
}
