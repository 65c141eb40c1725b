//go:build unix

package hop

import (
	"os/exec"
	"syscall"
)

// ownGroup lets the command and what it starts be ended together, and keeps
// the terminal's Ctrl-C away from it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func hangUp(cmd *exec.Cmd)    { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP) }
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
