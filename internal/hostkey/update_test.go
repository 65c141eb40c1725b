package hostkey

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// rotation is a server with several host keys, and what is known of it.
type rotation struct {
	offers []string // the server's keys, of keyDir
	port   int
	user   []string
	global string
	hash   bool
}

// run lets ssh and us update a copy of the same files, and compares them. It
// reports whether anything has changed.
func (ro rotation) run(t *testing.T) (changed bool) {
	t.Helper()
	theirs, ours := ro.files(t), ro.files(t)
	ro.runSSH(t, theirs)
	ro.runOurs(t, ours)
	for i, path := range ours.UserFiles {
		got, want := readText(t, path), readText(t, theirs.UserFiles[i])
		if ro.hash {
			got, want = unhash(got, ro.host()), unhash(want, ro.host())
		}
		if strings.TrimSuffix(got, "\n") != strings.TrimSuffix(want, "\n") {
			t.Errorf("file %d was\n%s\nwe made\n%s\nssh made\n%s", i, ro.user[i], got, want)
		}
		changed = changed || got != ro.user[i]
	}
	return changed
}

func (ro rotation) host() Host {
	return Host{Name: "host.example", Port: max(ro.port, 22)}
}

func (ro rotation) files(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{Hash: ro.hash, GlobalFiles: []string{writeFile(t, filepath.Join(dir, "global"), ro.global)}}
	for i, text := range ro.user {
		cfg.UserFiles = append(cfg.UserFiles, writeFile(t, filepath.Join(dir, "user"+strconv.Itoa(i)), text))
	}
	return cfg
}

func (ro rotation) runSSH(t *testing.T, cfg Config) {
	t.Helper()
	conf := []string{"PermitRootLogin yes", "AuthorizedKeysFile " + pubFile("ed3"), "LogLevel QUIET"}
	for _, key := range ro.offers[1:] {
		conf = append(conf, "HostKey "+filepath.Join(keyDir(), key))
	}
	hash := "no"
	if ro.hash {
		hash = "yes"
	}
	out := runSSH(t, "-oProxyCommand="+sshdFor(t, ro.offers[0], false, conf...), "-v",
		"-oStrictHostKeyChecking=yes", "-oUpdateHostKeys=yes", "-oHashKnownHosts="+hash, "-oIdentitiesOnly=yes",
		"-i", filepath.Join(keyDir(), "ed3"), "-p", strconv.Itoa(ro.host().Port),
		"-oUserKnownHostsFile="+strings.Join(cfg.UserFiles, " "), "-oGlobalKnownHostsFile="+cfg.GlobalFiles[0],
		"--", "host.example", "true")
	if strings.Contains(out, "Permission denied") {
		t.Fatalf("ssh cannot log in:\n%s", out)
	}
}

// runOurs does what hop is to do with what the server offers.
func (ro rotation) runOurs(t *testing.T, cfg Config) {
	t.Helper()
	s, h := New(cfg), ro.host()
	algos, err := s.Algorithms(t.Context(), h, defaultAlgorithms(t))
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Check(t.Context(), h, ro.negotiated(t, algos))
	if err != nil || !v.Updatable {
		return
	}
	var offered []ssh.PublicKey
	for _, name := range ro.offers {
		offered = append(offered, pub(t, name))
	}
	p, err := s.PlanUpdate(h, offered, algos)
	if err != nil {
		t.Fatal(err)
	}
	if p.Skip != "" {
		t.Log("skipped:", p.Skip)
		return
	}
	if err := s.Update(h, p.Keys); err != nil {
		t.Fatal(err)
	}
}

// negotiated is the key for the first algorithm that the server can do.
func (ro rotation) negotiated(t *testing.T, algos []string) ssh.PublicKey {
	t.Helper()
	for _, a := range algos {
		for _, name := range ro.offers {
			if key := pub(t, name); key.Type() == keyFormat(a) {
				return key
			}
		}
	}
	t.Fatal("no common algorithm")
	return nil
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// unhash replaces the hashed names that stand for h.
func unhash(text string, h Host) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		names, rest, _ := strings.Cut(line, " ")
		if strings.HasPrefix(names, "|") && matchNames(names, h.Lookup()) {
			line = "HASHED " + rest
		}
		b.WriteString(line)
	}
	return b.String()
}

func needLogin(t *testing.T) {
	t.Helper()
	needOpenSSH(t)
	if os.Getuid() != 0 {
		t.Skip("sshd -i lets only root log in here")
	}
}

func TestUpdatesAreThoseOfSSH(t *testing.T) {
	needLogin(t)
	ed, ed2, ec, rsa := keyText(t, "ed"), keyText(t, "ed2"), keyText(t, "ec"), keyText(t, "rsa")
	host := "host.example "
	files := func(s ...string) []string { return s }
	for name, ro := range map[string]rotation{
		"learn":               {offers: []string{"ed", "ec", "rsa"}, user: files("# comment\n\nx y z\n" + host + ed + " comment\nother " + ed2 + "\n")},
		"nothing new":         {offers: []string{"ed", "ec"}, user: files(host + ed + "\n" + host + ec + "\n")},
		"deprecate":           {offers: []string{"ed"}, user: files(host + ec + "\n" + host + ed + "\n" + host + rsa + "\n#\n")},
		"learn and deprecate": {offers: []string{"ed", "ec"}, user: files(host + ed2 + "\n" + host + ed + "\n")},
		"no final newline":    {offers: []string{"ed", "ec"}, user: files("other " + ed2 + "\n" + host + ed)},
		"hashed":              {offers: []string{"ed", "ec"}, user: files(hashName("host.example") + " " + ed + "\n"), hash: true},
		"hashed deprecated":   {offers: []string{"ed"}, user: files(hashName("host.example") + " " + ed + "\n" + hashName("host.example") + " " + ec + "\n")},
		"port":                {offers: []string{"ed", "ec"}, port: 2222, user: files("[host.example]:2222 " + ed + "\n")},
		"plain name for port": {offers: []string{"ed", "ec"}, port: 2222, user: files(host + ed + "\n")},
		"pattern":             {offers: []string{"ed", "ec"}, user: files("*.example " + ed + "\n")},
		"list of two":         {offers: []string{"ed", "ec"}, user: files("host.example,192.0.2.1 " + ed + "\n")},
		"list of two goes":    {offers: []string{"ed", "ec"}, user: files(host + ed + "\nhost.example,192.0.2.1 " + rsa + "\n")},
		"list of three":       {offers: []string{"ed", "ec"}, user: files("host.example,192.0.2.1,x " + ed + "\n")},
		"other name":          {offers: []string{"ed", "ec"}, user: files(host + ed + "\nother " + ed + "\n")},
		"new key elsewhere":   {offers: []string{"ed", "ec"}, user: files(host + ed + "\nother " + ec + "\n")},
		"old key elsewhere":   {offers: []string{"ed", "ec"}, user: files(host + ed + "\n" + host + rsa + "\nother " + rsa + "\n")},
		"authority":           {offers: []string{"ed", "ec"}, user: files(host + ed + "\n@cert-authority *.example " + rsa + "\n")},
		"revoked":             {offers: []string{"ed", "ec"}, user: files(host + ed + "\n@revoked * " + rsa + "\n")},
		"two files":           {offers: []string{"ed", "ec"}, user: files(host+ed+"\n", host+rsa+"\n#\n")},
		"in the second file":  {offers: []string{"ed", "ec"}, user: files("#\n", "#\n"+host+ed+"\n")},
		"global":              {offers: []string{"ed", "ec"}, user: files(""), global: host + ed + "\n"},
		"malformed stays":     {offers: []string{"ed", "ec"}, user: files(host + "ssh-rsa garbage\n" + host + rsa + "\n" + host + ed + "\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := ro.run(t)
			if learned := strings.HasPrefix(name, "learn") || name == "hashed"; learned && !changed {
				t.Error("nothing was learned")
			}
		})
	}
}

func TestRandomUpdatesAgainstSSH(t *testing.T) {
	needLogin(t)
	if testing.Short() {
		t.Skip("many runs of ssh")
	}
	n := 10
	if v, err := strconv.Atoi(os.Getenv("HOSTKEY_TRIALS")); err == nil {
		n = v
	}
	names := []string{"host.example", "host.example", "host.example", "host.example", "[host.example]:2222", "host.example,192.0.2.1", hashName("host.example"), "other", "other2", "*.example"}
	keys := []string{"ed", "ed", "ed", "ed2", "ec", "ec384", "rsa"}
	for i := range n {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(i), 3))
			text := func() string {
				var b strings.Builder
				for range r.IntN(4) {
					b.WriteString(names[r.IntN(len(names))] + " " + keyText(t, keys[r.IntN(len(keys))]) + "\n")
				}
				return b.String()
			}
			ro := rotation{offers: []string{"ed"}, user: []string{"host.example " + keyText(t, "ed") + "\n" + text(), text()}}
			for _, k := range []string{"ec", "rsa"} {
				if r.IntN(2) == 0 {
					ro.offers = append(ro.offers, k)
				}
			}
			ro.run(t)
		})
	}
}

func TestPlanUpdate(t *testing.T) {
	dir := t.TempDir()
	ed, ec, rsa := pub(t, "ed"), pub(t, "ec"), pub(t, "rsa")
	file := writeFile(t, filepath.Join(dir, "known_hosts"), "#\nh "+keyText(t, "ed")+"\nh "+keyText(t, "ec384")+"\n")
	s, h := New(Config{UserFiles: []string{file, filepath.Join(dir, "none")}}), Host{Name: "h"}
	algos := []string{"ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp256-cert-v01@openssh.com"}
	p, err := s.PlanUpdate(h, []ssh.PublicKey{rsa, ec, ed, pub(t, certify(t, "ca", "ed", "-h")+"-cert")}, algos)
	if err != nil || p.Skip != "" {
		t.Fatal(err, p.Skip)
	}
	if len(p.Keys) != 2 || len(p.New) != 1 || !sameKey(p.New[0], rsa) {
		t.Errorf("keys %v, new %v", p.Keys, p.New)
	}
	if len(p.Deprecated) != 1 || p.Deprecated[0].Number != 3 || p.Deprecated[0].Type != "ECDSA" {
		t.Errorf("deprecated %+v", p.Deprecated)
	}
	if _, err := s.PlanUpdate(h, []ssh.PublicKey{ed, ed}, algos); err == nil {
		t.Error("a key offered twice is accepted")
	}
	for _, h := range []Host{{}, {Name: "a b"}, {Name: "*"}} {
		if p, err := s.PlanUpdate(h, []ssh.PublicKey{rsa}, algos); err != nil || p.Skip == "" {
			t.Errorf("%q: %+v, %v", h.Name, p, err)
		}
		if err := s.Update(h, []ssh.PublicKey{rsa}); err == nil {
			t.Errorf("Update of %q succeeds", h.Name)
		}
	}
}

// TestUpdateWithAddress covers CheckHostIP, which ssh turns off for a proxy.
func TestUpdateWithAddress(t *testing.T) {
	ed, ec, rsa := keyText(t, "ed"), keyText(t, "ec"), keyText(t, "rsa")
	h := Host{Name: "h", Port: 22, Addr: "192.0.2.1"}
	for name, tc := range map[string]struct{ was, want, skip string }{
		"one line":        {was: "h,192.0.2.1 " + ed + "\n", want: "h,192.0.2.1 " + ed + "\nh,192.0.2.1 " + ec + "\n"},
		"two lines":       {was: "h " + ed + "\n192.0.2.1 " + ed + "\n", want: "h " + ed + "\n192.0.2.1 " + ed + "\nh,192.0.2.1 " + ec + "\n"},
		"name only":       {was: "h " + ed + "\n", want: "h " + ed + "\n192.0.2.1 " + ed + "\nh,192.0.2.1 " + ec + "\n"},
		"address only":    {was: "192.0.2.1 " + ed + "\nh " + rsa + "\n", want: "192.0.2.1 " + ed + "\nh " + ed + "\nh,192.0.2.1 " + ec + "\n"},
		"other's address": {was: "h " + ed + "\nx,192.0.2.1 " + rsa + "\n", skip: "another name"},
		"address changed": {was: "h,192.0.2.2 " + ed + "\n", skip: "another address"},
		"old address key": {was: "h " + ed + "\n192.0.2.1 " + rsa + "\n", want: "h " + ed + "\n192.0.2.1 " + ed + "\nh,192.0.2.1 " + ec + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), tc.was)
			s := New(Config{UserFiles: []string{file}})
			p, err := s.PlanUpdate(h, []ssh.PublicKey{pub(t, "ed"), pub(t, "ec")}, []string{"ssh-ed25519", "ecdsa-sha2-nistp256"})
			if err != nil {
				t.Fatal(err)
			}
			if (p.Skip != "") != (tc.skip != "") || !strings.Contains(p.Skip, tc.skip) {
				t.Fatalf("Skip = %q, want %q", p.Skip, tc.skip)
			}
			if p.Skip != "" {
				return
			}
			if err := s.Update(h, p.Keys); err != nil {
				t.Fatal(err)
			}
			if got := readText(t, file); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestUpdateKeepsModeLinkAndOddBytes(t *testing.T) {
	dir := t.TempDir()
	odd := "\x00\xff odd\r\n|1|x\n@revoked q " + keyText(t, "ed2") + "\nother\t" + keyText(t, "rsa") + "\x00tail\r\n"
	file := writeFile(t, filepath.Join(dir, "real"), odd+"h "+keyText(t, "ec")+"\n"+odd+"no newline")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "known_hosts")
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	s := New(Config{UserFiles: []string{link}})
	if err := s.Update(Host{Name: "h"}, []ssh.PublicKey{pub(t, "ed")}); err != nil {
		t.Fatal(err)
	}
	want := odd + odd + "no newline\nh " + keyText(t, "ed") + "\n"
	if got := readText(t, link); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	st, err := os.Lstat(file)
	if err != nil || st.Mode() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if old := readText(t, file+".old"); !strings.Contains(old, "h "+keyText(t, "ec")) {
		t.Errorf("backup is %q", old)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestUpdateMakesTheFirstFile(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, ".ssh", "known_hosts")
	second := writeFile(t, filepath.Join(dir, "second"), "h "+keyText(t, "ed")+"\n")
	s := New(Config{UserFiles: []string{first, second, filepath.Join(dir, "none")}})
	if err := s.Update(Host{Name: "h"}, []ssh.PublicKey{pub(t, "ed")}); err != nil {
		t.Fatal(err)
	}
	if got := readText(t, first); got != "h "+keyText(t, "ed")+"\n" {
		t.Errorf("first file is %q", got)
	}
	if got := readText(t, second); got != "" {
		t.Errorf("second file is %q", got)
	}
}

func TestUpdateLeavesDevicesAlone(t *testing.T) {
	s := New(Config{UserFiles: []string{os.DevNull}})
	if err := s.Update(Host{Name: "h"}, []ssh.PublicKey{pub(t, "ed")}); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode().IsRegular() {
		t.Fatalf("%s is %v, %v", os.DevNull, st.Mode(), err)
	}
}
