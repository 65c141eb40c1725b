package sshconfig

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTraceAgreesWithSSH compares the trace with the first level of "ssh -v".
func TestTraceAgreesWithSSH(t *testing.T) {
	requireSSH(t)
	s := scenario{args: []string{"web1"}, files: []scenarioFile{
		{"config", 0o600, `IgnoreUnknown Foo
Foo bar
UseRoaming no
Host web* x !web2
Host web1 !web*
Include $DIR/inc
HostName real
Match final
Host other
Include $DIR/inc
`},
		{"inc", 0o600, "Host *\nUser x\nHost real web1\n"},
	}}
	dir := t.TempDir()
	config := s.write(t, dir)
	cmd := exec.Command("ssh", "-v", "-G", "-F", config, "web1")
	cmd.Env = s.environ()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(errs.String()) {
		if text, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "debug1: "); ok {
			want = append(want, text)
		}
	}
	files, err := Load(config, s.testEnv())
	if err != nil {
		t.Fatal(err)
	}
	r, err := files.Resolve(t.Context(), Query{Host: "web1", PrintOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Trace); diff != "" {
		t.Error(diff)
	}
}
