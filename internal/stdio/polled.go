//go:build unix

package stdio

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// withFd calls f with the descriptor of file. File.Fd would not do: it can
// change the descriptor's flags.
func withFd(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// plain is a descriptor that is always ready.
type plain struct {
	fd    int
	write bool
}

func (d *plain) transfer(p []byte) (int, error) {
	for {
		n, err := blocking(d.fd, p, d.write)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func (d *plain) cancel() bool { return true }
func (d *plain) close() error { return nil }

// polled is a descriptor that may block: each transfer is tried, and waits
// until the descriptor is ready when it would block.
type polled struct {
	fd    int
	write bool
	kind  kind
	wait  *waiter
}

// kind tells how a transfer that must not block is made.
type kind int

const (
	kindOther kind = iota
	kindTerminal
	kindPipe
	kindSocket
)

func (d *polled) transfer(p []byte) (int, error) {
	for {
		n, err := d.try(p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := d.wait.wait(); err != nil {
				return 0, err
			}
		case err == unix.EIO && d.kind == kindTerminal && !d.write:
			return 0, nil // the terminal has hung up
		default:
			return n, err
		}
	}
}

// Bounds of a blocking write after poll said that there is room: a pipe has
// room for PIPE_BUF bytes then, a terminal may have little.
const (
	pipeChunk     = 4096
	terminalChunk = 64
)

// try makes a transfer that does not block, or returns EAGAIN.
func (d *polled) try(p []byte) (int, error) {
	if d.kind == kindSocket {
		return nonBlocking(d.fd, p, d.write)
	}
	if !ready(d.fd, d.write) {
		return 0, unix.EAGAIN
	}
	if d.write {
		chunk := terminalChunk
		if d.kind == kindPipe {
			chunk = pipeChunk
		}
		p = p[:min(len(p), chunk)]
	}
	return blocking(d.fd, p, d.write)
}

func (d *polled) cancel() bool { d.wait.cancel(); return true }
func (d *polled) close() error { return d.wait.close() }

func blocking(fd int, p []byte, write bool) (int, error) {
	if write {
		return unix.Write(fd, p)
	}
	return unix.Read(fd, p)
}

func nonBlocking(fd int, p []byte, write bool) (int, error) {
	if write {
		return unix.SendmsgN(fd, p, nil, nil, unix.MSG_DONTWAIT|noSignal)
	}
	n, _, err := unix.Recvfrom(fd, p, unix.MSG_DONTWAIT)
	return n, err
}

// ready reports whether a transfer would return at once, be it with an error.
func ready(fd int, write bool) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: pollEvents(write)}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

func pollEvents(write bool) int16 {
	if write {
		return unix.POLLOUT
	}
	return unix.POLLIN
}

// classify looks at what fd is. A descriptor that is not open, or not for
// this direction, is EBADF.
func classify(fd int, write bool) (k kind, alwaysReady bool, err error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return 0, false, err
	}
	wrong := unix.O_WRONLY
	if write {
		wrong = unix.O_RDONLY
	}
	if flags&unix.O_ACCMODE == wrong {
		return 0, false, unix.EBADF
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, false, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return kindPipe, false, nil
	case unix.S_IFSOCK:
		return kindSocket, false, nil
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFBLK:
		return kindOther, true, nil
	}
	if isTerminal(fd) {
		return kindTerminal, false, nil
	}
	return kindOther, false, nil
}

// openEndpoint chooses how f is used.
func openEndpoint(f *os.File, write bool) (endpoint, error) {
	if f == nil {
		return invalid{}, nil
	}
	var e endpoint
	err := withFd(f, func(fd int) error {
		k, alwaysReady, err := classify(fd, write)
		if err != nil {
			return err
		}
		if alwaysReady {
			e = &plain{fd: fd, write: write}
			return nil
		}
		e, err = openKind(fd, k, write)
		return err
	})
	if errors.Is(err, unix.EBADF) {
		return invalid{}, nil
	}
	return e, err
}

// openPolled waits for fd, or takes it as always ready when it cannot be
// waited for (/dev/null is such a one).
func openPolled(fd int, k kind, write bool) (endpoint, error) {
	w, err := newWaiter(fd, write)
	if errors.Is(err, unix.EPERM) {
		return &plain{fd: fd, write: write}, nil
	}
	if err != nil {
		return nil, err
	}
	return &polled{fd: fd, write: write, kind: k, wait: w}, nil
}
