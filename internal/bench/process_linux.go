package bench

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes processes that detach themselves below us our children,
// so that masters and daemons can be found, counted and ended.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	return nil
}

// children maps the living processes by their parents.
func children() map[int][]int {
	entries, _ := os.ReadDir("/proc")
	below := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// proc_pid_stat(5): "pid (name) state parent …"
		f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(f) < 2 || f[0][0] == 'Z' || f[0][0] == 'X' {
			continue
		}
		if parent, err := strconv.Atoi(string(f[1])); err == nil {
			below[parent] = append(below[parent], pid)
		}
	}
	return below
}

// descendants lists the living processes below us, without those that skip
// names and what is below them.
func descendants(skip []int) []int {
	below := children()
	var found []int
	for queue := []int{os.Getpid()}; len(queue) > 0; queue = queue[1:] {
		for _, pid := range below[queue[0]] {
			if !slices.Contains(skip, pid) {
				found = append(found, pid)
				queue = append(queue, pid)
			}
		}
	}
	return found
}

// endProcesses ends processes and waits until they are gone.
func endProcesses(pids []int) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		for _, pid := range pids {
			_ = unix.Kill(pid, sig)
		}
		for range 300 {
			alive := descendants(nil)
			if !slices.ContainsFunc(pids, func(pid int) bool { return slices.Contains(alive, pid) }) {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// endDescendants ends everything below us.
func endDescendants() {
	for range 5 {
		pids := descendants(nil)
		if len(pids) == 0 {
			return
		}
		endProcesses(pids)
	}
}

// ourProgram is the file that we run from.
func ourProgram() string {
	path, _ := os.Readlink("/proc/self/exe")
	return path
}

func isProgram(pid int, path string) bool {
	is, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && is == path
}

// cpuTime is what a process has used so far, ended threads included: its CPU
// clock (clock_getcpuclockid(3)).
func cpuTime(pid int) time.Duration {
	const schedClock = 2
	var t unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|schedClock), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

func cpuTimes(pids []int) map[int]time.Duration {
	times := map[int]time.Duration{}
	for _, pid := range pids {
		times[pid] = cpuTime(pid)
	}
	return times
}

// memory is a process's share of the memory in use: proportional set size, in
// bytes.
func memory(pid int) int64 {
	rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range bytes.Lines(rollup) {
		f := bytes.Fields(line)
		if len(f) >= 2 && string(f[0]) == "Pss:" {
			kib, _ := strconv.ParseInt(string(f[1]), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// load is the load average of the last minute.
func load() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	f := bytes.Fields(text)
	if len(f) == 0 {
		return 0
	}
	value, _ := strconv.ParseFloat(string(f[0]), 64)
	return value
}

// processor is the processor's name, and kernel the system's.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return "unknown"
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "Linux"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}
