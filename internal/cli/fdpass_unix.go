//go:build unix

package cli

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNoSocket is about a standard output that takes no descriptor.
var errNoSocket = errors.New("--fdpass: standard output is no socket: it needs ProxyUseFdpass yes")

// wantSocket finds that out before anything is dialled.
func wantSocket(to *os.File) error {
	info, err := to.Stat()
	if err == nil && info.Mode().Type() != os.ModeSocket {
		err = errNoSocket
	}
	return err
}

// passConn sends a connection's descriptor over a socket, with one byte, as
// ssh(1) takes it from a ProxyCommand (ssh_config(5), ProxyUseFdpass).
func passConn(to *os.File, conn syscall.Conn) error {
	if err := wantSocket(to); err != nil {
		return err
	}
	over, err := to.SyscallConn()
	if err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		if err := over.Control(func(out uintptr) {
			sent = unix.Sendmsg(int(out), []byte{0}, unix.UnixRights(int(fd)), nil, 0)
		}); err != nil {
			sent = err
		}
	})
	if err = errors.Join(err, sent); err != nil {
		return fmt.Errorf("--fdpass: %w", err)
	}
	return nil
}
