package fanout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestParallel runs no more at once than it may, and begins in order.
func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		var began []int
		outcomes := Run(t.Context(), Config{Parallel: 7, Began: func(i int) { began = append(began, i) }}, 100, func(_ context.Context, i int) (int, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Duration(i%5) * time.Second)
			now.Add(-1)
			return i, nil
		})
		if most.Load() != 7 || !slices.IsSorted(began) || len(began) != 100 {
			t.Errorf("%d at once, began %v", most.Load(), began)
		}
		for i, o := range outcomes {
			if !o.Started || o.Code != i || o.Err != nil || o.Took != time.Duration(i%5)*time.Second {
				t.Errorf("%d: %+v", i, o)
			}
		}
	})
}

// TestTimes bounds one host, and all.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		outcomes := Run(t.Context(), Config{Parallel: 2, Timeout: 3 * time.Second, Total: 10 * time.Second}, 20, func(ctx context.Context, i int) (int, error) {
			if i == 1 {
				return 0, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		var late *TimeoutError
		for i, o := range outcomes {
			switch {
			case i == 1 && !o.OK(),
				i == 0 && (!errors.As(o.Err, &late) || late.After != 3*time.Second || o.Took != 3*time.Second),
				i > 8 && (o.Started || o.Err != ErrNotStarted):
				t.Errorf("%d: %+v", i, o)
			}
		}
		if o := outcomes[7]; !errors.As(o.Err, &late) || late.After != 10*time.Second {
			t.Errorf("the last one: %+v", o)
		}
	})
}

// TestFailFast begins with no more after a failure.
func TestFailFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcomes := Run(t.Context(), Config{Parallel: 2, FailFast: true}, 10, func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration(2+i%2) * time.Second / 2)
			if i == 2 {
				return 3, nil
			}
			return 0, nil
		})
		var started []int
		for i, o := range outcomes {
			if o.Started {
				started = append(started, i)
			}
		}
		if !slices.Equal(started, []int{0, 1, 2, 3}) || outcomes[2].Code != 3 || !outcomes[3].OK() {
			t.Errorf("%v %+v", started, outcomes)
		}
	})
}

func TestReadHosts(t *testing.T) {
	got, err := ReadHosts(strings.NewReader("web1 web2 # these\n\n# none\n\talice@web3\r\nweb*\n[::1]"))
	if want := []string{"web1", "web2", "alice@web3", "web*", "[::1]"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
	for _, bad := range []string{"-oProxyCommand=x", "a\x00b", "!", strings.Repeat("x", 5000), "a\xffb"} {
		if got, err := ReadHosts(strings.NewReader("ok\n" + bad + "\n")); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%.20q: %q %v", bad, got, err)
		}
	}
}

func TestSelect(t *testing.T) {
	names := []string{"web1", "web2", "web10", "db1", "bastion"}
	for words, want := range map[string]string{
		"web1 web1":          "web1",
		"web*":               "web1 web2 web10",
		"web? db1":           "web1 web2 db1",
		"db1 * !web*":        "db1 bastion",
		"!bastion *1":        "web1 db1",
		"10.0.0.1 web[12]":   "10.0.0.1 web1 web2",
		"alice@web1 [::1]":   "alice@web1 [::1]",
		"web1 !web1":         "",
		"ssh://web1:22 web1": "ssh://web1:22 web1",
	} {
		got, err := Select(strings.Fields(words), names)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q %v, want %q", words, got, err, want)
		}
	}
	for _, bad := range []string{"none*", "web[", "-x", "!["} {
		if got, err := Select([]string{bad}, names); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, text := range []string{"web1\nweb*\n", "# x\n-bad", "a!b !c", "[::1] web[12]", "\x00", "!!x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, err := ReadHosts(strings.NewReader(text))
		if err != nil {
			return
		}
		hosts, err := Select(words, []string{"web1", "web2"})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, h := range hosts {
			if h == "" || h[0] == '-' || seen[h] || strings.ContainsAny(h, "\x00\n ") {
				t.Errorf("%q gives %q", text, hosts)
			}
			seen[h] = true
		}
	})
}

// TestSpool gives back what several hosts said, each in its order.
func TestSpool(t *testing.T) {
	var store Store
	defer store.Close()
	var spools [3]*Spool
	var all sync.WaitGroup
	for i := range spools {
		spools[i] = store.Spool()
		all.Go(func() {
			for n := range 2000 {
				fmt.Fprintf(spools[i].Stream(1+n%2), "%d %d %s\n", i, n, strings.Repeat("x", n%97))
			}
			spools[i].Stream(1).Write(bytes.Repeat([]byte("y"), 100000))
		})
	}
	all.Wait()
	if store.file == nil {
		t.Error("all of it is in memory")
	}
	for i, s := range spools {
		var out, errOut, wantOut, wantErr bytes.Buffer
		if err := s.Replay(&out, &errOut); err != nil {
			t.Fatal(err)
		}
		for n := range 2000 {
			to := [2]*bytes.Buffer{&wantOut, &wantErr}[n%2]
			fmt.Fprintf(to, "%d %d %s\n", i, n, strings.Repeat("x", n%97))
		}
		wantOut.Write(bytes.Repeat([]byte("y"), 100000))
		if !bytes.Equal(out.Bytes(), wantOut.Bytes()) || !bytes.Equal(errOut.Bytes(), wantErr.Bytes()) {
			t.Errorf("host %d: %d and %d bytes", i, out.Len(), errOut.Len())
		}
	}
}

// FuzzLines holds that no byte is lost, however a stream comes.
func FuzzLines(f *testing.F) {
	f.Add("a\nb\n\nc", 2)
	f.Fuzz(func(t *testing.T, text string, step int) {
		step = max(step%100, 1)
		var got bytes.Buffer
		lines := 0
		l := NewLines(func(line []byte) error {
			if bytes.IndexByte(line, '\n') >= 0 {
				t.Error("a line with two")
			}
			got.Write(line)
			lines++
			return nil
		})
		for p := text; p != ""; p = p[min(step, len(p)):] {
			l.Write([]byte(p[:min(step, len(p))]))
		}
		l.Close()
		if got.String() != strings.ReplaceAll(text, "\n", "") {
			t.Errorf("%q became %q", text, got.String())
		}
		if want := strings.Count(text, "\n"); len(text) < longestPiece && lines != want && lines != want+1 {
			t.Errorf("%d lines of %q", lines, text)
		}
	})
}
