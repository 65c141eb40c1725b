package sshconfig

import (
	"os"
	"strconv"
	"strings"
)

// privateGroup tells whether the user of uid is the only member of a group, by
// /etc/passwd and /etc/group. Debian's ssh trusts files that such a group may
// write (its patch user-group-modes).
func privateGroup(gid, uid int) bool {
	var owner string
	members := 0
	for _, f := range readTable("/etc/passwd", 4) {
		if f[3] == strconv.Itoa(gid) {
			members++
			if f[2] != strconv.Itoa(uid) {
				return false
			}
		}
		if f[2] == strconv.Itoa(uid) && owner == "" {
			owner = f[0]
		}
	}
	for _, f := range readTable("/etc/group", 4) {
		if f[2] != strconv.Itoa(gid) {
			continue
		}
		if f[3] != "" {
			members++
			if f[3] != owner {
				return false
			}
		}
		return owner != "" && members > 0
	}
	return false
}

// readTable reads a file of lines of fields parted by colons, and keeps the
// lines that have at least n.
func readTable(file string, n int) [][]string {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var out [][]string
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(fields) >= n {
			out = append(out, fields)
		}
	}
	return out
}
