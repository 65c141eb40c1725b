package sshconfig

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestHandMadeConfigurationsAgreeWithSSH puts the scenarios of testdata/oracle
// to ssh and to us. In a file, a line "=== NAME | ARGS" starts a scenario, whose
// first file follows; "env NAME=VALUE" lines may come right after it;
// "--- FILE[|MODE]" starts another file. $DIR is the scenario's directory, and
// "\t", "\r", "\f" and "\0" at a line's end stand for those bytes. ARGS are
// parted by two spaces; the default is "host".
func TestHandMadeConfigurationsAgreeWithSSH(t *testing.T) {
	requireSSH(t)
	names, err := filepath.Glob("testdata/oracle/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	count := 0
	for _, name := range names {
		for _, s := range readScenarios(t, name) {
			count++
			t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
				if diff := s.compare(t); diff != "" {
					t.Errorf("%s\n%s", diff, s.text())
				}
			})
		}
	}
	if count < 200 {
		t.Errorf("%d scenarios, want at least 200", count)
	}
}

// TestIntendedDifferences keeps the list of differences true.
func TestIntendedDifferences(t *testing.T) {
	requireSSH(t)
	for _, s := range readScenarios(t, "testdata/differences.txt") {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			if s.compare(t) == "" {
				t.Errorf("ssh agrees\n%s", s.text())
			}
		})
	}
}

// lineEnds are the bytes that an editor would not show.
var lineEnds = strings.NewReplacer(`\t`+"\n", "\t\n", `\r`+"\n", "\r\n", `\f`+"\n", "\f\n", `\0`, "\x00")

// readScenarios reads a file of scenarios.
func readScenarios(t *testing.T, name string) []*scenario {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []*scenario
	var s *scenario
	for line := range strings.Lines(string(data)) {
		head := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(head, "=== "):
			title, args, ok := strings.Cut(head[4:], " | ")
			if !ok {
				args = "host"
			}
			s = &scenario{name: title, args: strings.Split(args, "  ")}
			s.files = []scenarioFile{{"config", 0o600, ""}}
			out = append(out, s)
		case s == nil:
			continue // a comment at the top
		case strings.HasPrefix(head, "env ") && len(s.files) == 1 && s.files[0].text == "":
			s.env = append(s.env, head[4:])
		case strings.HasPrefix(head, "--- "):
			s.files = append(s.files, newScenarioFile(t, head[4:]))
		default:
			f := &s.files[len(s.files)-1]
			f.text += lineEnds.Replace(line)
		}
	}
	return out
}

// newScenarioFile reads "FILE[|MODE]".
func newScenarioFile(t *testing.T, head string) scenarioFile {
	t.Helper()
	name, mode, ok := strings.Cut(head, "|")
	f := scenarioFile{name: name, mode: 0o600}
	if ok {
		n, err := strconv.ParseUint(mode, 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		f.mode = os.FileMode(n)
	}
	return f
}
