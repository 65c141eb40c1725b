package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"sallyport/internal/hop"
)

// debugHandler turns log records into notices in the manner of ssh -v: those
// of a dial for whoever waits for it, those of a private server for its
// command.
type debugHandler struct {
	tell  func(hop.Notice)
	hop   string
	attrs string
}

func (h debugHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h debugHandler) WithGroup(string) slog.Handler            { return h }

func (h debugHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h = h.with(a)
	}
	return h
}

func (h debugHandler) with(a slog.Attr) debugHandler {
	switch {
	case a.Key == "hop":
		h.hop = a.Value.String()
	case !isNothing(a):
		h.attrs += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	return h
}

func (h debugHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool { h = h.with(a); return true })
	said := r.Message + strings.ReplaceAll(h.attrs, "\n", " ")
	if h.hop != "" {
		said = h.hop + ": " + said
	}
	if r.Level >= slog.LevelError {
		h.tell(hop.Notice{Hop: h.hop, Kind: hop.NoticeError, Text: r.Message})
	} else {
		h.tell(hop.Notice{Hop: h.hop, Kind: hop.NoticeDebug, Text: debugLevel(r.Level) + ": " + said})
	}
	return nil
}

// debugLevel is ssh's name for a level: -v shows debug1, -vv debug2.
func debugLevel(l slog.Level) string {
	if l >= slog.LevelDebug {
		return "debug1"
	}
	return fmt.Sprintf("debug%d", 1+int(slog.LevelDebug-l))
}

// fanout gives records to several handlers.
type fanout []slog.Handler

func (f fanout) Enabled(context.Context, slog.Level) bool { return true }

func (f fanout) Handle(ctx context.Context, r slog.Record) error {
	for _, h := range f {
		_ = h.Handle(ctx, r)
	}
	return nil
}

func (f fanout) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make(fanout, len(f))
	for i, h := range f {
		out[i] = h.WithAttrs(attrs)
	}
	return out
}

func (f fanout) WithGroup(name string) slog.Handler { return f }
