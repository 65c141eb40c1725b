package hostkey

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshtest"
)

func TestAdd(t *testing.T) {
	ed, ec := keyText(t, "ed"), keyText(t, "ec")
	for name, tc := range map[string]struct {
		was  string
		host Host
		want string
	}{
		"empty":            {"", Host{Name: "h"}, "h " + ed + "\nh " + ec + "\n"},
		"after others":     {"x y\n", Host{Name: "h"}, "x y\nh " + ed + "\nh " + ec + "\n"},
		"no final newline": {"x y", Host{Name: "h"}, "x y\nh " + ed + "\nh " + ec + "\n"},
		"lower case, port": {"", Host{Name: "H.Example", Port: 2222}, "[h.example]:2222 " + ed + "\n[h.example]:2222 " + ec + "\n"},
		"address":          {"", Host{Name: "h", Addr: "192.0.2.1"}, "h,192.0.2.1 " + ed + "\nh,192.0.2.1 " + ec + "\n"},
		"address is name":  {"", Host{Name: "::1", Addr: "::1", Port: 22}, "::1 " + ed + "\n::1 " + ec + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), tc.was)
			got, err := New(Config{UserFiles: []string{file, "/nowhere"}}).Add(tc.host, pub(t, "ed"), pub(t, "ec"))
			if err != nil || got != file {
				t.Fatal(got, err)
			}
			if text := readText(t, file); text != tc.want {
				t.Errorf("got %q, want %q", text, tc.want)
			}
		})
	}
}

func TestAddMakesFileAndDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".ssh", "known_hosts")
	cert := pub(t, certify(t, "ca", "ed", "-h")+"-cert")
	if _, err := New(Config{UserFiles: []string{file}}).Add(Host{Name: "h"}, cert); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): os.ModeDir | 0o700} {
		if st, err := os.Stat(path); err != nil || st.Mode() != want {
			t.Errorf("%s is %v, %v", path, st.Mode(), err)
		}
	}
	if got := readText(t, file); got != "h "+keyText(t, "ed")+"\n" {
		t.Errorf("a certificate is recorded as %q", got)
	}
	deep := filepath.Join(t.TempDir(), "a", "b", "known_hosts")
	if _, err := New(Config{UserFiles: []string{deep}}).Add(Host{Name: "h"}, cert); err == nil {
		t.Error("directories are made all the way up")
	}
}

func TestAddRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known_hosts")
	s := New(Config{UserFiles: []string{file}})
	for _, h := range []Host{{}, {Name: "a b"}, {Name: "a\nb"}, {Name: "*"}, {Name: "a,b"}, {Name: "@revoked"}, {Name: "#"}, {Name: "|1|"}, {Name: "!a"}, {Name: "a", Addr: "b\nc"}} {
		if _, err := s.Add(h, pub(t, "ed")); !errors.Is(err, ErrUnrecordable) {
			t.Errorf("Add %q = %v", h.Name, err)
		}
	}
	if _, err := New(Config{}).Add(Host{Name: "h"}, pub(t, "ed")); !errors.Is(err, ErrUnrecordable) {
		t.Errorf("Add without a file = %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("something was written")
	}
	if _, err := New(Config{UserFiles: []string{os.DevNull}}).Add(Host{Name: "h"}, pub(t, "ed")); err != nil {
		t.Errorf("Add to %s = %v", os.DevNull, err)
	}
}

// TestHashedNamesAreThoseOfKeygen lets each find what the other has hashed.
func TestHashedNamesAreThoseOfKeygen(t *testing.T) {
	needOpenSSH(t)
	dir := t.TempDir()
	ours := filepath.Join(dir, "ours")
	s := New(Config{UserFiles: []string{ours}, Hash: true})
	hosts := []Host{{Name: "H.Example", Addr: "192.0.2.1"}, {Name: "h", Port: 2222, Addr: "2001:db8::1"}, {Name: strings.Repeat("long.", 60) + "example"}}
	var plain strings.Builder
	for _, h := range hosts {
		if _, err := s.Add(h, pub(t, "ed")); err != nil {
			t.Fatal(err)
		}
		writeEntry(&plain, h, pub(t, "ed"), false)
	}
	theirs := writeFile(t, filepath.Join(dir, "theirs"), plain.String())
	mustKeygen(t, "-H", "-f", theirs)
	if strings.Contains(readText(t, ours)+readText(t, theirs), "example ") {
		t.Fatal("a name is not hashed")
	}
	for _, h := range hosts {
		for _, name := range []string{h.Lookup(), h.AddrLookup()} {
			if name == "" {
				continue
			}
			if out, ok := keygen(t, "-F", name, "-f", ours); !ok || !strings.Contains(out, keyText(t, "ed")) {
				t.Errorf("ssh-keygen does not find %s: %s", name, out)
			}
		}
		v, err := New(Config{UserFiles: []string{theirs}}).Check(t.Context(), h, pub(t, "ed"))
		if err != nil || v.Status != Known || h.Addr != "" && v.Address.Status != Known {
			t.Errorf("%v hashed by ssh-keygen: %+v, %v", h, v, err)
		}
		if v.Matches != nil && v.Matches[0].Names != "[hashed name]" {
			t.Errorf("Names = %q", v.Matches[0].Names)
		}
	}
}

// TestWritersKeepEachOthersLines lets goroutines add and update, and shells
// append as OpenSSH does, without a lock.
func TestWritersKeepEachOthersLines(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), "# first\nshared "+keyText(t, "ec")+"\n")
	ed := pub(t, "ed")
	const each = 20
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			s := New(Config{UserFiles: []string{file}})
			for i := range each {
				if _, err := s.Add(Host{Name: fmt.Sprintf("go-%d-%d", w, i)}, ed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			s := New(Config{UserFiles: []string{file}})
			for i := range each {
				key := []string{"ec384", "ec521"}[i%2]
				if err := s.Update(Host{Name: "shared"}, []ssh.PublicKey{ed, pub(t, key)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	text := readText(t, file)
	for w := range 4 {
		for i := range each {
			if line := fmt.Sprintf("\ngo-%d-%d %s\n", w, i, keyText(t, "ed")); strings.Count(text, line) != 1 {
				t.Errorf("%q is there %d times", line, strings.Count(text, line))
			}
		}
	}
	if !strings.HasPrefix(text, "# first\n") || strings.Count(text, "\nshared ") != 2 {
		t.Errorf("the rest is\n%s", text)
	}
}

// TestAddBesideOtherProcesses mixes our appends with those of writers that
// know of no lock.
func TestAddBesideOtherProcesses(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), "")
	const each = 100
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`for i in $(seq %d); do echo "sh-$i x" >>"$0"; done`, each), file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := New(Config{UserFiles: []string{file}})
	for i := range each {
		if _, err := s.Add(Host{Name: fmt.Sprintf("go-%d", i)}, pub(t, "ed")); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(readText(t, file), "\n"); got != 2*each {
		t.Errorf("%d lines, want %d", got, 2*each)
	}
}

// TestReplaceKeepsWhatIsAppendedMeanwhile appends between reading and renaming.
func TestReplaceKeepsWhatIsAppendedMeanwhile(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), "old\n")
	err := replaceFile(file, os.O_RDWR, func(string) string {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.WriteString("meanwhile\n")
		return "new\n"
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := readText(t, file); got != "new\nmeanwhile\n" {
		t.Errorf("got %q", got)
	}
}

// TestReplaceStartsAgainWhenReplaced lets another process rename its version
// into place once.
func TestReplaceStartsAgainWhenReplaced(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), "old\n")
	calls := 0
	err := replaceFile(file, os.O_RDWR, func(old string) string {
		if calls++; calls == 1 {
			other := writeFile(t, file+".other", "theirs\n")
			if err := os.Rename(other, file); err != nil {
				t.Fatal(err)
			}
		}
		return old + "ours\n"
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := readText(t, file); got != "theirs\nours\n" || calls != 2 {
		t.Errorf("got %q after %d calls", got, calls)
	}
}

func TestLockOfAnotherIsAnErrorInTheEnd(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), "")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Skip(err)
	}
	if _, err := New(Config{UserFiles: []string{file}}).Add(Host{Name: "h"}, pub(t, "ed")); !errors.Is(err, errLocked) {
		t.Errorf("Add = %v", err)
	}
}

// TestOtherNamesAreThoseOfSSH reads the stock client's question.
func TestOtherNamesAreThoseOfSSH(t *testing.T) {
	needOpenSSH(t)
	dir := t.TempDir()
	ed, ec := keyText(t, "ed"), keyText(t, "ec")
	user := writeFile(t, filepath.Join(dir, "user"), "a,b "+ed+"\n"+hashName("c")+" "+ed+" comment\nd "+ec+"\n@revoked e "+ed+"x\n@cert-authority f "+ed+"\n")
	global := writeFile(t, filepath.Join(dir, "global"), "\n*.org\t"+ed+"\nssh-ed25519\n")
	asked := filepath.Join(dir, "asked")
	askpass := filepath.Join(dir, "askpass")
	sshtest.WriteProgram(t, askpass, "#!/bin/sh\nprintf '%s' \"$1\" >"+asked+"\necho no\n")
	cmd := exec.Command("ssh", "-F", "none", "-oStrictHostKeyChecking=ask", "-oProxyCommand="+sshdFor(t, "ed", false),
		"-oUserKnownHostsFile="+user, "-oGlobalKnownHostsFile="+global, "host.example")
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+askpass, "SSH_ASKPASS_REQUIRE=force")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("ssh went on: %s", out)
	}
	var ours bytes.Buffer
	s := New(Config{UserFiles: []string{user, dir + "/none"}, GlobalFiles: []string{global}})
	for _, l := range s.OtherNames(Host{Name: "host.example"}, pub(t, "ed")) {
		fmt.Fprintf(&ours, "    %s:%d: %s\n", l.File, l.Number, l.Names)
	}
	question := readText(t, asked)
	if ours.Len() == 0 || !strings.Contains(question, "names/addresses:\n"+ours.String()+"Are you sure") {
		t.Errorf("ours\n%stheirs\n%s", ours.String(), question)
	}
	if got := s.OtherNames(Host{Name: "a"}, pub(t, "ed")); len(got) != 2 {
		t.Errorf("other names than a: %+v", got)
	}
}
