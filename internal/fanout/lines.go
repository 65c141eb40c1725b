package fanout

import "bytes"

// longestPiece is where a line without an end is broken.
const longestPiece = 64 << 10

// Lines cuts a stream into lines, which it gives to a function without their
// ends. Close gives the last one.
type Lines struct {
	emit func(line []byte) error
	rest []byte
}

// NewLines makes one.
func NewLines(emit func(line []byte) error) *Lines { return &Lines{emit: emit} }

// Write takes some more.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		at := bytes.IndexByte(p, '\n')
		if at < 0 {
			break
		}
		line := p[:at]
		if len(l.rest) > 0 {
			line = append(l.rest, line...)
			l.rest = l.rest[:0]
		}
		if err := l.emit(line); err != nil {
			return 0, err
		}
		p = p[at+1:]
	}
	l.rest = append(l.rest, p...)
	for len(l.rest) >= longestPiece {
		if err := l.emit(l.rest[:longestPiece]); err != nil {
			return 0, err
		}
		l.rest = append(l.rest[:0], l.rest[longestPiece:]...)
	}
	return n, nil
}

// Close gives what has no end of line yet.
func (l *Lines) Close() error {
	if len(l.rest) == 0 {
		return nil
	}
	rest := l.rest
	l.rest = nil
	return l.emit(rest)
}
