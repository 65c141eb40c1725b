package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// completing is a user with hosts whose names begin alike, and with sally as a
// command of that name in the path.
func completing(t *testing.T) (*user, string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	text := "Host webserver1 webserver2\nHost gate\nHost bastion\nHost web*\nHost odd\x1bname\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(dir, "sally")); err != nil {
		t.Fatal(err)
	}
	return newUserWith(t, config), dir
}

// TestCompletionWords asks as the shells' scripts do.
func TestCompletionWords(t *testing.T) {
	t.Parallel()
	u, _ := completing(t)
	for _, test := range []struct {
		words string
		want  string // some of them must be there
		not   string
	}{
		{"web", "webserver1 webserver2 :4", "web* gate odd"},
		{"ssh web", "webserver1 webserver2 :4", "status"},
		{"-v -p 22 root@web", "root@webserver1 root@webserver2", "status"},
		{"-J bastion,g", "bastion,gate :6", "webserver1"},
		{"-J alice@b", "alice@bastion", "gate"},
		{"ssh -J g", "gate", "webserver1"},
		{"up root@web", "root@webserver1", "gate"},
		{"up webserver1 g", "gate", ""},
		{"st", "status", "webserver1 up"},
		{"ssh st", ":4", "status"},
		{"-", "-J -L --no-daemon", ""},
		{"-o proxyj", "proxyjump=", "proxycommand="},
		{"-c chacha", "chacha20-poly1305@openssh.com", ""},
		{"-O ch", "check", "stop"},
		{"-- st", ":4", "status"},
		{"webserver1 st", ":0", "status"},
		{"status --j", "--json", "webserver1"},
		{"up -J bastion,g", "bastion,gate :6", "webserver1"},
		{"add new --jump g", "gate :6", "webserver1"},
		{"edit webserver1 -J g", "gate", "webserver1"},
		{"import --format k", "known_hosts :4", "csv"},
		{"export --format j", "json :4", "csv"},
		{"completion b", "bash", "zsh"},
	} {
		fields := strings.Fields(test.words)
		r := u.run(u.cmd(append([]string{"__complete"}, append([]string{"-F", u.config}, fields...)...)...))
		var got []string
		for line := range strings.Lines(r.out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		all := " " + strings.Join(got, " ") + " "
		for _, want := range strings.Fields(test.want) {
			if !strings.Contains(all, " "+want+" ") {
				t.Errorf("%q: no %s in%s", test.words, want, all)
			}
		}
		for _, not := range strings.Fields(test.not) {
			if strings.Contains(all, " "+not+" ") {
				t.Errorf("%q: %s in%s", test.words, not, all)
			}
		}
	}
	if len(u.processes("daemon")) > 0 {
		t.Error("a completion started the daemon")
	}
}

// TestCompletionInShells presses Tab in each of them.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	u, dir := completing(t)
	path, home := "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir
	for _, shell := range []struct {
		name  string
		start []string
		setup string
	}{
		{"bash", []string{"env", path, home, "bash", "--norc", "--noprofile", "-i"},
			"PS1='$ '; . /usr/share/bash-completion/bash_completion; . <(sally completion bash)"},
		{"zsh", []string{"env", path, home, "zsh", "-f", "-i"},
			"PS1='$ '; autoload -U compinit; compinit -u -D; . <(sally completion zsh)"},
		{"fish", []string{"env", path, home, "fish", "--no-config"}, "sally completion fish | source"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			const config = "config" // in the directory
			u := &user{t: t, dir: u.dir, config: u.config}
			s := u.onScreen(shell.start...)
			s.prompt()
			s.press("cd "+dir+"; "+shell.setup+"; echo rea''dy", "Enter")
			s.see("ready")
			for _, line := range [][2]string{
				{"sally -F " + config + " webs", "webserver"},
				{"sally -F " + config + " up root@ga", "root@gate"},
				{"sally -F " + config + " root@ga", "root@gate"},
				{"sally -F " + config + " -J bastion,ga", "bastion,gate"},
				{"sally ssh -F " + config + " bas", "bastion"},
				{"sally stat", "status"},
			} {
				s.press("C-l")
				s.press(line[0])
				s.see(line[0])
				s.press("Tab")
				s.see(line[1])
				s.press("C-u")
			}
		})
	}
}
