package stdio

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// child reads a line from its terminal, opened as /dev/tty, or as a user who
// may not open it again by its own name, and tells what it used.
func child() {
	f := os.Stdin
	switch os.Getenv("STDIO_TEST_CHILD") {
	case "/dev/tty":
		fd, err := unix.Open("/dev/tty", unix.O_RDWR, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		f = os.NewFile(uintptr(fd), "/dev/tty")
	case "setuid":
		if err := syscall.Setuid(65534); err != nil {
			fmt.Println(err)
			return
		}
	}
	r, err := NewReader(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := make([]byte, 100)
	n, err := r.Read(b)
	fmt.Printf("%T %q %v\n", r.e, b[:n], err)
}

func TestControllingTerminal(t *testing.T) {
	for _, how := range []string{"plain", "/dev/tty", "setuid"} {
		if how == "setuid" && os.Geteuid() != 0 {
			continue
		}
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), "STDIO_TEST_CHILD="+how)
			master, err := pty.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			if _, err := master.WriteString("key\n"); err != nil {
				t.Fatal(err)
			}
			out, _ := io.ReadAll(master) // ends with EIO
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if want := "*stdio.owned \"key\\n\" <nil>\r\n"; !strings.HasSuffix(string(out), want) {
				t.Errorf("the child says %q", out)
			}
		})
	}
}
