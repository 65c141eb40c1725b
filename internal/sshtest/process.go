package sshtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process seen in /proc.
type Process struct {
	PID     int
	Command string // its arguments, separated by spaces
}

func (p Process) String() string { return fmt.Sprintf("%d %q", p.PID, p.Command) }

// ProcessesWith lists the processes that were started with the variable
// setting ("NAME=value") in their environment, wherever they went since. It
// finds daemons that detached themselves, but misses a process in the moment in
// which it executes another program: poll for what must appear.
func ProcessesWith(setting string) []Process {
	want := []byte("\x00" + setting + "\x00")
	var found []Process
	for _, pid := range allPIDs() {
		env, err := os.ReadFile(procFile(pid, "environ"))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if bytes.Contains(append([]byte{0}, env...), want) && isAlive(pid) {
			found = append(found, Process{pid, commandLine(pid)})
		}
	}
	return found
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

func allPIDs() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func commandLine(pid int) string {
	args, _ := os.ReadFile(procFile(pid, "cmdline"))
	return strings.TrimSpace(string(bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
}

// isAlive is false for a process that has ended and waits to be reaped.
func isAlive(pid int) bool {
	_, state, ok := parentAndState(pid)
	return ok && state != 'Z' && state != 'X'
}

// parentAndState reads proc_pid_stat(5): "pid (name) state parent …", where the
// name may hold anything.
func parentAndState(pid int) (parent int, state byte, ok bool) {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0, 0, false
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(string(f[1]))
	return parent, f[0][0], err == nil
}

// descendants lists the living processes below the given ones, nearest first,
// without these.
func descendants(roots ...int) []int {
	children := make(map[int][]int)
	for _, pid := range allPIDs() {
		if parent, state, ok := parentAndState(pid); ok && state != 'Z' && state != 'X' {
			children[parent] = append(children[parent], pid)
		}
	}
	var below []int
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		below = append(below, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return below
}

// ownedBy lists the processes whose real user is uid.
func ownedBy(uid int) []int {
	want := fmt.Appendf(nil, "\nUid:\t%d\t", uid)
	var found []int
	for _, pid := range allPIDs() {
		status, err := os.ReadFile(procFile(pid, "status"))
		if err == nil && bytes.Contains(status, want) && isAlive(pid) {
			found = append(found, pid)
		}
	}
	return found
}

func signalAll(pids []int, sig unix.Signal) {
	for _, pid := range pids {
		unix.Kill(pid, sig)
	}
}

// poll asks done at short intervals until it is true, or within has passed.
func poll(within time.Duration, done func() bool) bool {
	deadline := time.Now().Add(within)
	for !done() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
