package stdio

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const noSignal = unix.MSG_NOSIGNAL

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// openKind prefers a description of our own to sharing the one of fd.
func openKind(fd int, k kind, write bool) (endpoint, error) {
	own := -1
	switch k {
	case kindPipe:
		own = reopen(fmt.Sprintf("/proc/self/fd/%d", fd), write)
	case kindTerminal:
		own = reopenTerminal(fd, write)
	}
	if own < 0 {
		return openPolled(fd, k, write)
	}
	return &owned{f: os.NewFile(uintptr(own), "stdio"), write: write, terminal: k == kindTerminal}, nil
}

// reopen opens path for itself, or returns -1: another user's pipe or
// terminal, no /proc, or nobody at the other end of a pipe.
func reopen(path string, write bool) int {
	mode := unix.O_RDONLY
	if write {
		mode = unix.O_WRONLY
	}
	for {
		// O_NOCTTY: a daemon must not get the user's terminal as its own.
		fd, err := unix.Open(path, mode|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd
		}
		if err != unix.EINTR {
			return -1
		}
	}
}

// Device numbers of Linux, Documentation/admin-guide/devices.txt.
const (
	majorPtsLow  = 136 // /dev/pts/N is 136:N, then 137:N-256, …
	majorPtsHigh = 143
)

// reopenTerminal opens the terminal that fd is once more, or returns -1. The
// master side of a pseudo-terminal has no name by which it could be opened.
func reopenTerminal(fd int, write bool) int {
	if _, err := unix.IoctlGetInt(fd, unix.TIOCGPTN); err == nil {
		return -1
	}
	dev, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV)
	if err != nil {
		return -1
	}
	// /dev/tty, which may also be what fd was opened as, is another terminal
	// in each process. After su it is the only one that may be opened.
	for _, path := range []string{fmt.Sprintf("/proc/self/fd/%d", fd), ptsPath(uint64(dev)), "/dev/tty"} {
		own := reopen(path, write)
		if own < 0 {
			continue
		}
		if got, err := unix.IoctlGetUint32(own, unix.TIOCGDEV); err == nil && got == dev {
			return own
		}
		unix.Close(own)
	}
	return -1
}

// ptsPath is the name of the pseudo-terminal with the device number dev, ""
// when it is no such device.
func ptsPath(dev uint64) string {
	major := unix.Major(dev)
	if major < majorPtsLow || major > majorPtsHigh {
		return ""
	}
	return fmt.Sprintf("/dev/pts/%d", (major-majorPtsLow)<<8|unix.Minor(dev))
}

// owned is a non-blocking description of our own. Go's poller waits for it,
// which costs no thread.
type owned struct {
	f               *os.File
	write, terminal bool
}

func (d *owned) transfer(p []byte) (int, error) {
	if d.write {
		return d.f.Write(p)
	}
	if !d.terminal {
		return d.f.Read(p)
	}
	n, err := d.readTyped(p)
	if errors.Is(err, unix.EIO) {
		return n, nil // the terminal has hung up
	}
	return n, err
}

// readTyped reads what was typed, and does not try before: a job in the
// background is stopped by the attempt (SIGTTIN), and should run until somebody
// types, as it does with ssh.
func (d *owned) readTyped(p []byte) (n int, err error) {
	raw, err := d.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Read(func(fd uintptr) bool {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if count, _ := unix.Poll(ready, 0); count == 0 {
			return false
		}
		for n, err = unix.Read(int(fd), p); errors.Is(err, unix.EINTR); {
			n, err = unix.Read(int(fd), p)
		}
		return !errors.Is(err, unix.EAGAIN)
	})
	return max(n, 0), cmp.Or(failed, err)
}

func (d *owned) cancel() bool { d.f.SetDeadline(time.Unix(1, 0)); return true }
func (d *owned) close() error { return d.f.Close() }
