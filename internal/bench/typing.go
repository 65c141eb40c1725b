package bench

import (
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

// traffic is what runs on the same connection while somebody types; nil for
// nothing.
type traffic struct {
	command string
	upload  bool
	fill    time.Duration // until it has filled what there is to fill
}

var (
	download = &traffic{command: "cat /dev/zero", fill: 300 * time.Millisecond}
	upload   = &traffic{command: "cat > /dev/null", upload: true, fill: 4 * time.Second}
)

func measureTyping(ctx context.Context, b *bench) error {
	var idle, busy [2]Figure
	for i, p := range []string{"p50", "p99"} {
		idle[i] = Figure{Name: "typing-" + p, Title: "keystroke to echo, nothing else, " + p, Unit: "ms"}
		busy[i] = Figure{Name: "typing-busy-" + p, Title: "… while a download runs, " + p, Unit: "ms"}
	}
	busy[1].Goal = &Goal{Bound: 3, Of: idle[1].Name}
	up := Figure{Name: "typing-up", Title: "… while an upload fills a link of 10 Mbit/s, p50", Unit: "ms"}
	err := b.inTurns(b.rounds(4), func(s *side) error {
		for i, set := range []*[2]Figure{&idle, &busy} {
			echoes, err := b.keystrokes(ctx, s, "target", b.rounds(250), []*traffic{nil, download}[i])
			if err != nil {
				return err
			}
			set[0].sampleOf(s).add(quantile(echoes, 0.5))
			set[1].sampleOf(s).add(quantile(echoes, 0.99))
		}
		return nil
	})
	if err == nil { // seconds each, where they wait for the upload
		err = b.inTurns(2, func(s *side) error {
			echoes, err := b.keystrokes(ctx, s, thin, b.rounds(8), upload)
			if err == nil {
				up.sampleOf(s).add(quantile(echoes, 0.5))
			}
			return err
		})
	}
	b.report.Figures = append(b.report.Figures, idle[0], idle[1], busy[0], busy[1], up)
	return err
}

// keystrokes types n keys into a terminal of a host and gives the times until the
// echo, in order, beside traffic on the same connection.
func (b *bench) keystrokes(ctx context.Context, s *side, host string, n int, l *traffic) (echoes []float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout/4)
	defer cancel()
	if _, err := s.run(ctx, host, "true"); err != nil { // so that there is a connection to share
		return nil, err
	}
	cmd := s.command(ctx, "-tt", host, "stty raw echo; echo ready; exec cat > /dev/null")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		return nil, s.failure(cmd, err)
	}
	if l != nil {
		beside, err := b.begin(ctx, s, host, l)
		if err != nil {
			return nil, err
		}
		defer func() { _ = beside.Process.Kill(); _ = beside.Wait() }()
	}
	for range n {
		time.Sleep(8 * time.Millisecond)
		begun := time.Now()
		if _, err := in.Write([]byte("x")); err != nil {
			return nil, s.failure(cmd, err)
		}
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			return nil, s.failure(cmd, err)
		}
		echoes = append(echoes, ms(time.Since(begun)))
	}
	slices.Sort(echoes)
	return echoes, nil
}

// begin starts traffic and waits until it has filled what is on the way.
func (b *bench) begin(ctx context.Context, s *side, host string, l *traffic) (*exec.Cmd, error) {
	cmd := s.command(ctx, host, l.command)
	if l.upload {
		zero, err := os.Open("/dev/zero")
		if err != nil {
			return nil, err
		}
		defer zero.Close()
		cmd.Stdin = zero
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	time.Sleep(l.fill)
	return cmd, nil
}
