package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// size is an amount of data, less of it for a quick run.
func (b *bench) size(n int64) int64 {
	if b.Quick {
		return n / 8
	}
	return n
}

func measureBulk(ctx context.Context, b *bench) error {
	size := b.size(384 * mib)
	for _, way := range []string{"down", "up"} {
		rate := Figure{Name: "bulk-" + way, Title: "bulk " + way + " through 2 jumps, one session", Unit: "MB/s", More: true, Goal: atLeast(1.2)}
		cpu := Figure{Name: "bulk-" + way + "-cpu", Title: "… client CPU a GiB, all processes", Unit: "s", Goal: atMost(0.8)}
		err := b.bulk(ctx, "target", way == "up", size, b.rounds(5), &rate, &cpu)
		b.report.Figures = append(b.report.Figures, rate, cpu)
		if err != nil {
			return err
		}
	}
	return nil
}

func measureBulkFar(ctx context.Context, b *bench) error {
	size := b.size(96 * mib)
	for _, way := range []string{"down", "up"} {
		rate := Figure{Name: "bulk-far-" + way, Title: "bulk " + way + " at 100 ms, direct", Unit: "MB/s", More: true, Goal: atLeast(1)}
		err := b.bulk(ctx, lone, way == "up", size, b.rounds(3), &rate, nil)
		b.add(rate)
		if err != nil {
			return err
		}
	}
	return nil
}

// bulk moves size bytes in one session, n times with each client.
func (b *bench) bulk(ctx context.Context, host string, up bool, size int64, n int, rate, cpu *Figure) error {
	for _, s := range []*side{b.peer, b.ours} {
		if _, err := s.run(ctx, host, "true"); err != nil {
			return err
		}
	}
	return b.inTurns(n, func(s *side) error {
		took, used, err := b.move(ctx, s, host, up, size)
		if err != nil {
			return err
		}
		rate.sampleOf(s).add(float64(size) / 1e6 / took.Seconds())
		if cpu != nil {
			cpu.sampleOf(s).add(used.Seconds() * gib / float64(size))
		}
		return nil
	})
}

// move moves data and says what it took, and what time of the processor all of
// the client's processes used.
func (b *bench) move(ctx context.Context, s *side, host string, up bool, size int64) (took, used time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	before := cpuTimes(s.processes())
	command := fmt.Sprintf("head -c %d /dev/zero", size)
	if up {
		command = "cat > /dev/null"
	}
	cmd := s.command(ctx, host, command)
	if up {
		hole, err := os.Create(filepath.Join(b.dir, "hole"))
		if err != nil {
			return 0, 0, err
		}
		defer hole.Close()
		if err := hole.Truncate(size); err != nil {
			return 0, 0, err
		}
		cmd.Stdin = hole
	}
	if took, err = s.timed(cmd); err != nil {
		return 0, 0, err
	}
	used = usedSince(before)
	used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return took, used, nil
}
