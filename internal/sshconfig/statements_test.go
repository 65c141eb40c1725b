package sshconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStatements(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	more := write("more", "Port=22\nHost c\n User z\n")
	files, err := Load(write("config", "User x # why\nHost a b*\n  IdentityFile \"~/a b\"\n  Include "+more+"\n  Protocol 2\nMatch host q\n  ProxyJmp y\n"), Env{Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range files.Statements() {
		text := fmt.Sprintf("%s:%d %s %q %q", filepath.Base(s.File), s.Line, s.Keyword, s.Args, s.Block)
		for flag, on := range map[string]bool{" adds up": s.AddsUp, " obsolete": s.Obsolete, " every host": s.EveryHost(), " several": s.Several()} {
			if on && strings.Contains("adds up obsolete", strings.TrimSpace(flag)) {
				text += flag
			}
		}
		got = append(got, text)
	}
	want := []string{
		`config:1 user ["x"] []`, `config:2 host ["a" "b*"] ["a" "b*"]`, `config:3 identityfile ["~/a b"] ["a" "b*"] adds up`,
		fmt.Sprintf(`config:4 include [%q] ["a" "b*"]`, more), `more:1 port ["22"] ["a" "b*"]`, `more:2 host ["c"] ["c"]`, `more:3 user ["z"] ["c"]`,
		`config:5 protocol ["2"] ["a" "b*"] obsolete`, `config:6 match ["host" "q"] ["Match host q"]`, `config:7  ["y"] ["Match host q"]`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("statements are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if all := files.Included(); len(all) != 1 || all[0] != more {
		t.Errorf("included: %q", all)
	}
}

func TestLines(t *testing.T) {
	d := ParseDocument("# c\r\nHost a\r\n\tPort=22 # why\r\n\nHost b")
	if d.SetLine(1, "x") || d.SetLine(9, "x") || !d.SetLine(3, "2222") || d.DeleteLine(0) || !d.AddLine(2, "User", "u") || !d.DeleteLine(1) {
		t.Error("a line was taken for another")
	}
	if got, want := d.String(), "Host a\r\n\tUser=u\r\n\tPort=2222 # why\r\n\nHost b"; got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
}
