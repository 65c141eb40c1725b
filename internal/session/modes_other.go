//go:build !linux && !darwin

package session

import (
	"errors"
	"fmt"
	"os"
)

const vdisable = 0

// ReadModes would encode the modes of the terminal f. On this system they are
// not known: it returns the empty list and an error.
func ReadModes(f *os.File) ([]byte, error) {
	return []byte{opEnd}, fmt.Errorf("read terminal modes of %q: %w", f.Name(), errors.ErrUnsupported)
}
