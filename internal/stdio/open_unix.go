//go:build unix && !linux

package stdio

import "golang.org/x/term"

// noSignal: the runtime ignores SIGPIPE but for descriptors 1 and 2.
const noSignal = 0

func isTerminal(fd int) bool { return term.IsTerminal(fd) }

func openKind(fd int, k kind, write bool) (endpoint, error) {
	return openPolled(fd, k, write)
}
