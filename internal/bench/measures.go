package bench

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// ms and s are durations as figures have them.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// add puts a figure into the report.
func (b *bench) add(f Figure) { b.report.Figures = append(b.report.Figures, f) }

// atMost and atLeast bound the ratio to the peer.
func atMost(bound float64) *Goal  { return &Goal{Bound: bound} }
func atLeast(bound float64) *Goal { return &Goal{Bound: bound} }

// sampleOf is the client's part of a figure.
func (f *Figure) sampleOf(s *side) *Samples {
	if s.ours {
		return &f.Sally
	}
	return &f.Peer
}

func measureStartup(ctx context.Context, b *bench) error {
	f := Figure{Name: "startup", Title: "start-up (-V)", Unit: "ms", Goal: atMost(0.5)}
	err := b.inTurns(b.rounds(60), func(s *side) error {
		took, err := s.run(ctx, "-V")
		f.sampleOf(s).add(ms(took))
		return err
	})
	b.add(f)
	return err
}

func measureWarm(ctx context.Context, b *bench) error {
	for _, f := range []struct {
		Figure
		command string
	}{
		{Figure{Name: "warm", Title: "`true` on a warm chain (2 jumps + target)", Unit: "ms", Goal: atMost(0.6)}, "true"},
		{Figure{Name: "warm-output", Title: "… `echo`, which says something", Unit: "ms"}, "echo done"},
	} {
		err := b.warm(ctx, &f.Figure, "target", f.command, b.rounds(60), 0)
		b.add(f.Figure)
		if err != nil {
			return err
		}
	}
	return nil
}

func measureWarmFar(ctx context.Context, b *bench) error {
	f := Figure{Name: "warm-far", Title: "the same at 100 ms a link", Unit: "ms", Goal: atMost(0.55)}
	defer func() { b.add(f) }()
	// A person's pace: what is kept ready for the next command takes two round
	// trips after the one before.
	return b.warm(ctx, &f, farPrefix+"target", "true", b.rounds(12), 700*time.Millisecond)
}

// warm times a command over connections that are open, after a few that are
// not counted; pause is between two commands of a client.
func (b *bench) warm(ctx context.Context, f *Figure, host, command string, n int, pause time.Duration) error {
	const uncounted = 2
	seen := map[*side]int{}
	return b.inTurns(n+uncounted, func(s *side) error {
		time.Sleep(pause)
		took, err := s.run(ctx, host, command)
		if seen[s]++; seen[s] > uncounted {
			f.sampleOf(s).add(ms(took))
		}
		return err
	})
}

// measureAttach runs the peer on its own master and on ours.
func measureAttach(ctx context.Context, b *bench) error {
	f := Figure{Name: "attach", Title: "stock client, `true`: on our connection, on its own", Unit: "ms", Goal: atMost(1)}
	defer func() { b.add(f) }()
	for _, s := range []*side{b.peer, b.ours} {
		if _, err := s.run(ctx, "target", "true"); err != nil {
			return err
		}
	}
	onOurs := *b.peer
	onOurs.config, onOurs.ours = b.ours.config, true
	before, err := b.chain.logins("target")
	if err != nil {
		return err
	}
	err = b.inTurns(b.rounds(60), func(s *side) error {
		if s.ours {
			s = &onOurs
		}
		took, err := s.run(ctx, "target", "true")
		f.sampleOf(s).add(ms(took))
		return err
	})
	if after, _ := b.chain.logins("target"); err == nil && after != before {
		return fmt.Errorf("the stock client logged in %d times by itself", after-before)
	}
	return err
}

func measureCold(ctx context.Context, b *bench) error {
	for _, f := range []struct {
		Figure
		prefix string
	}{
		{Figure{Name: "cold", Title: "cold chain of 2 jumps + target", Unit: "ms", Goal: atMost(0.3)}, ""},
		{Figure{Name: "cold-kex", Title: "the same, with " + sameKex + " on both", Unit: "ms", Goal: atMost(0.4)}, kexPrefix},
	} {
		if err := b.cold(ctx, &f.Figure, f.prefix+"target", b.rounds(20)); err != nil {
			return err
		}
	}
	return nil
}

func measureColdFar(ctx context.Context, b *bench) error {
	f := Figure{Name: "cold-far", Title: "cold chain at 100 ms a link", Unit: "ms", Goal: atMost(0.95)}
	return b.cold(ctx, &f, farPrefix+"target", b.rounds(6))
}

// cold times a command with no connection open.
func (b *bench) cold(ctx context.Context, f *Figure, host string, n int) error {
	defer func() { b.add(*f) }()
	return b.inTurns(n, func(s *side) error {
		if err := s.disconnect(ctx); err != nil {
			return err
		}
		took, err := s.run(ctx, host, "true")
		f.sampleOf(s).add(ms(took))
		return err
	})
}

// targetSide is what one client needs for a hundred targets.
type targetsCost struct {
	took              time.Duration
	memory            int64
	processes, logins int
}

func measureTargets(ctx context.Context, b *bench) error {
	took := Figure{Name: "targets", Title: fmt.Sprintf("%d targets behind 2 jumps", many), Unit: "s", Goal: atMost(0.5)}
	held := Figure{Name: "targets-memory", Title: "… memory (PSS) of all processes", Unit: "MiB", Goal: atMost(0.2)}
	processes := Figure{Name: "targets-processes", Title: "… processes", Unit: "", Goal: &Goal{Bound: 1, Value: true}}
	logins := Figure{Name: "targets-logins", Title: "… logins on the first jump host", Unit: "", Goal: &Goal{Bound: 1, Value: true}}
	err := b.inTurns(b.rounds(3), func(s *side) error {
		if err := s.disconnect(ctx); err != nil {
			return err
		}
		cost, err := b.openTargets(ctx, s)
		if err != nil {
			return err
		}
		took.sampleOf(s).add(cost.took.Seconds())
		held.sampleOf(s).add(float64(cost.memory) / (1 << 20))
		processes.sampleOf(s).add(float64(cost.processes))
		logins.sampleOf(s).add(float64(cost.logins))
		return nil
	})
	b.report.Figures = append(b.report.Figures, took, held, processes, logins)
	if err != nil {
		return err
	}
	return b.idle(ctx)
}

// atOnce is how many targets are opened at the same time.
const atOnce = 10

// openTargets opens a connection to each of the targets and leaves them open.
func (b *bench) openTargets(ctx context.Context, s *side) (cost targetsCost, err error) {
	before, err := b.chain.logins("jump1")
	if err != nil {
		return cost, err
	}
	begun := time.Now()
	turns := make(chan struct{}, atOnce)
	failures := make(chan error, many)
	for i := range many {
		turns <- struct{}{}
		go func() {
			_, err := s.run(ctx, targetName(i), "true")
			failures <- err
			<-turns
		}()
	}
	for range many {
		if failure := <-failures; failure != nil {
			err = failure
		}
	}
	cost.took = time.Since(begun)
	if err != nil {
		return cost, err
	}
	time.Sleep(time.Second) // ended clients are not counted
	for _, pid := range s.processes() {
		cost.processes++
		cost.memory += memory(pid)
	}
	after, err := b.chain.logins("jump1")
	cost.logins = after - before
	return cost, err
}

// idle measures what the open targets cost when nothing happens.
func (b *bench) idle(ctx context.Context) error {
	f := Figure{Name: "idle", Title: fmt.Sprintf("idle with %d warm routes, of one core", many), Unit: "%", Goal: &Goal{Bound: 0.1, Value: true}}
	settle, pause := 20*time.Second, 30*time.Second
	if b.Quick {
		settle, pause = 2*time.Second, 5*time.Second
	}
	select { // what the opening has left to do is not idleness
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settle):
	}
	before := map[*side]map[int]time.Duration{}
	for _, s := range []*side{b.peer, b.ours} {
		before[s] = cpuTimes(s.processes())
	}
	begun := time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	for s, was := range before {
		f.sampleOf(s).add(100 * usedSince(was).Seconds() / time.Since(begun).Seconds())
	}
	b.add(f)
	return nil
}

// usedSince is the processor time of processes since before.
func usedSince(before map[int]time.Duration) time.Duration {
	var used time.Duration
	for pid, was := range before {
		used += max(cpuTime(pid)-was, 0)
	}
	return used
}

// describe says in one line what was agreed on.
func (a Algorithms) describe() string {
	return strings.Join([]string{a.KeyExchange, a.Cipher}, ", ")
}
