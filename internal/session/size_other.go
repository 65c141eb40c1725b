//go:build !unix

package session

import (
	"errors"
	"fmt"
	"os"
)

// ReadSize would return the size of the terminal f. On this system it is not
// known.
func ReadSize(f *os.File) (cols, rows, widthPx, heightPx int, err error) {
	return 0, 0, 0, 0, fmt.Errorf("read terminal size of %q: %w", f.Name(), errors.ErrUnsupported)
}
