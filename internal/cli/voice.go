package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"sallyport/internal/api"
)

// The levels of LogLevel (ssh_config(5)), least first.
var logLevels = []string{"QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"}

// The positions of levels in logLevels.
const (
	levelQuiet = iota
	levelFatal
	levelError
	levelInfo
	levelVerbose
	levelDebug1
)

func levelOf(name string) int {
	if name == "DEBUG" {
		return levelDebug1
	}
	for i, l := range logLevels {
		if l == name {
			return i
		}
	}
	return levelInfo
}

// voice is where messages go: standard error, the file of -E or the system log
// of -y, down to a level.
type voice struct {
	name   string   // the program's, before errors
	stderr *os.File // for what must reach the user whatever -E says
	eol    string

	// state: guarded by mu
	mu    sync.Mutex
	to    io.Writer
	write func(level int, text string) // instead of to, for the system log
	level int
}

func newVoice(name string, stderr *os.File) *voice {
	v := &voice{name: name, stderr: stderr, to: stderr, level: levelInfo, eol: "\n"}
	if isTerminal(stderr) {
		v.eol = "\r\n" // the terminal may be in raw mode
	}
	return v
}

// redirect sends messages to a file from now on (-E).
func (v *voice) redirect(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.to = f
	return nil
}

// useSystemLog is -y. Where there is no system log, messages stay where they
// are.
func (a *App) useSystemLog(facility string) {
	if err := a.voice.systemLog(facility); err != nil {
		a.warn(err.Error())
	}
}

// divert sends messages elsewhere, such as above a progress bar, and returns
// where they went until now.
func (v *voice) divert(to io.Writer) (old io.Writer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old, v.to = v.to, to
	return old
}

func (v *voice) setLevel(level int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.level = level
}

// louder changes the level by one, up or down, and returns its name.
func (v *voice) louder(up bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if up {
		v.level = min(v.level+1, len(logLevels)-1)
	} else {
		v.level = max(v.level-1, 0)
	}
	return logLevels[v.level]
}

// debugs reports whether debug messages go to standard error.
func (v *voice) debugs() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.level >= levelDebug1 && v.write == nil && v.to == v.stderr
}

// say prints one message of a level.
func (v *voice) say(level int, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if level > v.level {
		return
	}
	text = strings.TrimRight(visible(text), "\r\n")
	if v.write != nil {
		v.write(level, text)
		return
	}
	text = strings.ReplaceAll(text, "\n", v.eol)
	_, _ = io.WriteString(v.to, text+v.eol)
}

// answer prints what was asked for, down to a level: to standard error,
// wherever messages go.
func (v *voice) answer(level int, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if level <= v.level {
		_, _ = io.WriteString(v.stderr, text+v.eol)
	}
}

// complain prints an error and what may be done about it.
func (v *voice) complain(err error) {
	v.say(levelFatal, fmt.Sprintf("%s: %v", v.name, err))
	if line := sshLine(err); v.name == "ssh" && line != "" {
		v.say(levelFatal, line)
	}
	if hint := hintFor(err); hint != "" {
		v.say(levelInfo, "  hint: "+hint)
	}
}

// Tell is half of api.Person: a banner goes to standard error (RFC 4252 §5.4,
// without what steers a terminal), the rest is a message.
func (v *voice) Tell(n api.Notice) {
	switch n.Kind {
	case "banner":
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.level >= levelInfo {
			_, _ = io.WriteString(v.stderr, visible(n.Text))
		}
	case "debug":
		v.say(debugTextLevel(n.Text), n.Text)
	case "error":
		v.say(levelError, n.Text)
	case "warning":
		v.say(levelInfo, fmt.Sprintf("%s: warning: %s: %s", v.name, n.Hop, n.Text))
	default:
		v.say(levelInfo, n.Text)
	}
}

// debugTextLevel is the level of a text that begins with "debug1: ".
func debugTextLevel(text string) int {
	if n, ok := strings.CutPrefix(text, "debug"); ok && n != "" && n[0] >= '1' && n[0] <= '3' {
		return levelDebug1 + int(n[0]-'1')
	}
	return levelDebug1
}
