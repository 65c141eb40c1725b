package main_test

import (
	"io"
	"slices"
	"testing"
	"time"
)

// TestNoStalls: what servers say in parts is not held back until a kernel sees
// fit to acknowledge the first, which takes 40 ms: pages through forwards and the
// output of commands, with and without jump hosts. A few of them must be
// quicker, since a busy machine is slow by itself.
func TestNoStalls(t *testing.T) {
	t.Parallel()
	chain := twoJumps(t)
	u := newUser(t, chain)
	at := web(t, "127.0.0.1:0")
	const stall = 40 * time.Millisecond
	const parts = "(head -c 5000 /dev/zero; sleep .002; head -c 5000 /dev/zero)"
	for _, host := range []string{"jump1", "target"} {
		from := listenEnds(t)[0]
		u.pin(host, "-L", from.flag+":"+at)
		var page, silent, said []time.Duration
		stalls := true
		for round := 0; stalls && round < 3; round++ { // what is held back is so each time
			for range 24 { // one beside the other: what else the machine does, it does to all
				page = append(page, timed(func() { fetch(t, from.addr) }))
				silent = append(silent, timed(func() { u.must(host, parts+" >/dev/null") }))
				said = append(said, timed(func() { u.must(host, parts) }))
			}
			stalls = low(page) > stall || low(said)-low(silent) > stall
		}
		t.Logf("%s: a page %v, a silent command %v, one with output in parts %v", host, low(page), low(silent), low(said))
		if stalls {
			t.Errorf("%s: stalls", host)
		}
	}
}

// timed is how long it takes.
func timed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

// low is what an eighth of them stay below: a few are quick even on a busy machine.
func low(took []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(took))[len(took)/8]
}

// fetch gets a page over a connection of its own, as ab(1) does.
func fetch(t testing.TB, addr string) {
	t.Helper()
	conn := dial(t, "tcp", addr)
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || len(answer) < 20_000 {
		t.Fatalf("%d bytes, %v", len(answer), err)
	}
}
