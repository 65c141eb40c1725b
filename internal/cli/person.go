package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"sallyport/internal/api"
	"sallyport/internal/askpass"
)

// person answers questions: on the terminal of whoever runs the command,
// whatever the standard streams are, or through SSH_ASKPASS (ssh(1),
// ENVIRONMENT). It is an api.Person.
type person struct {
	*voice
	getenv  func(string) string
	answers *answerer // what answers without a person, if anything
	ending  *ending

	asking sync.Mutex // one question at a time
}

func (a *App) newPerson() *person {
	return &person{voice: a.voice, getenv: a.Getenv, answers: a.answers, ending: &a.ending}
}

// Ask is api.Person's.
func (p *person) Ask(ctx context.Context, q api.Question) (string, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	if text, found := p.answer(ctx, q); found {
		return text, nil
	}
	return p.byPerson(ctx, q)
}

// byPerson asks the person.
func (p *person) byPerson(ctx context.Context, q api.Question) (string, error) {
	allowed, forced := askpass.Allowed(p.getenv)
	if forced && allowed {
		return p.runAskpass(ctx, q)
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		if allowed {
			return p.runAskpass(ctx, q)
		}
		return "", api.ErrNobody
	}
	defer tty.Close()
	return askOn(ctx, p.ending, tty, q)
}

// runAskpass asks through SSH_ASKPASS.
func (p *person) runAskpass(ctx context.Context, q api.Question) (string, error) {
	program := askpass.Program{Path: p.getenv("SSH_ASKPASS"), Stderr: p.stderr}
	// A host key is no mere yes or no: it may be answered with its fingerprint.
	answer, err := program.Ask(ctx, visible(q.Intro+q.Text), q.Kind == "confirm")
	switch {
	case errors.Is(err, askpass.ErrRefused):
		return "", api.ErrCancelled
	case err != nil:
		p.say(levelError, fmt.Sprintf("%s: SSH_ASKPASS: %v", p.name, err))
		return "", api.ErrNobody
	}
	return answer, nil
}

// askOn asks on a terminal and reads one line. What must not be seen is typed
// after the echo is off, so the question comes after that. When ctx ends first
// the terminal is put back.
func askOn(ctx context.Context, end *ending, tty *os.File, q api.Question) (string, error) {
	restore := func() {}
	if !q.Echo {
		var err error
		if restore, err = echoOff(tty); err != nil {
			return "", api.ErrNobody
		}
		defer end.atOnce(func(os.Signal) { restore() })()
	}
	defer restore()
	fmt.Fprint(tty, visible(q.Intro+q.Text))
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := bufio.NewReader(tty).ReadString('\n')
		done <- result{strings.TrimRight(text, "\r\n"), err}
	}()
	select {
	case r := <-done:
		if !q.Echo {
			fmt.Fprintln(tty) // the person's own was not echoed
		}
		if r.err != nil {
			return "", errors.Join(api.ErrCancelled, r.err)
		}
		return r.text, nil
	case <-ctx.Done():
		fmt.Fprintln(tty)
		return "", ctx.Err()
	}
}
