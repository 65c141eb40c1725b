package main_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// outcome is how one request of the load ended: "" is success, else a clear
// error's text. A wrong one is what must never happen.
type outcome struct {
	err   string
	wrong string
}

// request makes one request of the load; i is its number.
type request func(i int, rng *rand.Rand) outcome

// workers are the load, each of them one request after the other.
func (c *chaos) workers() map[string]request {
	w := map[string]request{}
	for i, target := range []string{"target1", "target2", "jump2"} {
		w[fmt.Sprint("session ", i+1)] = func(n int, _ *rand.Rand) outcome { return c.session(target, n) }
	}
	w["copy to"] = func(_ int, rng *rand.Rand) outcome { return c.copyTo("target1", rng) }
	w["copy from"] = c.copyFrom("target2")
	w["scp"] = c.scp("target1")
	w["stock ssh"] = func(n int, _ *rand.Rand) outcome { return c.stock("target2", n) }
	w["pinned forward"] = c.pinned("target1")
	w["forward of a command"] = c.ownForward("target2")
	return w
}

// work makes requests until it is over.
func (c *chaos) work(name string, do request) {
	rng := rand.New(rand.NewPCG(uint64(len(name)), 1))
	for i := 0; ; i++ {
		select {
		case <-c.over:
			return
		case <-time.After(time.Duration(rng.IntN(400)) * time.Millisecond):
		}
		start := time.Now()
		o := do(i, rng)
		took := time.Since(start)
		kind, _, _ := strings.Cut(name, " 1")
		c.tally.add(strings.TrimRight(kind, " 23"), o, took)
		if o.wrong != "" || took > chaosBound {
			c.t.Errorf("%6.1fs %s, request %d: %s %s after %v", time.Since(c.began).Seconds(), name, i, o.wrong, o.err, took)
		}
	}
}

// verdict judges a run of a program that should have exited with want. Without
// a remote status it must have said why; a remote program that a signal ended
// has none either, and ssh says nothing about it.
func (c *chaos) verdict(r result, want int, target string) outcome {
	since := time.Now().Add(-r.took)
	switch {
	case r.code == want:
		return outcome{}
	case r.code != 255 && r.code != 1:
		return outcome{wrong: fmt.Sprintf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.err)}
	case r.err == "" && !c.killed(target, since):
		return outcome{wrong: fmt.Sprintf("exit code %d without a word", r.code)}
	case strings.Contains(r.err, "panic") || strings.Contains(r.err, "goroutine "):
		return outcome{wrong: r.err}
	}
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	return outcome{err: "E: " + strings.TrimSpace(lines[0])}
}

func (c *chaos) session(target string, n int) outcome {
	r := c.sally(target, fmt.Sprintf("echo out %d; echo err >&2; sleep 0.%d; exit 3", n, n%4))
	o := c.verdict(result{r.out, strings.TrimPrefix(r.err, "err\n"), r.code, r.took}, 3, target)
	if o == (outcome{}) && (r.out != fmt.Sprintf("out %d\n", n) || !strings.Contains(r.err, "err\n")) {
		o.wrong = fmt.Sprintf("stdout %q, stderr %q", r.out, r.err)
	}
	return o
}

func (c *chaos) stock(target string, n int) outcome {
	cmd := c.chain.SSH("-F", c.config, "-o", "ControlMaster=no", "-o", "ControlPath="+filepath.Join(c.dir, "%C"), target, fmt.Sprint("echo out ", n))
	up := c.sally("-o", "ControlPath="+filepath.Join(c.dir, "%C"), "up", target)
	if up.code != 0 {
		return c.verdict(up, 0, target)
	}
	cmd.Env = c.env()
	r := c.run(cmd)
	o := c.verdict(r, 0, target)
	// ssh says nothing when its master goes, unless it has a terminal.
	if r.code == 255 && r.err == "" && c.killed("stock", time.Now().Add(-r.took)) {
		o = outcome{err: "E: (ssh's master has gone)"}
	}
	if o == (outcome{}) && r.out != fmt.Sprintf("out %d\n", n) {
		o.wrong = fmt.Sprintf("stdout %q, stderr %q", r.out, r.err)
	}
	return o
}

// someBytes are up to 4 MB, which rng determines.
func someBytes(rng *rand.Rand) []byte {
	data := make([]byte, 1+rng.IntN(4<<20))
	var seed [32]byte
	seed[0], seed[1] = byte(rng.IntN(256)), byte(rng.IntN(256))
	_, _ = rand.NewChaCha8(seed).Read(data)
	return data
}

func (c *chaos) copyTo(target string, rng *rand.Rand) outcome {
	data := someBytes(rng)
	cmd := c.cmd(target, "sha256sum")
	cmd.Stdin = bytes.NewReader(data)
	r := c.run(cmd)
	o := c.verdict(r, 0, target)
	if got, _, _ := strings.Cut(r.out, " "); o == (outcome{}) && got != fmt.Sprintf("%x", sha256.Sum256(data)) {
		o.wrong = "the checksum is wrong: " + r.out + r.err
	}
	return o
}

// source is a file on the hosts, and its checksum.
func (c *chaos) source(name string) (file, sum string) {
	file = filepath.Join(c.chain.Dir(), name)
	data := someBytes(rand.New(rand.NewPCG(1, 1)))
	if err := os.WriteFile(file, data, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file, fmt.Sprintf("%x", sha256.Sum256(data))
}

func (c *chaos) copyFrom(target string) request {
	file, sum := c.source("from")
	return func(int, *rand.Rand) outcome {
		r := c.sally(target, "cat '"+file+"'")
		o := c.verdict(r, 0, target)
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(r.out))); o == (outcome{}) && got != sum {
			o.wrong = fmt.Sprintf("the checksum of %d bytes is wrong", len(r.out))
		}
		return o
	}
}

// scp copies with the stock program over ours.
func (c *chaos) scp(target string) request {
	file, sum := c.source("scp")
	copied := file + ".copy"
	return func(int, *rand.Rand) outcome {
		os.Remove(copied)
		cmd := c.cmd()
		cmd.Path, cmd.Args = sshtest.Path(c.t, "scp"), []string{"scp", "-S", program, "-F", c.config, target + ":" + file, copied}
		r := c.run(cmd)
		o := c.verdict(r, 0, target)
		if o == (outcome{}) {
			data, err := os.ReadFile(copied)
			if got := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || got != sum {
				o.wrong = fmt.Sprintf("the checksum is wrong: %d bytes, %v", len(data), err)
			}
		}
		return o
	}
}

// echoThrough sends bytes through a forward to an echo server.
func (c *chaos) echoThrough(addr string, rng *rand.Rand) outcome {
	data := someBytes(rng)
	data = data[:min(len(data), 300<<10)]
	conn, err := net.DialTimeout("tcp", addr, chaosBound)
	if err != nil {
		return outcome{err: "E: " + err.Error()}
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(chaosBound))
	go func() {
		_, _ = conn.Write(data)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	back, err := io.ReadAll(conn)
	switch {
	case !bytes.HasPrefix(data, back):
		return outcome{wrong: "other bytes came back"}
	case os.IsTimeout(err):
		return outcome{wrong: "the forwarded connection hangs"}
	case err != nil:
		return outcome{err: "E: " + err.Error()}
	case len(back) < len(data):
		return outcome{err: "E: the connection was closed"}
	}
	return outcome{}
}

// pinned uses a forward that belongs to the daemon, and outlives it.
func (c *chaos) pinned(target string) request {
	echo := sshtest.NewPeer(c.t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	listen := sshtest.RefusedPort(c.t)
	c.must("forward", "add", target, "-L", listen+":"+echo.Addr)
	return func(_ int, rng *rand.Rand) outcome { return c.echoThrough(listen, rng) }
}

// ownForward starts a command that forwards, uses that and ends it.
func (c *chaos) ownForward(target string) request {
	echo := sshtest.NewPeer(c.t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	return func(_ int, rng *rand.Rand) outcome {
		listen := freePort(c.t)
		cmd := c.cmd("-o", "ExitOnForwardFailure=yes", "-L", listen+":"+echo.Addr, target, "echo ready; cat")
		out, errOut := newWatched(), newWatched()
		cmd.Stdout, cmd.Stderr = out, errOut
		in, err := cmd.StdinPipe()
		start := time.Now()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return outcome{wrong: err.Error()}
		}
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		ready := make(chan bool, 1)
		go func() { ready <- out.await("ready", chaosBound) }()
		var o outcome
		select {
		case <-done:
		case <-ready:
			o = c.echoThrough(listen, rng)
		}
		in.Close()
		select {
		case <-done:
		case <-time.After(chaosBound):
			_ = cmd.Process.Kill()
			<-done
			o.wrong = "the command does not end"
		}
		if o == (outcome{}) {
			o = c.verdict(result{out.String(), errOut.String(), cmd.ProcessState.ExitCode(), time.Since(start)}, 0, target)
		}
		return o
	}
}

// freePort is an address that nobody listens at.
func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// chaosTally counts how requests ended.
type chaosTally struct {
	mu      sync.Mutex
	ok      map[string]int
	failed  map[string]int
	longest map[string]time.Duration
	errors  map[string]int
}

func newChaosTally() *chaosTally {
	return &chaosTally{ok: map[string]int{}, failed: map[string]int{}, longest: map[string]time.Duration{}, errors: map[string]int{}}
}

// varies are the parts of an error that differ each time.
var varies = regexp.MustCompile(`127\.0\.0\.1[:0-9]*|\[::1\][:0-9]*|\b(jump|target)[12]\b|[0-9.]+m?s\b|[0-9]+`)

func (t *chaosTally) add(kind string, o outcome, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.longest[kind] = max(t.longest[kind], took)
	if o == (outcome{}) {
		t.ok[kind]++
		return
	}
	t.failed[kind]++
	t.errors[varies.ReplaceAllString(strings.TrimPrefix(o.err+o.wrong, "E: "), "*")]++
}

// report prints the summary, to a file too when SALLY_CHAOS_REPORT names one.
func (t *chaosTally) report(c *chaos) {
	var b strings.Builder
	fmt.Fprintf(&b, "%v of chaos\n\n| load | done | failed, and said why | longest |\n|---|---|---|---|\n", time.Since(c.began).Round(time.Second))
	for _, kind := range slices.Sorted(maps.Keys(t.longest)) {
		fmt.Fprintf(&b, "| %s | %d | %d | %.1f s |\n", kind, t.ok[kind], t.failed[kind], t.longest[kind].Seconds())
	}
	count := func(head string, of map[string]int) {
		fmt.Fprintf(&b, "\n| %s | times |\n|---|---|\n", head)
		for _, what := range slices.SortedFunc(maps.Keys(of), func(x, y string) int { return of[y] - of[x] }) {
			fmt.Fprintf(&b, "| %s | %d |\n", strings.ReplaceAll(what, "|", "\\|"), of[what])
		}
	}
	count("what was done", c.upset)
	count("error", t.errors)
	c.t.Log("\n" + b.String())
	if file := os.Getenv("SALLY_CHAOS_REPORT"); file != "" {
		writeFile(c.t, file, b.String())
	}
}
