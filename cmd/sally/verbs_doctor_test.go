package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/doctor"
	"sallyport/internal/sshtest"
)

// ailing is a configuration with an error, a warning and a note, of which
// nothing is of the machine that runs the test.
const ailing = `# mine
IdentityFile none
UserKnownHostsFile %d/known_hosts
Host bastion
  ControlMaster yes    # why not
  ControlPath %d/cm-%C
  ServerAliveInterval 15
Host web1
  ProxyJump bastion
  ForwardAgent yes
  UsePrivilegedPort yes
Host *
  StrictHostKeyChecking no
`

// patient is a user of a configuration, whose text may have %d for its
// directory.
func patient(t *testing.T, config string) (u *user, file string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file = filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "%d", dir)), 0o640); err != nil {
		t.Fatal(err)
	}
	return newUserWith(t, file), file
}

// TestDoctorVerbJoins: what is wrong on many lines is said once.
func TestDoctorVerbJoins(t *testing.T) {
	t.Parallel()
	const block = "Host web1\n  Tags prod\n"
	u, file := patient(t, strings.Repeat(block, 7)+"IgnoreUnknown none\n")
	r := u.sally("doctor")
	if strings.Count(r.out, "[own-keyword]") != 1 || !strings.Contains(r.out, "   at: "+file+":2, 4, 6, 8, 10, and 2 more\n") || !strings.Contains(r.out, "\n7 errors") {
		t.Errorf("%+v", r)
	}
}

func TestDoctorVerb(t *testing.T) {
	t.Parallel()
	u, file := patient(t, ailing)
	before, _ := os.ReadFile(file)
	r := u.sally("doctor")
	if r.code != 1 || r.err != "" {
		t.Fatalf("%+v", r)
	}
	for _, text := range []string{
		"error: ControlMaster yes on a jump host (bastion)  [control-master-yes]\n   at: " + file + ":5\n  why: every later ssh",
		"\n  fix: ControlMaster auto\n", "warning: StrictHostKeyChecking no  [strict-no]\n   at: " + file + ":13\n",
		"note: UsePrivilegedPort has no effect (web1)  [obsolete-keyword]\n",
		"1 error, 1 warning, 1 note; \"sally doctor --fix\" can mend 3\nlooked at: ", " of 1 configuration file, 2 hosts, ",
	} {
		if !strings.Contains(r.out, text) {
			t.Errorf("no %q in\n%s", text, r.out)
		}
	}
	var report doctor.Report
	r = u.sally("doctor", "--json", "web1")
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != 1 || len(report.Findings) != 3 || !report.Findings[0].Fixable || report.Checked.Hosts != 2 {
		t.Errorf("%v: %+v", err, report)
	}
	if after, _ := os.ReadFile(file); string(after) != string(before) {
		t.Errorf("the configuration was changed: %s", after)
	}
	u.nothingConnected()
}

// nothingConnected fails when a daemon was started.
func (u *user) nothingConnected() {
	u.t.Helper()
	if s := u.status(); s.PID != 0 {
		u.t.Errorf("a daemon runs: %+v", s)
	}
}

func TestDoctorMends(t *testing.T) {
	t.Parallel()
	u, file := patient(t, ailing)
	r := u.sally("doctor", "--fix")
	if r.code != 1 || r.err != "sally: doctor: nothing was changed; --yes does it without asking\n" || !strings.Contains(r.out, file+":\n     5 -   ControlMaster yes    # why not\n     5 +   ControlMaster auto    # why not\n") {
		t.Errorf("without a terminal: %+v", r)
	}
	before, _ := os.ReadFile(file)
	con := u.tty("doctor", "--fix")
	con.Expect("Do this? [y/N] ", soon)
	con.Send("n\r")
	if code := con.Wait(soon); code != 1 {
		t.Errorf("refused: exit code %d\n%s", code, con.Transcript())
	}
	if after, _ := os.ReadFile(file); string(after) != string(before) {
		t.Errorf("it was changed: %s", after)
	}
	con = u.tty("doctor", "--fix")
	con.Expect("Do this? [y/N] ", soon)
	con.Send("y\r")
	con.Expect("nothing found: ", soon)
	if code := con.Wait(soon); code != 0 {
		t.Errorf("agreed: exit code %d\n%s", code, con.Transcript())
	}
	want := strings.NewReplacer("Master yes", "Master auto", "  UsePrivilegedPort yes\n", "", "Checking no", "Checking accept-new").Replace(string(before))
	if after, _ := os.ReadFile(file); string(after) != want {
		t.Errorf("it is now\n%s, want\n%s", after, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode: %v %v", info, err)
	}
	if r := u.sally("doctor", "--fix", "--yes"); r.code != 0 || !strings.HasPrefix(r.out, "nothing here can be mended without you\n\nnothing found: ") {
		t.Errorf("once more: %+v", r)
	}
}

// TestDoctorShieldsOurKeywords has plain ssh read the file again.
func TestDoctorShieldsOurKeywords(t *testing.T) {
	t.Parallel()
	u, file := patient(t, "IdentityFile none\nHost web1\n  User alice\n  ControlMaxAge 4h\n  AlternateAddress 192.0.2.1:443\n")
	ssh := func() (string, error) {
		out, err := exec.Command(sshtest.Path(t, "ssh"), "-G", "-F", file, "web1").CombinedOutput()
		return string(out), err
	}
	if out, err := ssh(); err == nil {
		t.Fatalf("ssh reads it as it is: %s", out)
	}
	if r := u.sally("doctor", "--fix", "--yes"); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if out, err := ssh(); err != nil || !strings.Contains(out, "user alice\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDoctorKnowsTheDaemon has one that runs, and one that cannot.
func TestDoctorKnowsTheDaemon(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	u.must("up", "jump")
	if r := u.sally("doctor"); strings.Contains(r.out, "daemon-") || strings.Contains(r.out, "runtime-dir") {
		t.Errorf("%+v", r)
	}
	v := newUser(t, c)
	dir := filepath.Join(v.dir, "sally")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if r := v.sally("doctor"); r.code != 1 || !strings.Contains(r.out, "[runtime-dir]\n   at: "+dir) {
		t.Errorf("%+v", r)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorUsage(t *testing.T) {
	t.Parallel()
	u, _ := patient(t, "IdentityFile none\n")
	if r := u.sally("doctor", "--json", "--fix"); r.code != 2 || !strings.Contains(r.err, "needs --yes") {
		t.Errorf("%+v", r)
	}
	if r := u.sally("doctor", "--help"); r.code != 0 || !strings.Contains(r.out, "Examples:") {
		t.Errorf("%+v", r)
	}
}
