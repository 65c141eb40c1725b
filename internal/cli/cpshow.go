package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"
	"unicode/utf8"

	"sallyport/internal/transfer"
)

// copyShow tells a copy's user what happens: bars on a terminal, JSON lines,
// or only what went wrong.
type copyShow struct {
	*verbCommand
	flags copyFlags
	began time.Time
	bars  *copyBars // nil without a terminal

	// state: guarded by mu
	mu    sync.Mutex
	moved int64
	size  int64     // of what was found
	told  time.Time // when the last progress line was
}

func (v *verbCommand) newCopyShow(f copyFlags) *copyShow {
	s := &copyShow{verbCommand: v, flags: f, began: time.Now()}
	if !f.quiet && !f.json && v.drawsOn(v.Stderr) {
		s.bars = newCopyBars(v)
	}
	return s
}

// observe is transfer.Config's.
func (s *copyShow) observe(e transfer.Event) {
	if s.bars != nil {
		s.bars.observe(e)
	}
	if s.flags.json {
		s.line(e)
		return
	}
	switch e.Kind {
	case transfer.Failed:
		s.voice.say(levelError, fmt.Sprintf("%s: %s: %v", s.voice.name, shown(e.Name), plainReason(e.Err)))
	case transfer.Skipped:
		s.voice.say(levelInfo, fmt.Sprintf("%s: %s is %s: skipped", s.voice.name, shown(e.Name), e.Text))
	case transfer.Noted:
		s.voice.say(levelInfo, fmt.Sprintf("%s: %s: %s", s.voice.name, shown(e.Name), e.Text))
	case transfer.Done:
		s.voice.say(levelVerbose, fmt.Sprintf("%s → %s", shown(e.Name), shown(e.To)))
	case transfer.Present:
		s.voice.say(levelVerbose, fmt.Sprintf("%s: there already", shown(e.Name)))
	case transfer.Verified:
		s.voice.say(levelVerbose, fmt.Sprintf("%s: checksums agree (%s)", shown(e.Name), e.Text))
	}
}

// plainReason leaves out of a local error what is said already: the name.
func plainReason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) && err == error(path) {
		return path.Err
	}
	return err
}

// shown is a file's name for a person: as it is, or in quotes with escapes if
// it holds what a terminal would not show.
func shown(name string) string {
	if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// end finishes what is on the screen and prints the summary.
func (s *copyShow) end(t transfer.Totals, whole bool) {
	if s.bars != nil {
		s.bars.end()
	}
	took := time.Since(s.began)
	switch {
	case s.flags.json:
		s.print(map[string]any{"event": "summary", "files": t.Files, "directories": t.Dirs, "links": t.Links, "present": t.Present,
			"skipped": t.Skipped, "failed": t.Failed, "bytes": t.Bytes, "resumed_bytes": t.Resumed, "seconds": took.Seconds(), "complete": whole && t.Failed == 0})
	case !s.flags.quiet:
		fmt.Fprintln(s.out, copySummary(t, took))
	}
}

// copySummary is one line about a copy.
func copySummary(t transfer.Totals, took time.Duration) string {
	text := plural(t.Files, "file") + " copied"
	if t.Present > 0 {
		text += fmt.Sprintf(", %d there already", t.Present)
	}
	if t.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", t.Skipped)
	}
	if t.Failed > 0 {
		text += fmt.Sprintf(", %d failed", t.Failed)
	}
	text += fmt.Sprintf(": %s in %s", size(t.Bytes), shortDuration(took))
	if seconds := took.Seconds(); seconds >= 0.5 {
		text += fmt.Sprintf(" (%s/s)", size(int64(float64(t.Bytes)/seconds)))
	}
	if t.Resumed > 0 {
		text += fmt.Sprintf(", %s were there", size(t.Resumed))
	}
	return text
}

// progressEvery is how often --json tells how far a copy is.
const progressEvery = time.Second

// line prints an event as JSON; what was moved is told once a while.
func (s *copyShow) line(e transfer.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case transfer.Found:
		s.size += e.Size
		return
	case transfer.Moved:
		s.moved += e.Bytes
		if now := time.Now(); now.Sub(s.told) >= progressEvery {
			s.told = now
			s.print(map[string]any{"event": "progress", "bytes": s.moved, "known_bytes": s.size, "seconds": now.Sub(s.began).Seconds()})
		}
		return
	}
	m := map[string]any{"event": e.Kind.String()}
	putBytes(m, "name", e.Name)
	putBytes(m, "to", e.To)
	if e.Text != "" {
		m["text"] = e.Text
	}
	if e.Err != nil {
		m["error"] = e.Err.Error()
	}
	if e.Kind == transfer.Started || e.Kind == transfer.Done {
		m["size"] = e.Size
	}
	if e.Kind == transfer.Started && e.Bytes > 0 {
		m["resumed_bytes"] = e.Bytes
	}
	s.print(m)
}

// putBytes puts a string into an object, and its very bytes beside it when
// JSON cannot hold them.
func putBytes(m map[string]any, key, value string) {
	if value == "" {
		return
	}
	m[key] = value
	if !utf8.ValidString(value) {
		m[key+"_base64"] = base64.StdEncoding.EncodeToString([]byte(value))
	}
}

func (s *copyShow) print(m map[string]any) { printLine(s.out, m) }

// printLine writes one line of JSON.
func printLine(w io.Writer, v any) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}
