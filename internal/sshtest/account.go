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
	a := &Account{Name: "sally-" + randomHex(4), Password: "pw-" + randomHex(8)}
	a.Home = filepath.Join(publicDir(t), "home")
	if err := os.Mkdir(a.Home, 0o700); err != nil {
		t.Fatal(err)
	}
	editAccounts(t, "", "useradd", "--no-create-home", "--home-dir", a.Home, "--shell", "/bin/sh", a.Name)
	t.Cleanup(func() { a.remove(t) })
	editAccounts(t, a.Name+":"+a.Password+"\n", "chpasswd")
	a.lookUp(t)
	if err := os.Chown(a.Home, a.UID, a.GID); err != nil {
		t.Fatal(err)
	}
	return a
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
	editAccounts(t, "", "userdel", "--force", a.Name)
}

// editAccounts runs a program that changes /etc/passwd. Test processes take
// turns: these programs give up when the file is locked.
func editAccounts(t testing.TB, stdin, program string, args ...string) {
	t.Helper()
	lock, err := os.OpenFile("/run/sally-sshtest.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(Path(t, program), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", program, err, out)
	}
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
		t.Fatal(fmt.Errorf("directory for servers: %w", err))
	}
	return dir
}
