//go:build unix && !linux

package cli

import "golang.org/x/sys/unix"

// closeOnExec marks whatever descriptors this process inherited, so that the
// daemon does not inherit them in turn.
func closeOnExec() {
	for fd := 3; fd < 1024; fd++ {
		unix.CloseOnExec(fd)
	}
}

// dupTo makes descriptor to a copy of fd.
func dupTo(fd, to int) error { return unix.Dup2(fd, to) }

// Requests of ioctl(2) about a terminal's modes; the second one throws away
// what was typed before.
const (
	getModes        = unix.TIOCGETA
	setModesDiscard = unix.TIOCSETAF
	setModes        = unix.TIOCSETA
)
