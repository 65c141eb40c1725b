//go:build unix

package cli

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// detached starts a process in a session of its own, so that it survives the
// terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// socketPair is two connected Unix sockets.
func socketPair() (a, b *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		unix.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "socketpair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return nil, nil, err
		}
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1], nil
}

// relayWindowChange tells the process that serves our session to look at the
// terminal's size, as OpenSSH's clients do.
func relayWindowChange(pid int) { _ = syscall.Kill(pid, syscall.SIGWINCH) }

// notifyWindowChange sends changes of the terminal's size.
func notifyWindowChange(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }

// echoOff lets lines be typed unseen, and throws away what was typed before,
// as readpassphrase(3) does. restore may be called more than once.
func echoOff(tty *os.File) (restore func(), err error) {
	fd := int(tty.Fd())
	old, err := unix.IoctlGetTermios(fd, getModes)
	if err != nil {
		return nil, err
	}
	hidden := *old
	hidden.Lflag &^= unix.ECHO | unix.ECHONL
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setModesDiscard, &hidden); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { _ = unix.IoctlSetTermios(fd, setModes, old) }), nil
}

// notifySuspend sends requests to stop this process.
func notifySuspend(c chan<- os.Signal) { signal.Notify(c, syscall.SIGTSTP) }

// stopSelf stops this process's group, as Ctrl-Z would; it returns when the
// shell continues it.
func stopSelf() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if syscall.Kill(0, syscall.SIGSTOP) == nil {
		<-continued // another thread may take the stop while this one runs on
	}
}
