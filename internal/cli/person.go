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

	"golang.org/x/term"

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
	fmt.Fprint(tty, strings.ReplaceAll(q.Intro, "\n", "\r\n")+q.Text)
	return readAnswer(ctx, tty, q.Echo)
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
	cmd := exec.CommandContext(ctx, p.getenv("SSH_ASKPASS"), q.Intro+q.Text)
	cmd.Stderr = p.stderr
	if q.Kind == "confirm" || q.Kind == "host-key" {
		cmd.Env = append(os.Environ(), "SSH_ASKPASS_PROMPT=confirm")
		if q.Kind == "host-key" {
			cmd.Env = os.Environ()
		}
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
		_ = term.Restore(fd, state)
		fmt.Fprint(tty, "\r\n")
		return "", ctx.Err()
	}
}
