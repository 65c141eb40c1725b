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
	quickest := func(f func()) time.Duration {
		var took []time.Duration
		for range 24 {
			begun := time.Now()
			f()
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		return took[len(took)/8]
	}
	const stall = 40 * time.Millisecond
	for _, host := range []string{"jump1", "target"} {
		from := listenEnds(t)[0]
		u.pin(host, "-L", from.flag+":"+at)
		page := quickest(func() { fetch(t, from.addr) })
		const parts = "(head -c 5000 /dev/zero; sleep .002; head -c 5000 /dev/zero)"
		silent := quickest(func() { u.must(host, parts+" >/dev/null") })
		said := quickest(func() { u.must(host, parts) })
		t.Logf("%s: a page %v, a silent command %v, one with output in parts %v", host, page, silent, said)
		if page > stall || said-silent > stall {
			t.Errorf("%s: stalls", host)
		}
	}
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
