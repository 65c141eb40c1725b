package main_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// xServer listens where a display would be and answers those who show its
// cookie with its name.
func xServer(t testing.TB, name string, cookie []byte) (display string) {
	t.Helper()
	for number := 70; number < 200; number++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 6000+number))
		if err != nil {
			continue
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				greeting := make([]byte, 12+20+16)
				if _, err := io.ReadFull(conn, greeting); err == nil && string(greeting[32:]) == string(cookie) {
					fmt.Fprintln(conn, "display of", name)
				}
				conn.Close()
			}
		}()
		return fmt.Sprintf("127.0.0.1:%d", number)
	}
	t.Fatal("no free display")
	return ""
}

// xClient connects to $DISPLAY with the cookie that xauth knows, and prints the
// answer.
const xClient = `
import os, socket, subprocess
display = os.environ["DISPLAY"]
listed = subprocess.run(["xauth", "list", display], capture_output=True, text=True).stdout.split()
number = int(display.split(":")[1].split(".")[0])
s = socket.create_connection(("127.0.0.1", 6000 + number))
s.sendall(b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\0" + bytes.fromhex(listed[2]))
print(s.makefile().read(), end="")
`

// TestOwnDisplay: each client's own display is forwarded, over one connection.
func TestOwnDisplay(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "xauth", "python3")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ExtraConfig: []string{"X11Forwarding yes", "X11UseLocalhost yes"}})
	u := setUp(t, c)
	script := filepath.Join(u.dir, "xclient.py")
	writeFile(t, script, xClient)
	u.mustSSH("target", "true")
	for i, name := range []string{"first", "second"} {
		cookie := []byte(strings.Repeat(string(rune('a'+i)), 16))
		authority := filepath.Join(u.dir, name+".Xauthority")
		display := xServer(t, name, cookie)
		add := u.stock("xauth", "-q", "-f", authority, "add", display, "MIT-MAGIC-COOKIE-1", hex.EncodeToString(cookie))
		u.done(add)
		for _, run := range [][]string{{"ssh", "-F", u.config}, {program, "-F", u.config}} {
			x := u.stock(run[0], append(run[1:], "-Y", "target", "python3 "+script)...)
			x.Env = append(x.Env, "DISPLAY="+display, "XAUTHORITY="+authority)
			if r := u.run(x); r.code != 0 || r.out != "display of "+name+"\n" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if _, err := os.Stat(u.master("target").Control); err != nil {
		t.Error(err)
	}
	wantOneLogin(t, c, "target")
}
