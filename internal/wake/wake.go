package wake

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Config is what Watch needs; Changed is required.
type Config struct {
	// Changed is called with what has happened, from one goroutine at a time.
	Changed func(why string)
	Log     *slog.Logger
	// Bus is the address of the system's message bus, "" for the usual one.
	Bus string
}

// settle is how long a burst of changes may go on before it is told as one.
const settle = 300 * time.Millisecond

// Watch tells of changes until ctx ends. It waits for nothing: what cannot be
// had is noted in the log and left out.
func Watch(ctx context.Context, c Config) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	events := make(chan string)
	tell := func(why string) {
		select {
		case events <- why:
		case <-ctx.Done():
		}
	}
	var sources sync.WaitGroup
	for name, source := range map[string]func(context.Context, Config, func(string)) error{
		"sleep": watchSleep, "network": watchNetwork,
	} {
		sources.Go(func() {
			if err := source(ctx, c, tell); err != nil && ctx.Err() == nil {
				c.Log.Debug("changes are not watched", "type", name, "err", err)
			}
		})
	}
	defer sources.Wait()
	for {
		select {
		case why := <-events:
			c.Changed(why)
		case <-ctx.Done():
			return
		}
	}
}
