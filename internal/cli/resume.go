package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/sshargs"
	"sallyport/internal/sshconfig"
)

// How a session that is resumed comes back.
const (
	resumeName    = "sally" // of the session on the target
	resumeFirst   = 500 * time.Millisecond
	resumeLongest = 10 * time.Second
)

// cutResume takes "--resume tmux" out of the command line: it is the keyword
// ResumeWith.
func cutResume(f face, args []string) ([]string, []sshconfig.Override, error) {
	if f != faceSally {
		return args, nil, nil
	}
	rest, with, found, err := sshargs.CutLongValue(args, "--resume")
	if !found || err != nil {
		return args, nil, err
	}
	return rest, []sshconfig.Override{{Keyword: "ResumeWith", Value: sshconfig.Quote(with), From: "--resume", Replace: true}}, nil
}

// resumes reports whether the session is one that survives its connection: a
// shell on a terminal.
func (c *sshCommand) resumes(tty bool) bool {
	s := c.options.Session
	return s.ResumeWith != "" && c.face == faceSally && tty && c.command() == "" && s.SessionType == "default" && c.inv.StdioForward == nil
}

// remoteCommand is what the target runs; "" is a shell.
func (c *sshCommand) remoteCommand(tty bool) string {
	if !c.resumes(tty) {
		return c.command()
	}
	return resumeCommand(c.options.Session.ResumeWith)
}

// resumeCommand attaches to the session on the target or begins it, whatever
// the account's shell is. It has no quotes of its own to mind: sshconfig allows
// none in the name.
func resumeCommand(with string) string {
	tool, name, named := strings.Cut(with, ":")
	if !named {
		name = resumeName
	}
	// Who is attached already is cut off: that is our own lost connection.
	run := map[string]string{
		"tmux":   "exec tmux new-session -A -D -s " + name,
		"screen": "exec screen -d -R -S " + name,
	}
	tools, missing := []string{tool}, tool+" is not"
	if tool == "auto" {
		tools, missing = []string{"tmux", "screen"}, "neither tmux nor screen is"
	}
	var script strings.Builder
	for _, t := range tools {
		fmt.Fprintf(&script, "if command -v %s >/dev/null 2>&1; then %s; fi; ", t, run[t])
	}
	fmt.Fprintf(&script, `echo "sally: %s installed on this host, so nothing can be resumed (ResumeWith)" >&2; exit 127`, missing)
	return "exec sh -c '" + script.String() + "'"
}

// sessions is session, and again for one that is resumed when its connection
// was lost: until it ends, or the user does.
func (c *sshCommand) sessions(ctx context.Context) (int, error) {
	code, err := c.session(ctx)
	tty, _ := c.chooseTTY()
	for c.resumes(tty) && c.lost && ctx.Err() == nil {
		c.voice.say(levelInfo, "sally: connection lost; coming back to the session (^C ends this)")
		if code, err = c.comeBack(ctx); err != nil {
			return code, err
		}
	}
	return code, err
}

// comeBack runs the session over a new connection, as soon as one can be made.
func (c *sshCommand) comeBack(ctx context.Context) (code int, err error) {
	said := ""
	for pause := resumeFirst; ; pause = min(2*pause, resumeLongest) {
		c.lost = false
		code, err = c.session(ctx)
		if err == nil || c.lost || ctx.Err() != nil || !worthTrying(err) {
			if c.lost {
				err = nil // the daemon ended, perhaps
			}
			return code, err
		}
		if text := err.Error(); text != said {
			said = text
			c.voice.say(levelInfo, "sally: "+visible(text))
		}
		if !pass(ctx, pause/2+rand.N(pause/2)) {
			return exitSSH, ctx.Err()
		}
	}
}

// worthTrying reports whether a failed connection may be another time: not one
// that a person has refused or the server has, and not one that is locked.
func worthTrying(err error) bool {
	var failed *api.Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Stage {
	case "host key", "authenticate":
		return false
	}
	return failed.Code == api.CodeHop || failed.Code == api.CodeFailed
}
