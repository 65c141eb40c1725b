package mux

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// PeerOf asks the kernel who is at the other end of conn.
func PeerOf(conn *net.UnixConn) (Peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Xucred
	var credErr error
	pid := 0
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		pid, _ = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	})
	if err != nil {
		return Peer{}, err
	}
	if credErr != nil {
		return Peer{}, os.NewSyscallError("getsockopt LOCAL_PEERCRED", credErr)
	}
	return Peer{UID: cred.Uid, PID: pid}, nil
}

// commandLine returns a process's arguments. sysctl(3), KERN_PROCARGS2: the
// number of arguments, the program's path, padding, the arguments.
func commandLine(pid int) ([]string, error) {
	b, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil {
		return nil, err
	}
	if len(b) < 4 {
		return nil, errors.New("kern.procargs2: too short")
	}
	n := int(binary.NativeEndian.Uint32(b))
	_, rest, _ := strings.Cut(string(b[4:]), "\x00")
	args := strings.Split(strings.TrimLeft(rest, "\x00"), "\x00")
	return args[:max(0, min(n, len(args)))], nil
}
