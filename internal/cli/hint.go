package cli

import (
	"errors"
	"fmt"

	"sallyport/internal/api"
	"sallyport/internal/daemon"
	"sallyport/internal/route"
)

// hintFor says what may be done about an error; "" when there is nothing to
// add.
func hintFor(err error) string {
	var loop *route.LoopError
	var failed *api.Error
	var down dormant
	switch {
	case errors.As(err, &down):
		return fmt.Sprintf("\"sally up %s\" connects, \"sally test %s\" looks at each hop without sharing anything", down.host, down.host)
	case errors.As(err, &loop):
		return "one of these hosts jumps through itself; \"ProxyJump none\" in its Host block ends the chain there"
	case errors.As(err, new(frozenError)):
		return "\"sally quit\" ends it by force; the next command starts another one, with the pinned forwards"
	case errors.As(err, new(unsavedError)):
		return "a daemon that follows one that has died goes by that file; the next \"forward add\" or \"forward rm\" writes it anew"
	case errors.Is(err, daemon.ErrUnsafeDir):
		return "another user may have prepared it; remove it or set XDG_RUNTIME_DIR to a directory of your own"
	case errors.As(err, &failed) && failed.Code == api.CodeHop:
		return hopHint(failed)
	}
	return inventoryHint(err)
}

// hopHint is about a hop that failed in a stage.
func hopHint(e *api.Error) string {
	a, ok := adviceFor(failure{hop: e.Hop, via: e.Via, addr: e.Addr, stage: e.Stage, cause: e.Cause})
	if !ok {
		return ""
	}
	return a.why + "; " + a.do
}

// sshLine is what ssh(1) says of a failure, for the programs that look for its
// words: Ansible tells an unreachable host from a refused login by them.
func sshLine(err error) string {
	var failed *api.Error
	if !errors.As(err, &failed) || failed.Code != api.CodeHop {
		return ""
	}
	switch failed.Stage {
	case "host key":
		return "Host key verification failed."
	case "authenticate":
		return fmt.Sprintf("%s: Permission denied (%s).", failed.Hop, visible(failed.Methods))
	}
	return ""
}
