package hostkey

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var foundLine = regexp.MustCompile(`(?m)^# Host .* found: line (\d+)`)

// TestLookupIsThatOfKeygen compares the lines that stand for a name.
func TestLookupIsThatOfKeygen(t *testing.T) {
	needOpenSSH(t)
	ed := " " + keyText(t, "ed") + "\n"
	words := []string{"a", "b.example", "*", "?", "*.example", "a*", "*b*", "[a]:22", "[a]:2222", "[*]:2222", "A", "!a", "!*.example", "", "a?", "**", "*?*", hashName("a"), hashName("b.example"), hashName("a") + "x", "|1|", "|", "10.0.0.*", "10.0.0.1"}
	r := rand.New(rand.NewPCG(4, 4))
	var b strings.Builder
	for range 300 {
		line := words[r.IntN(len(words))]
		for r.IntN(2) == 0 {
			line += "," + words[r.IntN(len(words))]
		}
		b.WriteString([]string{"", "", " ", "@revoked ", "@cert-authority ", "#", "@x "}[r.IntN(7)] + line + ed)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), b.String())
	for _, name := range []string{"a", "ab", "b.example", "[a]:2222", "[b.example]:2222", "10.0.0.1", "x", "xay"} {
		out, _ := keygen(t, "-F", name, "-f", file)
		var want, got []string
		for _, m := range foundLine.FindAllStringSubmatch(out, -1) {
			want = append(want, m[1])
		}
		lk := &lookup{name: name}
		New(Config{UserFiles: []string{file}}).scanFiles(lk)
		for _, e := range lk.entries {
			got = append(got, strconv.Itoa(e.Number))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, want)
		}
	}
}

// TestKeysFromKeyscanAreKnown scans a live sshd, hashes the result and looks
// its keys up.
func TestKeysFromKeyscanAreKnown(t *testing.T) {
	needOpenSSH(t)
	if _, err := exec.LookPath("ssh-keyscan"); err != nil {
		t.Fatal(err)
	}
	port := serveSSHD(t, sshdFor(t, "ed", false, "HostKey "+filepath.Join(keyDir(), "ec"), "HostKey "+filepath.Join(keyDir(), "rsa")))
	out, err := exec.Command("ssh-keyscan", "-T", "20", "-p", strconv.Itoa(port), "127.0.0.1").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), string(out))
	s, h := New(Config{UserFiles: []string{file}}), Host{Name: "127.0.0.1", Port: port}
	for _, hashed := range []bool{false, true} {
		if hashed {
			mustKeygen(t, "-H", "-f", file)
		}
		for key, want := range map[string]Status{"ed": Known, "ec": Known, "rsa": Known, "ed2": Changed} {
			v, err := s.Check(t.Context(), h, pub(t, key))
			if err != nil || v.Status != want {
				t.Errorf("%s, hashed %v: %v, %v\n%s", key, hashed, v.Status, err, readText(t, file))
			}
		}
	}
}

// serveSSHD runs command for each connection to a port of the loopback.
func serveSSHD(t *testing.T, command string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f, err := c.(*net.TCPConn).File()
			c.Close()
			if err != nil {
				continue
			}
			cmd := exec.Command("sh", "-c", "exec "+command)
			cmd.Stdin, cmd.Stdout = f, f
			cmd.Run()
			f.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestMatchPatternTakesItsTimeOnly(t *testing.T) {
	pattern, name := strings.Repeat("*a", 500)+"b", strings.Repeat("a", 1000)
	start := time.Now()
	if matchPattern(pattern, name) {
		t.Error("matches")
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

// bigFile is a known_hosts of 10,000 lines; the host is in its last line.
func bigFile(t testing.TB, hashed bool) string {
	keys := []string{keyText(t, "ed"), keyText(t, "ec"), keyText(t, "rsa")}
	var b strings.Builder
	for i := range 10000 {
		name := fmt.Sprintf("host%d.example", i)
		if hashed {
			name = hashName(name)
		}
		b.WriteString(name + " " + keys[i%3] + "\n")
	}
	return writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), b.String())
}

func BenchmarkCheck(b *testing.B) {
	for _, hashed := range []bool{false, true} {
		for _, h := range []Host{{Name: "host9999.example"}, {Name: "host9999.example", Port: 2222, Addr: "192.0.2.1"}} {
			b.Run(fmt.Sprintf("hashed=%v,port=%d", hashed, h.Port), func(b *testing.B) {
				s := New(Config{UserFiles: []string{bigFile(b, hashed)}})
				key := pub(b, "ed")
				for b.Loop() {
					v, err := s.Check(b.Context(), h, key)
					if err != nil || v.Status != Known {
						b.Fatal(v.Status, err)
					}
				}
			})
		}
	}
}

func BenchmarkOtherNames(b *testing.B) {
	s := New(Config{UserFiles: []string{bigFile(b, true)}})
	key := pub(b, "ed2")
	for b.Loop() {
		s.OtherNames(Host{Name: "host9999.example", Port: 2222}, key)
	}
}
