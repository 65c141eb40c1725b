package sshconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scenario is one question put to "ssh -G" and to this package.
type scenario struct {
	name  string
	args  []string // what ssh gets after -G -F file
	env   []string // NAME=VALUE besides a small fixed environment
	files []scenarioFile
	// account is set when the first file is a user's own, read without -F.
	account *account
}

// scenarioFile is a file of a scenario; the first one is the configuration.
type scenarioFile struct {
	name string
	mode os.FileMode
	text string
}

// answer is what a resolver said.
type answer struct {
	ok     bool
	dump   string
	errors string
}

// dirMark stands for the scenario's directory in files, arguments and answers.
const dirMark = "$DIR"

// write puts the files into dir and returns the configuration's name.
func (s *scenario) write(t testing.TB, dir string) string {
	t.Helper()
	for _, f := range s.files {
		name := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(f.text, dirMark, dir)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, f.mode); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, s.files[0].name)
}

// environ is the environment both sides see.
func (s *scenario) environ() []string {
	return append([]string{"PATH=/usr/bin:/bin", "SHELL=/bin/sh", "LC_ALL=C"}, s.env...)
}

// askSSH runs the oracle.
func (s *scenario) askSSH(t testing.TB, dir, config string) answer {
	t.Helper()
	args := []string{"-G"}
	if s.account == nil {
		args = append(args, "-F", config)
	}
	for _, a := range s.args {
		args = append(args, strings.ReplaceAll(a, dirMark, dir))
	}
	cmd := exec.Command("ssh", args...)
	cmd.Env = s.environ()
	if s.account != nil {
		cmd.Env = append(cmd.Env, s.account.environ(s, dir)...)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run ssh: %v", err)
	}
	messages := oracleErrors(errs.String())
	if s.account != nil {
		messages = strings.ReplaceAll(messages, defaultSystemFile, filepath.Join(dir, "system"))
	}
	return answer{err == nil, out.String(), messages}
}

// functionPrefix is the C function that a message of OpenSSH names.
var functionPrefix = regexp.MustCompile(`^[a-z_]+: `)

// debugLine is what LogLevel and LogVerbose add.
var debugLine = regexp.MustCompile(`^debug[123]: |^Unsupported KEX algorithm |^Canonicalized |^ignoring bad CNAME |^ssh_config: |^[a-z-]+\.c:`)

// linePlace is how a message names its line.
var linePlace = regexp.MustCompile(`^\S+ line \d+: `)

// expansionFailed is what a line ends in whose variable cannot be expanded, and
// environmentLine the reason that ssh gives before it.
var (
	expansionFailed = regexp.MustCompile(`: (Invalid environment expansion |Bad forwarding specification)`)
	environmentLine = regexp.MustCompile(`^(env var |environment variable |zero-length environment variable)`)
)

// oracleErrors drops what is not about the configuration, and makes one message
// of the two that a bad Match line causes.
func oracleErrors(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.HasPrefix(line, "usage: ") {
			break
		}
		if strings.HasPrefix(line, "Pseudo-terminal will not be allocated") ||
			strings.HasPrefix(line, "Cannot forward agent socket path") || debugLine.MatchString(line) {
			continue
		}
		line = functionPrefix.ReplaceAllString(line, "")
		line = strings.ReplaceAll(line, "(null)", "") // a C string that is missing
		if line == "failed" || line == "invalid environment variable expansion" {
			continue // the line before has said why
		}
		if expansionFailed.MatchString(line) && environmentLine.MatchString(last(out)) {
			out = out[:len(out)-1]
		}
		if strings.Contains(line, ": Invalid ProxyJump ") && strings.HasPrefix(last(out), "invalid ") {
			out[len(out)-1] = line + ": " + last(out)
			continue
		}
		if strings.HasSuffix(line, "Bad Match condition") && len(out) > 0 {
			reason := linePlace.ReplaceAllString(out[len(out)-1], "")
			out[len(out)-1] = line + ": " + reason
			continue
		}
		if sameLine(last(out), line) || slices.Contains(out, line) {
			continue // ssh says two things of one line
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// placeOf is the place in a message, with or without a colon after the file.
var placeOf = regexp.MustCompile(`^(\S+?):? line (\d+): `)

// sameLine tells whether two messages are about one line of a file.
func sameLine(a, b string) bool {
	x, y := placeOf.FindStringSubmatch(a), placeOf.FindStringSubmatch(b)
	if x == nil || y == nil || x[1] != y[1] || x[2] != y[2] {
		return false
	}
	// All overrides are line 0, but nothing follows the first that is wrong.
	return x[1] != commandLine || !strings.Contains(a, ": Unsupported option ")
}

func last(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1]
}

// withoutWarnings drops the lines that are no errors; we give them only with an
// answer.
func withoutWarnings(s string) string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		if !strings.Contains(line, ": Unsupported option ") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// testEnv is this process's Env with the scenario's environment.
func (s *scenario) testEnv() Env {
	vars := make(map[string]string)
	for _, kv := range s.environ() {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = v
	}
	return Env{
		Getenv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		Exec: func(ctx context.Context, command string) (bool, error) {
			cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
			cmd.Env = s.environ()
			err := cmd.Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return false, nil
			}
			return err == nil, err
		},
	}
}

// query makes a Query of ssh's arguments; it knows -o, -p, -l and the host.
func (s *scenario) query(t testing.TB, dir string) Query {
	t.Helper()
	q := Query{PrintOnly: true}
	args := s.args
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		value := strings.ReplaceAll(args[1], dirMark, dir)
		switch args[0] {
		case "-o":
			q.Overrides = append(q.Overrides, ParseOverride(value, "-o"))
		case "-p":
			q.Overrides = append(q.Overrides, Override{"Port", value, "-p", false})
		case "-l":
			q.Overrides = append(q.Overrides, Override{"User", Quote(value), "-l", false})
		case "-W":
			q.StdioForward = true
			q.Overrides = append(q.Overrides,
				Override{"RequestTTY", "no", "-W", true}, Override{"SessionType", "none", "-W", true})
		default:
			t.Fatalf("argument %q is not known here", args[0])
		}
		args = args[2:]
	}
	q.Host, q.Command = args[0], strings.Join(args[1:], " ")
	return q
}

// askUs resolves with this package.
func (s *scenario) askUs(t testing.TB, dir, config string) answer {
	t.Helper()
	env := s.testEnv()
	if s.account != nil {
		s.account.fill(&env, s, dir)
		config = ""
	}
	files, err := Load(config, env)
	if err != nil {
		return answer{errors: err.Error()}
	}
	r, err := files.Resolve(context.Background(), s.query(t, dir))
	if err != nil {
		return answer{errors: err.Error()}
	}
	var b bytes.Buffer
	if err := r.Dump(&b); err != nil {
		t.Fatal(err)
	}
	return answer{true, b.String(), strings.Join(r.Warnings, "\n")}
}

// compare puts a scenario to both and tells how the answers differ, "" when
// they do not.
func (s *scenario) compare(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	config := s.write(t, dir)
	theirs, ours := s.askSSH(t, dir, config), s.askUs(t, dir, config)
	if !theirs.ok {
		theirs.errors = withoutWarnings(theirs.errors)
	}
	switch {
	case theirs.ok != ours.ok:
		return fmt.Sprintf("ssh ok=%v, ours ok=%v\nssh: %s\nours: %s", theirs.ok, ours.ok, theirs.errors, ours.errors)
	case theirs.errors != ours.errors && !s.quiet():
		return fmt.Sprintf("messages differ\nssh:  %s\nours: %s", theirs.errors, ours.errors)
	case theirs.dump != ours.dump:
		return "answers differ (- ssh, + ours)\n" + lineDiff(theirs.dump, ours.dump)
	}
	return ""
}

// quietLevel is a LogLevel that may hide messages.
var quietLevel = regexp.MustCompile(`(?i)loglevel\W+(quiet|silent|fatal)`)

// quiet tells whether ssh may hold its messages back.
func (s *scenario) quiet() bool {
	text := strings.Join(s.args, " ")
	for _, f := range s.files {
		text += f.text
	}
	return quietLevel.MatchString(strings.NewReplacer(`"`, "", `'`, "").Replace(text))
}

// lineDiff lists the lines that only one side has, and says so when it is the
// order that differs.
func lineDiff(a, b string) string {
	count := make(map[string]int)
	for line := range strings.Lines(a) {
		count[line]++
	}
	var out strings.Builder
	for line := range strings.Lines(b) {
		if count[line]--; count[line] < 0 {
			out.WriteString("+" + line)
		}
	}
	for line := range strings.Lines(a) {
		if count[line] > 0 {
			count[line]--
			out.WriteString("-" + line)
		}
	}
	if out.Len() == 0 {
		return "the order of lines\n"
	}
	return out.String()
}

// requireSSH fails where the oracle is missing, or is another version than the
// one that the package follows.
func requireSSH(t testing.TB) {
	t.Helper()
	out, err := exec.Command("ssh", "-V").CombinedOutput()
	if err != nil {
		t.Fatalf("the tests need ssh (Debian package openssh-client): %v", err)
	}
	if !bytes.HasPrefix(out, []byte(Version)) {
		t.Skipf("the oracle is %s; these answers are those of %s", bytes.TrimSpace(out), Version)
	}
}

func TestDefaultsAgreeWithSSH(t *testing.T) {
	requireSSH(t)
	s := scenario{name: "empty", args: []string{"example"}, files: []scenarioFile{{"config", 0o600, ""}}}
	if diff := s.compare(t); diff != "" {
		t.Error(diff)
	}
}
