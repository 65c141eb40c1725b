package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"sallyport/internal/api"
	"sallyport/internal/fanout"
)

// runShow prints what many hosts say: one host after the other, or lines as
// they come.
type runShow struct {
	*runner
	person api.Person
	store  fanout.Store
	start  time.Time
	live   *live // nil without a terminal

	// state: guarded by mu, which is held while something is printed
	mu      sync.Mutex
	spools  []*fanout.Spool // of hosts that are not printed yet
	ready   []*fanout.Outcome
	printed int // hosts before this one are printed
	running []string
	done    int
	failed  int
	err     error // the first that printing gave
}

func (r *runner) newShow() *runShow {
	s := &runShow{runner: r, start: time.Now(), spools: make([]*fanout.Spool, len(r.hosts)), ready: make([]*fanout.Outcome, len(r.hosts))}
	s.person = r.newPerson()
	if !r.flags.quiet && r.drawsOn(r.Stderr) {
		s.live = r.newLive(s.lines)
		s.person = undisturbed{s.person, s.live}
	}
	return s
}

// undisturbed keeps a question from being drawn over.
type undisturbed struct {
	api.Person
	live *live
}

// Ask is api.Person's.
func (p undisturbed) Ask(ctx context.Context, q api.Question) (string, error) {
	defer p.live.pause()()
	return p.Person.Ask(ctx, q)
}

// lines is what live draws.
func (s *runShow) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%s %d of %s done", bar(int64(s.done), int64(len(s.hosts)), 20), s.done, plural(len(s.hosts), "host"))
	if s.failed > 0 {
		text += fmt.Sprintf(", %d failed", s.failed)
	}
	text += ", " + shortDuration(time.Since(s.start).Round(time.Second))
	if len(s.running) > 0 {
		text += "; on " + strings.Join(s.running[:min(len(s.running), 20)], " ")
	}
	return []string{text}
}

func (s *runShow) began(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, s.hosts[i])
	if s.grouped() {
		s.spools[i] = s.store.Spool()
	}
}

func (s *runShow) grouped() bool { return !s.flags.prefix && !s.flags.json }

// output is where a host's output goes; done is called when no more comes.
func (s *runShow) output(i int) (stdout, stderr io.Writer, done func()) {
	if s.grouped() {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.spools[i].Stream(1), s.spools[i].Stream(2), func() {}
	}
	out, errOut := s.cutter(i, 1), s.cutter(i, 2)
	return out, errOut, func() { _ = out.Close(); _ = errOut.Close() }
}

// cutter prints the lines of one stream.
func (s *runShow) cutter(i, stream int) *fanout.Lines {
	host := s.hosts[i]
	return fanout.NewLines(func(line []byte) error {
		if s.flags.json {
			m := map[string]any{"event": "line", "host": host, "stream": [3]string{1: "stdout", 2: "stderr"}[stream]}
			putBytes(m, "text", string(line))
			if len(line) == 0 {
				m["text"] = ""
			}
			return s.json(m)
		}
		to := s.Stdout
		if stream == 2 {
			to = s.Stderr
		}
		return s.write(to, slices.Concat([]byte(host), []byte(": "), line, []byte("\n")))
	})
}

// write prints something whole.
func (s *runShow) write(to *os.File, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(to, p)
}

// put is write with mu held.
func (s *runShow) put(to *os.File, p []byte) error {
	var err error
	if s.live != nil {
		_, err = s.live.print(to, p)
	} else {
		_, err = to.Write(p)
	}
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("print output: %w", err)
	}
	return err
}

func (s *runShow) json(m map[string]any) error {
	var b strings.Builder
	printLine(&b, m)
	return s.write(s.Stdout, []byte(b.String()))
}

// ended prints what can be printed now.
func (s *runShow) ended(i int, o fanout.Outcome) {
	if s.flags.json {
		_ = s.json(s.outcomeJSON(i, o))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := slices.Index(s.running, s.hosts[i]); at >= 0 {
		s.running = slices.Delete(s.running, at, at+1)
	}
	s.done++
	if !o.OK() {
		s.failed++
	}
	switch {
	case s.flags.json:
	case s.flags.prefix:
		if !o.OK() {
			_ = s.put(s.Stderr, []byte(s.hosts[i]+": "+outcomeText(o)+"\n"))
		}
	case s.flags.unordered:
		s.group(i, o)
	default:
		for s.ready[i] = &o; s.printed < len(s.hosts) && s.ready[s.printed] != nil; s.printed++ {
			s.group(s.printed, *s.ready[s.printed])
		}
	}
}

// group prints one host. The caller holds mu.
func (s *runShow) group(i int, o fanout.Outcome) {
	_ = s.put(s.Stdout, []byte("── "+s.hosts[i]+": "+outcomeText(o)+"\n"))
	if s.spools[i] == nil {
		return
	}
	out := &wholeLines{show: s, to: s.Stdout}
	errOut := &wholeLines{show: s, to: s.Stderr}
	if err := s.spools[i].Replay(out, errOut); err != nil && s.err == nil {
		s.err = err
	}
	out.end()
	errOut.end()
	s.spools[i] = nil
}

// wholeLines sees to it that the next host begins on a new line.
type wholeLines struct {
	show *runShow
	to   *os.File
	last byte
}

func (w *wholeLines) Write(p []byte) (int, error) {
	if len(p) > 0 {
		w.last = p[len(p)-1]
	}
	return len(p), w.show.put(w.to, p)
}

func (w *wholeLines) end() {
	if w.last != 0 && w.last != '\n' {
		_ = w.show.put(w.to, []byte("\n"))
	}
}

// outcomeText is one host's outcome for people.
func outcomeText(o fanout.Outcome) string {
	switch {
	case errors.Is(o.Err, fanout.ErrNotStarted):
		return "not started"
	case o.Err != nil:
		return strings.TrimSpace(visible(o.Err.Error()))
	case o.Code != 0:
		return fmt.Sprintf("exit code %d, %s", o.Code, shortDuration(o.Took))
	}
	return "ok, " + shortDuration(o.Took)
}

func (s *runShow) outcomeJSON(i int, o fanout.Outcome) map[string]any {
	m := map[string]any{"event": "exit", "host": s.hosts[i], "started": o.Started, "seconds": o.Took.Seconds(), "ok": o.OK()}
	if o.Err == nil {
		m["code"] = o.Code
		return m
	}
	m["error"] = strings.ToValidUTF8(o.Err.Error(), string(utf8.RuneError))
	var failed *api.Error
	if errors.As(o.Err, &failed) && failed.Hop != "" {
		m["hop"], m["stage"] = failed.Hop, failed.Stage
	}
	return m
}

// end prints the rest and the summary, and is the verb's answer.
func (s *runShow) end(outcomes []fanout.Outcome, took time.Duration) error {
	defer s.store.Close()
	if s.live != nil {
		s.live.end()
		s.live = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grouped() && !s.flags.unordered {
		for ; s.printed < len(outcomes); s.printed++ { // what waited for a host that was not started
			if outcomes[s.printed].Started {
				s.group(s.printed, outcomes[s.printed])
			}
		}
	}
	counts := s.summary(outcomes)
	switch {
	case s.flags.json:
		var b strings.Builder
		printLine(&b, map[string]any{"event": "summary", "hosts": len(outcomes), "ok": counts.ok, "failed": counts.codes, "errors": counts.errors,
			"not_started": counts.waiting, "seconds": took.Seconds()})
		_ = s.put(s.Stdout, []byte(b.String()))
	case !s.flags.quiet:
		fmt.Fprintf(s.Stderr, "%s: %s, in %s\n", plural(len(outcomes), "host"), counts, shortDuration(took))
	}
	switch {
	case s.err != nil:
		return s.err
	case counts.ok < len(outcomes):
		s.code = exitFailed
	}
	return nil
}

// runCounts is how many hosts ended how, and their names.
type runCounts struct {
	ok, codes, errors, waiting int
	names                      map[string][]string // of those that are not ok, by outcome
	order                      []string
}

func (s *runShow) summary(outcomes []fanout.Outcome) *runCounts {
	c := &runCounts{names: map[string][]string{}}
	for i, o := range outcomes {
		key := ""
		var late *fanout.TimeoutError
		switch {
		case o.OK():
			c.ok++
			continue
		case !o.Started:
			c.waiting++
			key = "not started"
		case errors.As(o.Err, &late):
			c.errors++
			key = "not done in time"
		case o.Err != nil:
			c.errors++
			key = "without an exit code"
		default:
			c.codes++
			key = fmt.Sprintf("exit code %d", o.Code)
		}
		if len(c.names[key]) == 0 {
			c.order = append(c.order, key)
		}
		c.names[key] = append(c.names[key], s.hosts[i])
	}
	return c
}

// namesShown is how many hosts a summary names for each outcome.
const namesShown = 10

func (c *runCounts) String() string {
	parts := []string{fmt.Sprintf("%d ok", c.ok)}
	for _, key := range c.order {
		names := c.names[key]
		text := fmt.Sprintf("%d %s (%s", len(names), key, strings.Join(names[:min(len(names), namesShown)], " "))
		if more := len(names) - namesShown; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text+")")
	}
	return strings.Join(parts, ", ")
}
