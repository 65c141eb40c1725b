package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"sallyport/internal/api"
)

// person answers questions: on the terminal of whoever runs the command,
// whatever the standard streams are, or through SSH_ASKPASS (ssh(1),
// ENVIRONMENT). It is an api.Person.
type person struct {
	*voice
	getenv func(string) string

	asking sync.Mutex // one question at a time
}

func (a *App) newPerson() *person { return &person{voice: a.voice, getenv: a.Getenv} }

// Ask is api.Person's.
func (p *person) Ask(ctx context.Context, q api.Question) (string, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	allowed, forced := p.askpass()
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
	return askOn(ctx, tty, q)
}

// askpass reads SSH_ASKPASS_REQUIRE: whether a program may ask, and whether it
// must, even with a terminal. As in ssh(1), DISPLAY allows it.
func (p *person) askpass() (allowed, forced bool) {
	allowed = p.getenv("SSH_ASKPASS") != "" && (p.getenv("DISPLAY") != "" || p.getenv("WAYLAND_DISPLAY") != "")
	switch p.getenv("SSH_ASKPASS_REQUIRE") {
	case "force":
		return p.getenv("SSH_ASKPASS") != "", true
	case "prefer":
		return allowed, true
	case "never":
		return false, false
	}
	return allowed, false
}

// runAskpass runs the program with the question and reads a line from it. For
// a question of yes or no, its exit status is the answer.
func (p *person) runAskpass(ctx context.Context, q api.Question) (string, error) {
	cmd := exec.CommandContext(ctx, p.getenv("SSH_ASKPASS"), visible(q.Intro+q.Text))
	cmd.Stderr = p.stderr
	if q.Kind == "confirm" { // a host key may also be answered with its fingerprint
		cmd.Env = append(os.Environ(), "SSH_ASKPASS_PROMPT=confirm")
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return "", api.ErrCancelled
	case err != nil:
		p.say(levelError, fmt.Sprintf("%s: SSH_ASKPASS: %v", p.name, err))
		return "", api.ErrNobody
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	answer := strings.TrimRight(string(line), "\r")
	if q.Kind == "confirm" && answer == "" {
		answer = "yes"
	}
	return answer, nil
}

// askOn asks on a terminal and reads one line. What must not be seen is typed
// after the echo is off, so the question comes after that. When ctx ends first
// the terminal is put back.
func askOn(ctx context.Context, tty *os.File, q api.Question) (string, error) {
	restore := func() {}
	if !q.Echo {
		var err error
		if restore, err = echoOff(tty); err != nil {
			return "", api.ErrNobody
		}
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
