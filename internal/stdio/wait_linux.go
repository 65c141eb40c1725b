package stdio

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits until a descriptor is ready, without a thread and without
// O_NONBLOCK on it: the descriptor is put into an epoll set of its own, and
// Go's poller waits for the set.
type waiter struct {
	set   *os.File
	raw   syscall.RawConn
	check func(uintptr) bool
}

// newWaiter fails with EPERM for what is always ready.
func newWaiter(fd int, write bool) (*waiter, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if write {
		event.Events = unix.EPOLLOUT
	}
	if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		unix.Close(set)
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	// The set is ours alone: it may be non-blocking, which makes os.NewFile
	// hand it to Go's poller.
	if err := unix.SetNonblock(set, true); err != nil {
		unix.Close(set)
		return nil, err
	}
	w := &waiter{set: os.NewFile(uintptr(set), "epoll")}
	w.check = func(uintptr) bool { return ready(fd, write) }
	if w.raw, err = w.set.SyscallConn(); err != nil {
		w.set.Close()
		return nil, err
	}
	return w, nil
}

func (w *waiter) wait() error  { return w.raw.Read(w.check) }
func (w *waiter) cancel()      { w.set.SetReadDeadline(time.Unix(1, 0)) }
func (w *waiter) close() error { return w.set.Close() }
