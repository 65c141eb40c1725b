package transfer

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// cutOff is a Session that breaks when so much has gone over it.
type cutOff struct {
	Session
	left atomic.Int64
}

func (c *cutOff) count(n int) {
	if c.left.Add(-int64(n)) < 0 {
		c.Abort()
	}
}

func (c *cutOff) Read(p []byte) (int, error) {
	n, err := c.Session.Read(p)
	c.count(n)
	return n, err
}

func (c *cutOff) Write(p []byte) (int, error) {
	n, err := c.Session.Write(p)
	c.count(n)
	return n, err
}

// TestResume loses the connection half way and goes on, in both directions,
// with a checksum command there and without one, and with a source that has
// changed since.
func TestResume(t *testing.T) {
	const size = 24<<20 + 5
	for _, test := range []struct {
		name               string
		up, shell, changed bool
	}{{"up", true, true, false}, {"down", false, true, false}, {"up without a command", true, false, false},
		{"down without a command", false, false, false}, {"up, changed", true, true, true}, {"down, changed", false, true, true}} {
		t.Run(test.name, func(t *testing.T) {
			from, to := t.TempDir(), t.TempDir()
			text := noise(size)
			write(t, filepath.Join(from, "f"), text, 0o644)
			config := func(wrap func(Session) Session) Config {
				far := to
				if !test.up {
					far = from
				}
				r := connect(t, far, wrap)
				if !test.shell {
					r.shell.start = nil
				}
				if test.up {
					return Config{Sources: []Place{{nil, filepath.Join(from, "f")}}, Target: Place{r, "copy"}}
				}
				return Config{Sources: []Place{{r, "f"}}, Target: Place{nil, filepath.Join(to, "copy")}}
			}
			b := &book{}
			cfg := config(func(s Session) Session {
				c := &cutOff{Session: s}
				c.left.Store(size / 2)
				return c
			})
			cfg.Observe = b.observe
			var lost *LostError
			if _, err := Copy(t.Context(), cfg); !errors.As(err, &lost) || lost.Host != "web1" {
				t.Fatalf("%v %v", err, b.of(Failed))
			}
			if n := b.of(Noted); len(n) != 1 || !strings.Contains(n[0].Text, "an incomplete file stays at ") {
				t.Errorf("%+v", n)
			}
			if test.changed {
				text = "x" + text[1:]
				write(t, filepath.Join(from, "f"), text, 0o644)
			}
			cfg = config(nil)
			cfg.Resume, cfg.Checksum = true, true
			totals, b := mustCopy(t, cfg)
			if read(t, filepath.Join(to, "copy")) != text {
				t.Error("the copy differs")
			}
			if resumed := totals.Resumed > 4<<20; resumed == test.changed {
				t.Errorf("%+v %v", totals, b.of(Noted))
			}
			how := "reading it back"
			if test.shell {
				how = "sha256sum"
			}
			if v := b.of(Verified); len(v) != 1 || !strings.Contains(v[0].Text, how) {
				t.Errorf("%+v", v)
			}
			noParts(t, to)
			if totals, _ = mustCopy(t, cfg); totals.Present != 1 || totals.Bytes != 0 {
				t.Errorf("again: %+v", totals)
			}
		})
	}
}

// TestInterrupted ends soon when ctx does, removes small parts and keeps large
// ones.
func TestInterrupted(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "f"), noise(64<<20), 0o644)
	ctx, cancel := context.WithCancel(t.Context())
	var moved atomic.Int64
	_, err := Copy(ctx, Config{Sources: []Place{{nil, filepath.Join(from, "f")}}, Target: Place{connect(t, to, nil), "copy"}, Observe: func(e Event) {
		if moved.Add(e.Bytes) > 8<<20 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	entries, _ := os.ReadDir(to)
	if len(entries) != 1 || !isPart(entries[0].Name()) {
		t.Errorf("%v", entries)
	}
}

// liesWhenRead is a server that changes a byte on its way.
type liesWhenRead struct{ Session }

func (l liesWhenRead) Write(p []byte) (int, error) {
	if len(p) > 1000 {
		p = append([]byte(nil), p...)
		p[len(p)-1] ^= 1
	}
	return l.Session.Write(p)
}

// TestChecksum finds what was changed on the way, and leaves it nowhere.
func TestChecksum(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "f"), noise(30000), 0o644)
	b := &book{}
	totals, err := Copy(t.Context(), Config{Sources: []Place{{nil, filepath.Join(from, "f")}}, Checksum: true, Observe: b.observe,
		Target: Place{connect(t, to, func(s Session) Session { return liesWhenRead{s} }), "copy"}})
	if err != nil || totals.Failed != 1 || !errors.Is(b.of(Failed)[0].Err, errDifferent) {
		t.Errorf("%v %+v %v", err, totals, b.of(Failed))
	}
	if entries, _ := os.ReadDir(to); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

// TestQuote gives any name to a shell as one word.
func TestQuote(t *testing.T) {
	dir := t.TempDir()
	r := connect(t, dir, nil)
	for _, name := range []string{"a b", "-n", "a'b", `"$(touch x)"`, "new\nline", "bad\xff", "*", "`x`;&|<>"} {
		write(t, filepath.Join(dir, name), name, 0o644)
		want, _, err := local{}.sum(t.Context(), filepath.Join(dir, name), int64(len(name)))
		if err != nil {
			t.Fatal(err)
		}
		got, how, err := r.shell.sum(t.Context(), name, int64(len(name)))
		if err != nil || got != want || how != "by sha256sum" {
			t.Errorf("%q: %x %s %v", name, got, how, err)
		}
	}
}

// TestGather writes everything in order, and tells an error.
func TestGather(t *testing.T) {
	r, w := io.Pipe()
	g := newGather(w)
	done := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		done <- string(text)
	}()
	want := ""
	for i := range 1000 {
		word := strings.Repeat("x", i%50) + "\n"
		want += word
		if n, err := g.Write([]byte(word)); n != len(word) || err != nil {
			t.Fatal(n, err)
		}
	}
	g.Close()
	if got := <-done; got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	r, w = io.Pipe()
	g = newGather(w)
	r.CloseWithError(io.ErrUnexpectedEOF)
	for range 3 {
		if _, err := g.Write(make([]byte, gatherMost)); err != nil {
			if err != io.ErrUnexpectedEOF {
				t.Error(err)
			}
			g.Close()
			return
		}
	}
	t.Error("no error")
}
