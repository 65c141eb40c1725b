package lab

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// session starts a command that says "ready" and then stays.
func lastingSession(t *testing.T, n *Network, args ...string) (wait func() error) {
	t.Helper()
	cmd := n.sshCommand(t.Context(), append(args, "target", "echo ready; exec sleep 600")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatalf("no session: %v", err)
	}
	return cmd.Wait
}

func TestCloseEndsSessions(t *testing.T) {
	for _, tty := range []string{"-T", "-tt"} {
		n := startLab(t, Options{})
		wait := lastingSession(t, n, tty)
		start := time.Now()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("Close took %v", d)
		}
		if err := wait(); err == nil {
			t.Error("the client ended well")
		}
	}
}

func TestContextEndsTheNetwork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wait := lastingSession(t, n)
	cancel()
	if err := wait(); err == nil {
		t.Error("the client ended well")
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(n.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close left the directory: %v", err)
	}
}

func TestVanishedClientEndsTheProgram(t *testing.T) {
	n := startLab(t, Options{Jumps: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The trap makes the program deaf to the hang-up.
	cmd := n.sshCommand(ctx, "target", "trap '' HUP; echo $$; while :; do sleep 1; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 20)
	k, err := out.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(buf[:k]))
	cancel()
	cmd.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s lives on", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestBadOptions(t *testing.T) {
	if _, err := Start(t.Context(), Options{Jumps: -1}); err == nil {
		t.Error("-1 jump hosts accepted")
	}
	if _, err := Start(t.Context(), Options{Dir: "/dev/null/x"}); err == nil {
		t.Error("impossible directory accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}
