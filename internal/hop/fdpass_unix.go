//go:build unix

package hop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// receiveFromProxy runs a ProxyCommand whose standard input and output are a
// socket, over which it passes the descriptor of a connection to us and ends
// (ProxyUseFdpass, ssh_config(5)). Its standard error goes to tell.
func receiveFromProxy(ctx context.Context, command string, from Origin, tell func(string)) (net.Conn, error) {
	ours, theirs, err := unixPair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		theirs.Close()
		return nil, err
	}
	cmd := exec.Command(shell(from.Env), "-c", "exec "+command)
	cmd.Env, cmd.Dir = from.Env, from.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, errW
	ownGroup(cmd)
	err = cmd.Start()
	closeAll(theirs, errW)
	if err != nil {
		errR.Close()
		return nil, err
	}
	told := make(chan struct{})
	go func() { defer close(told); tellLines(errR, tell) }()
	stop := context.AfterFunc(ctx, func() { ours.Close() })
	conn, err := receiveConn(ours)
	late := !stop()
	// The command has no more to do once it has passed the descriptor; one that
	// is too slow is ended, and one that has failed may say why.
	exit := endProxy(cmd, err != nil && !late)
	_ = errR.SetReadDeadline(time.Now().Add(lastWords))
	<-told
	errR.Close()
	switch {
	case err == nil:
		return conn, nil
	case late:
		return nil, ctx.Err()
	case exit != nil:
		return nil, fmt.Errorf("%w: %w", errNoDescriptor, exit)
	}
	return nil, err
}

// endProxy ends a command and what it has started, after a grace if it is about
// to end by itself, and returns how it ended.
func endProxy(cmd *exec.Cmd, byItself bool) error {
	defer killGroup(cmd)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if byItself {
		select {
		case exit := <-ended:
			return exit
		case <-time.After(proxyGrace):
		}
	}
	killGroup(cmd)
	return <-ended
}

// unixPair is a pair of connected sockets, the second one for a child.
func unixPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	file := os.NewFile(uintptr(fds[0]), "proxy")
	defer file.Close()
	theirs := os.NewFile(uintptr(fds[1]), "proxy")
	conn, err := net.FileConn(file)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

// receiveConn takes one byte with a descriptor, as nc -F sends it.
func receiveConn(from *net.UnixConn) (net.Conn, error) {
	var data [1]byte
	control := make([]byte, unix.CmsgSpace(4*8))
	_, n, _, _, err := from.ReadMsgUnix(data[:], control)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDescriptor, err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) == 0 {
		return nil, errNoDescriptor
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, errNoDescriptor
	}
	for _, fd := range fds[1:] {
		_ = syscall.Close(fd)
	}
	unix.CloseOnExec(fds[0])
	file := os.NewFile(uintptr(fds[0]), "passed")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("ProxyUseFdpass: %w", err)
	}
	return conn, nil
}
