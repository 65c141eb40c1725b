package cli

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ancestor is the command line of the parent, or of its parent when the first
// is a shell, that is the wanted one.
func ancestor(wanted func(argv []string) bool) ([]string, bool) {
	pid := os.Getppid()
	for range 2 {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || len(cmdline) == 0 {
			return nil, false
		}
		argv := strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
		if wanted(argv) {
			return argv, true
		}
		if pid = parentOf(pid); pid <= 1 {
			return nil, false
		}
	}
	return nil, false
}

// parentOf reads a process's parent, the second field after the name: proc(5),
// /proc/pid/stat.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent
}
