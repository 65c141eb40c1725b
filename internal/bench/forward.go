package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"time"
)

// A page as browsers fetch many: its head comes while the rest is still made.
const (
	headSize = 200
	pageSize = 20_000
	making   = time.Millisecond
)

// measureForward fetches pages through a forward, one at a time and each over a
// connection of its own.
func measureForward(ctx context.Context, b *bench) error {
	f := Figure{Name: "forward", Title: "a page through a forward (2 jumps + target)", Unit: "ms"}
	defer func() { b.add(f) }()
	addr, stop, err := servePages()
	if err != nil {
		return err
	}
	defer stop()
	for _, s := range []*side{b.peer, b.ours} {
		end, err := s.forward(ctx, addr)
		if err != nil {
			return err
		}
		defer end()
	}
	return b.inTurns(b.rounds(100), func(s *side) error {
		begun := time.Now()
		err := fetchPage(s.forwardSocket())
		f.sampleOf(s).add(ms(time.Since(begun)))
		return err
	})
}

// servePages answers whatever comes with a page, and hangs up.
func servePages() (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	head, page := make([]byte, headSize), make([]byte, pageSize)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 1)); err == nil {
					_, _ = conn.Write(head)
					time.Sleep(making)
					_, _ = conn.Write(page)
				}
			}()
		}
	}()
	return l.Addr().String(), func() { l.Close() }, nil
}

func fetchPage(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(runTimeout))
	if _, err := conn.Write([]byte("?")); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, conn)
	if err == nil && n != headSize+pageSize {
		err = fmt.Errorf("%d bytes instead of %d", n, headSize+pageSize)
	}
	return err
}

// forwardSocket is where the client listens.
func (s *side) forwardSocket() string { return s.socket("pages.sock") }

// forward has the client listen, for as long as end is not called.
func (s *side) forward(ctx context.Context, to string) (end func(), err error) {
	cmd := s.command(ctx, "-N", "-L", s.forwardSocket()+":"+to, "target")
	if err := cmd.Start(); err != nil {
		return nil, s.failure(cmd, err)
	}
	end = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if err := s.awaitForward(ctx, cmd); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// awaitForward returns when a page has come.
func (s *side) awaitForward(ctx context.Context, cmd *exec.Cmd) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	for {
		err := fetchPage(s.forwardSocket())
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.failure(cmd, errors.Join(errors.New("its forward does not work"), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
