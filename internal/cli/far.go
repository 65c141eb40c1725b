package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/mux"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// far is the end of a route as verbs use it: each session on it is a client of
// the master that the daemon keeps, as a command of ours would be.
type far struct {
	*verbCommand
	route   route.Route
	options sshconfig.Options
	who     api.Person
}

// far resolves a host of a verb that opens sessions.
func (v *verbCommand) far(ctx context.Context, host string, who api.Person) (*far, error) {
	routes, heard, err := v.resolve(ctx, []string{host})
	if err != nil {
		return nil, err
	}
	if err := v.tellGaps(heard, true); err != nil {
		return nil, err
	}
	return &far{verbCommand: v, route: routes[0], options: routes[0].Target().Options, who: who}, nil
}

// attach brings the route up and becomes a client of its master.
func (f *far) attach(ctx context.Context, what, hangup string) (*mux.Client, error) {
	r := f.request(api.OpAttach, f.route)
	r.Debug, r.What, r.Hangup = f.verbose, what, hangup
	conn, _, err := f.do(ctx, f.needDaemon, r, f.who)
	if err != nil {
		return nil, err
	}
	return mux.NewClient(ctx, conn)
}

// farSession is a session whose streams are ours to read and write: a
// transfer.Session.
type farSession struct {
	client *mux.Client
	in     *os.File // its standard input
	out    *os.File // its standard output
	errors *tail

	end  sync.Once
	done chan struct{} // closed when the daemon has ended it
}

// session opens one. ctx bounds the opening; the session lives until Abort, or
// its own end.
func (f *far) session(ctx context.Context, what string, r *mux.SessionRequest) (*farSession, error) {
	client, err := f.attach(ctx, what, "")
	if err != nil {
		return nil, err
	}
	s := &farSession{client: client, errors: &tail{}, done: make(chan struct{})}
	theirs, err := s.pipes()
	if err != nil {
		client.Close()
		return nil, err
	}
	r.EscapeChar = mux.NoEscapeChar
	open, err := client.Session(ctx, r, theirs)
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		s.Abort()
		return nil, fmt.Errorf("%s: %w", f.route.Target().Name, err)
	}
	go func() {
		defer close(s.done)
		_, _ = open.Wait(context.Background(), nil)
	}()
	return s, nil
}

// pipes makes the three streams and returns the master's ends.
func (s *farSession) pipes() (theirs [3]*os.File, err error) {
	var stderr *os.File
	if theirs[0], s.in, err = os.Pipe(); err != nil {
		return theirs, err
	}
	if s.out, theirs[1], err = os.Pipe(); err != nil {
		return theirs, errors.Join(err, s.in.Close(), theirs[0].Close())
	}
	if stderr, theirs[2], err = os.Pipe(); err != nil {
		return theirs, errors.Join(err, s.in.Close(), theirs[0].Close(), s.out.Close(), theirs[1].Close())
	}
	widen(s.in)
	widen(s.out)
	s.errors.follow(stderr)
	return theirs, nil
}

func (s *farSession) Read(p []byte) (int, error)  { return s.out.Read(p) }
func (s *farSession) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s *farSession) Close() error                { return s.in.Close() }

// Abort ends the session at once.
func (s *farSession) Abort() {
	s.end.Do(func() {
		s.client.Close()
		s.in.Close()
		s.out.Close()
	})
}

// lastWords is how long an ended session may take to say why.
const lastWords = time.Second

// why adds what the far side said before it ended.
func (s *farSession) why(err error) error {
	select {
	case <-s.errors.done:
	case <-time.After(lastWords):
	}
	if text := s.errors.text(); err != nil && text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// tail keeps the end of what is written to standard error.
type tail struct {
	mu   sync.Mutex
	kept []byte
	done chan struct{}
}

const tailLength = 4096

// follow reads f to its end, which comes with the session's.
func (t *tail) follow(f *os.File) {
	t.done = make(chan struct{})
	go func() {
		defer close(t.done)
		defer f.Close()
		_, _ = io.Copy(t, f)
	}()
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - tailLength; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

// text is the last line.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.kept), []byte("\n"))
	return strings.TrimPrefix(strings.TrimSpace(visible(string(lines[len(lines)-1]))), "sally: ")
}
