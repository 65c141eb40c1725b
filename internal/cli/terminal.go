package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"sallyport/internal/api"
)

// person answers questions on the terminal of whoever runs the command.
type person struct {
	stderr *os.File
	quiet  bool

	mu sync.Mutex // one question at a time
}

// Tell is api.Person's: notices go to standard error.
func (p *person) Tell(n api.Notice) {
	switch {
	case n.Kind == "banner":
		if !p.quiet {
			fmt.Fprint(p.stderr, n.Text)
		}
	case n.Kind == "debug":
		fmt.Fprintf(p.stderr, "%s\r\n", n.Text)
	case !p.quiet:
		fmt.Fprintf(p.stderr, "%s: %s\r\n", n.Hop, strings.TrimRight(n.Text, "\n"))
	}
}

// Ask is api.Person's. It needs a controlling terminal, whatever the standard
// streams are.
func (p *person) Ask(ctx context.Context, q api.Question) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", api.ErrNobody
	}
	defer tty.Close()
	fmt.Fprint(tty, strings.ReplaceAll(q.Intro, "\n", "\r\n")+q.Text)
	return readAnswer(ctx, tty, q.Echo)
}

// readAnswer reads one line. When ctx ends first the terminal is put back.
func readAnswer(ctx context.Context, tty *os.File, echo bool) (string, error) {
	fd := int(tty.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", api.ErrNobody
	}
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		if echo {
			text, err := bufio.NewReader(tty).ReadString('\n')
			done <- result{strings.TrimRight(text, "\r\n"), err}
			return
		}
		secret, err := term.ReadPassword(fd)
		fmt.Fprint(tty, "\r\n")
		done <- result{string(secret), err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return "", errors.Join(api.ErrCancelled, r.err)
		}
		return r.text, nil
	case <-ctx.Done():
		term.Restore(fd, state)
		fmt.Fprint(tty, "\r\n")
		return "", ctx.Err()
	}
}

// rawMode puts f into raw mode; the returned function puts it back and may be
// called more than once.
func rawMode(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return func() {}, err
	}
	return sync.OnceFunc(func() { term.Restore(fd, state) }), nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
