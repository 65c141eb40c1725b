//go:build unix

package transfer

import (
	"errors"
	"os"
	"syscall"
)

// openSource opens a file for reading without waiting for a pipe's writer.
func openSource(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// checkNative refuses names that mean more than a name to this system.
func checkNative(string) error { return nil }

// isFull recognises a full disk here.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
