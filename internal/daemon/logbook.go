package daemon

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sallyport/internal/api"
)

// logbookSize is how many records the daemon remembers.
const logbookSize = 2000

// logbook keeps the last records, writes them to a file, and tells those who
// follow.
type logbook struct {
	// state: guarded by mu
	mu        sync.Mutex
	file      io.Writer
	records   []api.Record // a ring once full
	next      int
	followers map[chan api.Record]struct{}
}

func newLogbook(file io.Writer) *logbook {
	return &logbook{file: file, followers: map[chan api.Record]struct{}{}}
}

func (b *logbook) add(r api.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.records) < logbookSize {
		b.records = append(b.records, r)
	} else {
		b.records[b.next] = r
	}
	b.next = (b.next + 1) % logbookSize
	if b.file != nil && detail(r) == 0 {
		if line, err := json.Marshal(r); err == nil {
			_, _ = b.file.Write(append(line, '\n')) // a full disk must not stop the daemon
		}
	}
	for f := range b.followers {
		select {
		case f <- r:
		default: // a follower that does not keep up misses records
		}
	}
}

// detail is how many -v it takes to show a record: 0 for what matters always.
func detail(r api.Record) int {
	var level slog.Level
	if err := level.UnmarshalText([]byte(r.Level)); err != nil || level > slog.LevelDebug {
		return 0
	}
	return 1 + int(slog.LevelDebug-level)
}

// follow returns what was recorded and a channel with what comes.
func (b *logbook) follow() (past []api.Record, live chan api.Record, stop func()) {
	live = make(chan api.Record, 256)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.records) == logbookSize {
		past = append(past, b.records[b.next:]...)
		past = append(past, b.records[:b.next]...)
	} else {
		past = append(past, b.records...)
	}
	b.followers[live] = struct{}{}
	return past, live, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.followers, live)
	}
}

// maxLogValue bounds one text of a record, in bytes: some are a server's, which
// may send 256 kB of them, and the logbook keeps many.
const maxLogValue = 1024

// shorten cuts a text and does not keep the rest in memory.
func shorten(s string) string {
	if len(s) <= maxLogValue {
		return s
	}
	return strings.Clone(strings.ToValidUTF8(s[:maxLogValue], "")) + "…"
}

// logHandler is the slog.Handler in front of a logbook.
type logHandler struct {
	book  *logbook
	attrs []slog.Attr
}

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) WithGroup(string) slog.Handler            { return h }

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.book, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// isNothing reports whether an attribute is an error that there was not.
func isNothing(a slog.Attr) bool { return a.Value.Kind() == slog.KindAny && a.Value.Any() == nil }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	rec := api.Record{Time: r.Time.Round(time.Millisecond), Level: r.Level.String(), Message: shorten(r.Message)}
	put := func(a slog.Attr) bool {
		if isNothing(a) {
			return true
		}
		value := shorten(a.Value.String())
		switch {
		case a.Key == "hop":
			rec.Hop = value
		case rec.Attrs == nil:
			rec.Attrs = map[string]string{a.Key: value}
		default:
			rec.Attrs[a.Key] = value
		}
		return true
	}
	for _, a := range h.attrs {
		put(a)
	}
	r.Attrs(put)
	h.book.add(rec)
	return nil
}
