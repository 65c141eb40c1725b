//go:build unix

package mux

import (
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxRights is more descriptors than one message can hold (Linux:
// SCM_MAX_FD, 253), so that none is cut off and all can be closed.
const maxRights = 256

// sendFile passes f's descriptor on a message of one byte.
// monitor_fdpass.c: mm_send_fd.
func sendFile(conn *net.UnixConn, f *os.File) error {
	raw, err := f.SyscallConn() // not Fd, which may change the file's flags
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		_, _, sent = conn.WriteMsgUnix([]byte{0}, unix.UnixRights(int(fd)), nil)
	})
	if err != nil {
		return err
	}
	return sent
}

// receiveFile takes a one-byte message with exactly one descriptor off conn.
// The net package asks for descriptors that are closed on exec.
func receiveFile(conn *net.UnixConn, name string) (*os.File, error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4*maxRights))
	n, oobn, _, _, err := conn.ReadMsgUnix(b[:], oob)
	if err != nil {
		return nil, err
	}
	fds := rights(oob[:oobn])
	switch {
	case n == 0 && len(fds) == 0:
		return nil, io.EOF
	case n == 1 && len(fds) == 1:
		return os.NewFile(uintptr(fds[0]), name), nil
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	return nil, protocolErrorf("a message with %d descriptors instead of one", len(fds))
}

// rights returns all descriptors in a message's control data.
func rights(oob []byte) []int {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for i := range msgs {
		got, err := unix.ParseUnixRights(&msgs[i])
		if err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

// writeBriefly writes s to f unless that would block for longer than ms
// milliseconds. f may be a terminal or a pipe that others share, so its flags
// stay as they are.
func writeBriefly(f *os.File, s string, ms int) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(fds, ms); n == 1 && err == nil {
			_, _ = unix.Write(int(fd), []byte(s))
		}
	})
}

// hungUp waits until the peer of conn closes, sends something, or the read
// deadline passes; it consumes nothing, and returns true for closed only.
func hungUp(conn *net.UnixConn) (closed bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	var b [1]byte
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err == unix.EAGAIN || err == unix.EINTR {
			return false
		}
		closed = n <= 0
		return true
	})
	return closed && err == nil
}
