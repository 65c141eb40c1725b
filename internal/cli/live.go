package cli

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// live is some lines at the end of a terminal that are drawn anew several
// times a second. Messages go above them.
type live struct {
	// config: not changed after newLive
	to    *os.File
	old   io.Writer // where the voice's messages went
	voice *voice
	lines func() []string
	stop  chan struct{}
	done  chan struct{}

	// state: guarded by mu
	mu     sync.Mutex
	drawn  int // lines on the screen
	paused int // drawing waits, while a question is on the screen
}

// drawEvery is how often the lines are drawn.
const drawEvery = 200 * time.Millisecond

// newLive begins to draw what lines gives, once a short command is over.
func (a *App) newLive(lines func() []string) *live {
	l := &live{to: a.Stderr, voice: a.voice, lines: lines, stop: make(chan struct{}), done: make(chan struct{})}
	l.old = a.voice.divert(l)
	go l.run()
	return l
}

// drawsOn reports whether lines can be drawn on a file.
func (a *App) drawsOn(f *os.File) bool {
	return isTerminal(f) && a.Getenv("TERM") != "dumb" && a.Getenv("TERM") != ""
}

func (l *live) run() {
	defer close(l.done)
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.draw()
		case <-l.stop:
			return
		}
	}
}

// end takes the lines away.
func (l *live) end() {
	close(l.stop)
	<-l.done
	l.mu.Lock()
	_, _ = io.WriteString(l.to, l.erase())
	l.mu.Unlock()
	l.voice.divert(l.old)
}

// Write prints a message above the lines.
func (l *live) Write(p []byte) (int, error) { return l.print(l.to, p) }

// print writes to a file that may be the same terminal.
func (l *live) print(f *os.File, p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := io.WriteString(l.to, l.erase()); err != nil {
		return 0, err
	}
	return f.Write(p)
}

// pause takes the lines away until resume.
func (l *live) pause() (resume func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.to, l.erase())
	l.paused++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.paused--
	}
}

// erase is what removes the lines. The caller holds mu and writes it.
func (l *live) erase() string {
	text := strings.Repeat("\x1b[1A\x1b[2K", l.drawn)
	l.drawn = 0
	return text
}

func (l *live) draw() {
	lines := l.lines()
	width, height, err := term.GetSize(int(l.to.Fd()))
	if err != nil || width < 10 {
		width, height = 80, 24
	}
	lines = lines[max(0, len(lines)-height+1):]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused > 0 {
		return
	}
	text := l.erase()
	for _, line := range lines {
		text += fit(line, width-1) + "\r\n"
	}
	l.drawn = len(lines)
	_, _ = io.WriteString(l.to, text)
}

// fit cuts a line so that it takes no more than width columns.
func fit(line string, width int) string {
	for i, r := range line {
		if width -= columns(r); width < 0 {
			return line[:i]
		}
	}
	return line
}

// columns is how wide a character is: at most, since what is narrower than
// thought does no harm.
func columns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case r >= 0x1100 && !isDrawing(r):
		return 2
	}
	return 1
}

// isDrawing recognises the arrows, dots and bars that we draw with.
func isDrawing(r rune) bool { return r >= 0x2000 && r < 0x2e80 }

// shorten cuts a name at its beginning, where paths are alike.
func shorten(name string, width int) string {
	total := 0
	for _, r := range name {
		total += columns(r)
	}
	if total <= width {
		return name
	}
	runes := []rune(name)
	for total > width-1 && len(runes) > 0 {
		total -= columns(runes[0])
		runes = slices.Delete(runes, 0, 1)
	}
	return "…" + string(runes)
}

// bar draws how much of a whole is there.
func bar(part, whole int64, width int) string {
	full := 0
	if whole > 0 {
		full = int(float64(width) * float64(min(max(part, 0), whole)) / float64(whole))
	}
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "]"
}
