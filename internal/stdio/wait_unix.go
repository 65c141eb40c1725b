//go:build unix && !linux

package stdio

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// waiter waits until a descriptor is ready, in a thread that polls it and a
// pipe whose closing ends the wait.
type waiter struct {
	fds    []unix.PollFd
	r, w   *os.File
	cancel func()
}

func newWaiter(fd int, write bool) (*waiter, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	d := &waiter{r: r, w: w, cancel: sync.OnceFunc(func() { w.Close() })}
	err = withFd(r, func(wake int) error {
		d.fds = []unix.PollFd{{Fd: int32(fd), Events: pollEvents(write)}, {Fd: int32(wake), Events: unix.POLLIN}}
		return nil
	})
	return d, err
}

func (d *waiter) wait() error {
	for {
		_, err := unix.Poll(d.fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case d.fds[1].Revents != 0:
			return os.ErrDeadlineExceeded
		case d.fds[0].Revents != 0:
			return nil
		}
	}
}

func (d *waiter) close() error {
	d.cancel()
	return d.r.Close()
}
