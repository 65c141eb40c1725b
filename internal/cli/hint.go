package cli

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/internal/api"
	"sallyport/internal/daemon"
	"sallyport/internal/route"
)

// hintFor says what may be done about an error; "" when there is nothing to
// add.
func hintFor(err error) string {
	var loop *route.LoopError
	var failed *api.Error
	switch {
	case errors.As(err, &loop):
		return "one of these hosts jumps through itself; \"ProxyJump none\" in its Host block ends the chain there"
	case errors.Is(err, daemon.ErrUnsafeDir):
		return "another user may have prepared it; remove it or set XDG_RUNTIME_DIR to a directory of your own"
	case errors.As(err, &failed) && failed.Code == api.CodeHop:
		return hopHint(failed)
	}
	return ""
}

// hopHint is about a hop that failed in a stage.
func hopHint(e *api.Error) string {
	text := e.Message
	switch e.Stage {
	case "resolve":
		return "no \"Host " + e.Hop + "\" in your configuration names an address for it, or the name server does not know it"
	case "open":
		if strings.Contains(text, "forwarding is disabled: ") {
			return "the jump host's key is not the known one; StrictHostKeyChecking no lets a command run there, and nothing go through"
		}
		if strings.Contains(text, "prohibited") {
			return "the jump host does not let you through: its sshd needs AllowTcpForwarding yes, and PermitOpen must allow this address"
		}
	case "host key":
		if strings.Contains(text, "has changed") {
			return "somebody may be listening in; if the administrator confirms the new key, remove the old line that is named above"
		}
	}
	return ""
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
