//go:build unix

package forward

import (
	"net"
	"os"
	"syscall"
)

// openSocket listens on a new Unix socket. It has its mode before anyone can
// connect to it.
func openSocket(path string, mode os.FileMode) (net.Listener, error) {
	fd, err := bindSocket(path)
	if err != nil {
		return nil, err
	}
	ln, err := startListening(fd, path, mode)
	if err != nil {
		_ = os.Remove(path)
	}
	return ln, err
}

func bindSocket(path string) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		_ = syscall.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// startListening takes over fd.
func startListening(fd int, path string, mode os.FileMode) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Listen(fd, syscall.SOMAXCONN); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return &socketListener{Listener: ln, path: path, info: info}, nil
}
