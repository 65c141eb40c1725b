//go:build unix

package daemon

import "syscall"

// suspend stops a client of ours, which puts its terminal back first.
func suspend(pid int) { _ = syscall.Kill(pid, syscall.SIGTSTP) }
