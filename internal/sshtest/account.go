package sshtest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Account is a temporary Unix account with a password.
type Account struct {
	Name     string
	Password string
	UID, GID int
	// Home exists, belongs to the account and is empty.
	Home string
}

// NewAccount makes an account with the shell /bin/sh. At the end of the test
// its processes are killed and it is removed. It needs root.
func NewAccount(t testing.TB) *Account {
	t.Helper()
	RequireRoot(t, "a temporary account")
	Require(t, "useradd", "userdel", "chpasswd")
	sweep(t)
	a := &Account{Name: accountPrefix + randomHex(4), Password: "pw-" + randomHex(8)}
	a.Home = filepath.Join(publicDir(t), "home")
	if err := os.Mkdir(a.Home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := editAccounts("", "useradd", "--no-create-home", "--home-dir", a.Home,
		"--shell", "/bin/sh", "--comment", ownerMark(os.Getpid()), a.Name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.remove(t) })
	if err := editAccounts(a.Name+":"+a.Password+"\n", "chpasswd"); err != nil {
		t.Fatal(err)
	}
	a.lookUp(t)
	if err := os.Chown(a.Home, a.UID, a.GID); err != nil {
		t.Fatal(err)
	}
	return a
}

// Command is a command that the account runs in its home, with a small
// environment.
func (a *Account) Command(t testing.TB, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Path(t, program), args...)
	cmd.Dir = a.Home
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + a.Home, "USER=" + a.Name, "LOGNAME=" + a.Name}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)},
	}
	return cmd
}

func (a *Account) lookUp(t testing.TB) {
	t.Helper()
	u, err := user.Lookup(a.Name)
	if err != nil {
		t.Fatal(err)
	}
	a.UID, _ = strconv.Atoi(u.Uid)
	a.GID, _ = strconv.Atoi(u.Gid)
}

func (a *Account) remove(t testing.TB) {
	ended := a.UID == 0 || poll(10*time.Second, func() bool {
		left := ownedBy(a.UID)
		signalAll(left, unix.SIGKILL)
		return len(left) == 0
	})
	if !ended {
		t.Errorf("account %s still has processes: %v", a.Name, ownedBy(a.UID))
	}
	if err := editAccounts("", "userdel", "--force", a.Name); err != nil {
		t.Error(err)
	}
}

// editAccounts runs a program that changes /etc/passwd. Test processes take
// turns: these programs give up when the file is locked.
func editAccounts(stdin, program string, args ...string) error {
	lock, err := os.OpenFile("/run/sally-sshtest.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	path, _ := find(program)
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// publicDir makes a directory that other accounts can enter, which those of
// t.TempDir are not, with a name short enough for sockets in it.
func publicDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sshtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
