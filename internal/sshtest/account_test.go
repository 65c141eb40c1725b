package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestAccountIsThereAndThenGone(t *testing.T) {
	LeakCheck(t)
	var a *Account
	lasting := exec.Command("sleep", "600")
	t.Run("alive", func(t *testing.T) {
		a = NewAccount(t)
		out, err := a.Command(t, "sh", "-c", "whoami; cd; pwd; touch file").CombinedOutput()
		if want := a.Name + "\n" + a.Home + "\n"; err != nil || string(out) != want {
			t.Errorf("got %q, %v; want %q", out, err, want)
		}
		lasting.SysProcAttr = a.Command(t, "true").SysProcAttr
		if err := lasting.Start(); err != nil {
			t.Fatal(err)
		}
		go lasting.Wait()
	})
	if _, err := user.Lookup(a.Name); err == nil {
		t.Errorf("%s is still there", a.Name)
	}
	if _, err := os.Stat(a.Home); !os.IsNotExist(err) {
		t.Errorf("home: %v", err)
	}
	if left := ownedBy(a.UID); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

// A process that has ended stands for a test that was killed.
func TestSweepRemovesWhatDeadTestsLeft(t *testing.T) {
	RequireRoot(t, "a temporary account")
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	alive := NewAccount(t)
	name := accountPrefix + randomHex(4)
	if err := editAccounts("", "useradd", "--comment", ownerMark(dead.Process.Pid), name); err != nil {
		t.Fatal(err)
	}
	service := servicePrefix + randomHex(4)
	writeFile(t, service, "# "+ownerMark(dead.Process.Pid)+"\n", 0o644)
	sweep(t)
	if _, err := os.Stat(service); err == nil {
		t.Errorf("%s is still there", service)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(passwd), name) || !strings.Contains(string(passwd), alive.Name) {
		t.Errorf("want %s gone and %s kept:\n%s", name, alive.Name, passwd)
	}
}

// RFC 4226 appendix D.
func TestHOTP(t *testing.T) {
	codes := otp{secret: []byte("12345678901234567890")}
	for i, want := range []string{"755224", "287082", "359152", "969429"} {
		if got := codes.next(); got != want {
			t.Errorf("code %d: %s, want %s", i, got, want)
		}
	}
}

// The tests of this package that need no privilege pass without any.
func TestWithoutPrivileges(t *testing.T) {
	a := NewAccount(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(a.Home), "sshtest.test")
	if out, err := exec.Command("cp", self, program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ordinary := a.Command(t, program, "-test.run", "^(TestChainOfKeys|TestKillRefuses.*)$", "-test.v")
	out, err := ordinary.CombinedOutput()
	if passed := strings.Count(string(out), "--- PASS"); err != nil || passed != 2 {
		t.Errorf("%d passed, %v\n%s", passed, err, out)
	}
	for setting, want := range map[string]string{
		"":                             "a temporary account needs root: run the tests as root",
		"SALLY_TEST_UNPRIVILEGED=1":    "--- SKIP",
		"SALLY_TEST_UNPRIVILEGED=what": "--- FAIL",
	} {
		privileged := a.Command(t, program, "-test.run", "^TestAccountIs", "-test.v")
		privileged.Env = append(privileged.Env, setting)
		out, _ := privileged.CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("%q: no %q in\n%s", setting, want, out)
		}
	}
}

// fakeT notes how a test ends, for checks that must fail.
type fakeT struct {
	testing.TB
	said     string
	cleanups []func()
}

// inFake runs f as a test of its own would, and its clean-up.
func inFake(t *testing.T, f func(testing.TB)) *fakeT {
	fake := &fakeT{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(fake)
	}()
	<-ended
	for i := len(fake.cleanups) - 1; i >= 0; i-- {
		fake.cleanups[i]()
	}
	return fake
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Failed() bool      { return f.said != "" }
func (f *fakeT) Cleanup(do func()) { f.cleanups = append(f.cleanups, do) }
func (f *fakeT) Error(args ...any) { f.said += fmt.Sprintln(args...) }
func (f *fakeT) Errorf(format string, args ...any) {
	f.said += fmt.Sprintf(format, args...) + "\n"
}
func (f *fakeT) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

func TestRequireNamesThePackages(t *testing.T) {
	fake := inFake(t, func(t testing.TB) { Require(t, "sshd", "ssh", "no-such-program", "no-such.so") })
	want := "missing: no-such-program, no-such.so; install with: apt-get install no-such-program no-such.so\n"
	if fake.said != want {
		t.Errorf("got %q, want %q", fake.said, want)
	}
	if got := packageOf("pam_oath.so"); got != "libpam-oath" {
		t.Errorf("pam_oath.so is in %s", got)
	}
}

func TestLeakCheckFinds(t *testing.T) {
	LeakCheck(t)
	stop := make(chan struct{})
	child := exec.Command("sleep", "600")
	var file *os.File
	for what, c := range map[string]struct{ leak, mend func() }{
		"descriptors left open": {
			func() { file, _ = os.Open("/dev/null") },
			func() { file.Close() },
		},
		"process left": {
			func() { child.Start() },
			func() { child.Process.Kill(); child.Wait() },
		},
		"goroutines": {
			func() { go func() { <-stop }() },
			func() { close(stop) },
		},
	} {
		fake := inFake(t, func(t testing.TB) { leakCheck(t, 50*time.Millisecond); c.leak() })
		c.mend()
		if !strings.Contains(fake.said, what) {
			t.Errorf("want %q, got %q", what, fake.said)
		}
	}
}

func TestAwaitLogFails(t *testing.T) {
	c := NewChain(t, HostConfig{Name: "host"})
	fake := inFake(t, func(t testing.TB) {
		h := &Host{Name: "host", t: t, dir: c.Host("host").dir}
		h.AwaitLog("never said", 20*time.Millisecond)
	})
	if !strings.Contains(fake.said, `no "never said" in its log`) {
		t.Errorf("%q", fake.said)
	}
}
