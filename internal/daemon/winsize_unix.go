//go:build unix

package daemon

import (
	"os"

	"golang.org/x/sys/unix"
)

// windowSize is that of the terminal at f, zeros if it is none.
func windowSize(f *os.File) (cols, rows, widthPx, heightPx int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, 0, 0
	}
	return int(ws.Col), int(ws.Row), int(ws.Xpixel), int(ws.Ypixel)
}
