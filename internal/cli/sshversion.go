package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// sshHashesJump reports whether the installed ssh has %j in %C, as OpenSSH has
// from 9.6 on: to meet at a ControlPath both must compute the same. Running
// "ssh -V" would cost more than all else at the start; the version is in the
// program's own text.
func sshHashesJump(path string) bool {
	text, err := os.ReadFile(findSSH(path))
	if err != nil {
		return false
	}
	major, minor, ok := opensshVersion(text)
	return ok && (major > 9 || major == 9 && minor >= 6)
}

// findSSH is the first ssh of PATH that is not this program.
func findSSH(path string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	ours, err := os.Stat(self)
	if err != nil {
		return ""
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, "ssh")
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && !os.SameFile(info, ours) {
			return file
		}
	}
	return ""
}

// opensshVersion finds a portable release's "OpenSSH_9.2p1" in a program.
func opensshVersion(program []byte) (major, minor int, ok bool) {
	const name = "OpenSSH_"
	for {
		i := bytes.Index(program, []byte(name))
		if i < 0 {
			return 0, 0, false
		}
		program = program[i+len(name):]
		head := program[:min(len(program), 16)]
		first, rest, dotted := bytes.Cut(head, []byte("."))
		end := 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		major, err := strconv.Atoi(string(first))
		if err != nil || !dotted || end == len(rest) || rest[end] != 'p' {
			continue // a peer's, in the table of their faults
		}
		if minor, err = strconv.Atoi(string(rest[:end])); err == nil {
			return major, minor, true
		}
	}
}
