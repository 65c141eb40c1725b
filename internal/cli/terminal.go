package cli

import (
	"os"
	"sync"

	"golang.org/x/term"
)

// rawMode puts f into raw mode; the returned function puts it back and may be
// called more than once.
func rawMode(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return func() {}, err
	}
	return sync.OnceFunc(func() { _ = term.Restore(fd, state) }), nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
