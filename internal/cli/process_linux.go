package cli

import (
	"math"

	"golang.org/x/sys/unix"
)

// closeOnExec marks whatever descriptors this process inherited, so that the
// daemon does not inherit them in turn: one kept open would hang the shell
// pipeline that it belongs to.
func closeOnExec() { _ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }

// dupTo makes descriptor to a copy of fd.
func dupTo(fd, to int) error { return unix.Dup3(fd, to, 0) }

// Requests of ioctl(2) about a terminal's modes; the second one throws away
// what was typed before.
const (
	getModes        = unix.TCGETS
	setModesDiscard = unix.TCSETSF
	setModes        = unix.TCSETS
)
