//go:build unix

package session

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ReadSize returns the size of the terminal f, in characters and in pixels.
// It leaves f's status flags alone.
func ReadSize(f *os.File) (cols, rows, widthPx, heightPx int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, 0, 0, 0, fmt.Errorf("read terminal size: %w", err)
	}
	var ws *unix.Winsize
	cerr := raw.Control(func(fd uintptr) { ws, err = unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ) })
	if cerr != nil {
		err = cerr
	}
	if err != nil {
		return 0, 0, 0, 0, fmt.Errorf("read terminal size: %w", err)
	}
	return int(ws.Col), int(ws.Row), int(ws.Xpixel), int(ws.Ypixel), nil
}
