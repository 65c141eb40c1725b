// Package askpass asks a person through the program of SSH_ASKPASS (ssh(1),
// ENVIRONMENT): whether it may be run, and how its answer is read. It must not
// know what is asked, or of terminals; the text it is given is fit to be shown.
package askpass

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
)

// ErrRefused says that the person did not answer: the program failed.
var ErrRefused = errors.New("refused through SSH_ASKPASS")

// Allowed reads SSH_ASKPASS_REQUIRE: whether the program may ask, and whether
// it must even if there is a terminal. As in ssh(1), a display allows it.
func Allowed(getenv func(string) string) (allowed, forced bool) {
	named := getenv("SSH_ASKPASS") != ""
	allowed = named && (getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "")
	switch getenv("SSH_ASKPASS_REQUIRE") {
	case "force":
		return named, true
	case "prefer":
		return allowed, true
	case "never":
		return false, false
	}
	return allowed, false
}

// Program is the program and what it runs in.
type Program struct {
	Path   string
	Env    []string // NAME=VALUE; nil is this process's
	Dir    string
	Stderr io.Writer // nil throws it away
}

// Ask runs the program with the text and returns the line it prints. For a
// question of yes or no its success is the answer, unless it prints one. The
// error is ErrRefused, or about the program that did not run. When ctx ends,
// so does the program.
func (p Program) Ask(ctx context.Context, text string, confirm bool) (string, error) {
	cmd := exec.CommandContext(ctx, p.Path, text)
	cmd.Env, cmd.Dir, cmd.Stderr = p.Env, p.Dir, p.Stderr
	if confirm {
		cmd.Env = append(cmd.Environ(), "SSH_ASKPASS_PROMPT=confirm")
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return "", ErrRefused
	case err != nil:
		return "", err
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	answer := strings.TrimRight(string(line), "\r")
	if confirm && answer == "" {
		answer = "yes"
	}
	return answer, nil
}
