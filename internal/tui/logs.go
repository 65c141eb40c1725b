package tui

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/api"
)

// logMost is how many records are kept.
const logMost = 5000

// logView is the screen of the daemon's log.
type logView struct {
	records []api.Record
	cursor  cursor
	follow  bool // the newest stays in sight
	details bool // debug records too
	running bool
	err     error
}

// batchMsg is what the log has given since the last one; over when it ended.
type batchMsg struct {
	records []api.Record
	feed    <-chan api.Record
	over    bool
	err     error
}

// start begins to follow the log, unless it does already.
func (l *logView) start(m *model) tea.Cmd {
	if l.running {
		return nil
	}
	l.running, l.records, l.err = true, nil, nil
	feed := make(chan api.Record, 256)
	reading := m.task(func(ctx context.Context) tea.Msg {
		defer close(feed)
		err := m.config.Daemon.Logs(ctx, func(r api.Record) {
			select {
			case feed <- r:
			case <-ctx.Done():
			}
		})
		return batchMsg{over: true, err: err}
	})
	return tea.Batch(reading, m.nextRecords(feed))
}

// nextRecords waits for records and takes all that are there.
func (m *model) nextRecords(feed <-chan api.Record) tea.Cmd {
	return m.task(func(ctx context.Context) tea.Msg {
		b := batchMsg{feed: feed}
		select {
		case r, open := <-feed:
			if !open {
				return nil
			}
			b.records = append(b.records, r)
		case <-ctx.Done():
			return nil
		}
		for len(b.records) < cap(feed) {
			select {
			case r, open := <-feed:
				if open {
					b.records = append(b.records, r)
					continue
				}
			default:
			}
			break
		}
		return b
	})
}

// add takes a batch. A log that has ended begins again with the next daemon.
func (l *logView) add(m *model, b batchMsg) tea.Cmd {
	if b.over {
		l.running, l.err = false, b.err
		if m.screen == screenLogs {
			return after(2*statusEvery, logRetry{})
		}
		return nil
	}
	l.records = append(l.records, b.records...)
	if over := len(l.records) - logMost; over > 0 {
		l.records = slices.Delete(l.records, 0, over)
	}
	return m.nextRecords(b.feed)
}

// logRetry asks for the log once more.
type logRetry struct{}

// shown are the records that are to be seen.
func (l *logView) shown() []api.Record {
	if l.details {
		return l.records
	}
	var some []api.Record
	for _, r := range l.records {
		if !strings.HasPrefix(r.Level, "DEBUG") {
			some = append(some, r)
		}
	}
	return some
}

func (l *logView) press(m *model, key string) tea.Cmd {
	n := len(l.shown())
	switch {
	case key == "v":
		l.details = !l.details
	case key == "f", key == "G", key == "end":
		l.follow = true
	case l.cursor.move(vi(key), n, m.height-chrome):
		l.follow = l.cursor.at >= n-1
	}
	return nil
}

func (m *model) drawLogs(width, height int) []string {
	l := &m.logs
	records := l.shown()
	if len(records) == 0 {
		text := "Nothing is recorded yet."
		if l.err != nil {
			text = clean(l.err.Error())
		}
		return wrap(m.style.faint, text, width)
	}
	if l.follow {
		l.cursor.at = len(records) - 1
	}
	from, to := l.cursor.window(len(records), height)
	var rows []string
	for i := from; i < to; i++ {
		rows = append(rows, m.logRow(records[i], i == l.cursor.at && !l.follow, width))
	}
	return rows
}

func (m *model) logRow(r api.Record, selected bool, width int) string {
	hop := clean(r.Hop)
	text := clean(r.Message)
	for _, key := range sortedKeys(r.Attrs) {
		text += " " + m.style.faint.Render(clean(key)+"=") + clean(r.Attrs[key])
	}
	name, _, _ := strings.Cut(r.Level, "+")
	name, _, _ = strings.Cut(name, "-")
	level := fit(clean(name), 5)
	switch r.Level {
	case "WARN":
		level = m.style.warn.Render(level)
	case "ERROR":
		level = m.style.bad.Render(level)
	default:
		level = m.style.faint.Render(level)
	}
	if hop != "" {
		hop = m.style.title.Render(hop) + ": "
	}
	row := m.style.faint.Render(r.Time.Local().Format(time.TimeOnly)) + " " + level + " " + hop + text
	if selected {
		return m.style.selected.Render(fit("▸ "+stripped(row), width))
	}
	return fit("  "+row, width)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
