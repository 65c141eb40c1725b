package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sallyport/internal/mux"
	"sallyport/internal/sshconfig"
)

// forwards asks the master for every forward of the configuration and the
// command line. One that fails ends the command with ExitOnForwardFailure,
// and is told about without it, as in ssh(1).
func (c *sshCommand) forwards(ctx context.Context, client *mux.Client) error {
	f := c.options.Forward
	if f.ClearAll {
		return nil
	}
	for _, want := range configuredForwards(f) {
		port, err := client.OpenForward(ctx, want)
		if err != nil {
			if err = inOneVoice(err); f.ExitOnFailure {
				return err
			}
			c.voice.say(levelError, fmt.Sprintf("%s: warning: %v", c.voice.name, err))
			continue
		}
		if want.Kind == mux.ForwardRemote && want.ListenPath == "" && want.ListenPort == 0 {
			c.voice.say(levelInfo, fmt.Sprintf("Allocated port %d for remote forward to %s", port, connectAddr(want)))
		}
	}
	return nil
}

// inOneVoice is what a master of ours said about a forward: it names it
// already. Others give a reason only.
func inOneVoice(err error) error {
	var refused *mux.RequestError
	if errors.As(err, &refused) && (strings.HasPrefix(refused.Reason, "forward ") ||
		strings.Contains(refused.Reason, "): open ") || strings.Contains(refused.Reason, ": forwarding is disabled: ")) {
		return errors.New(refused.Reason)
	}
	return err
}

func connectAddr(f mux.Forward) string {
	switch {
	case f.IsDynamic():
		return "SOCKS"
	case f.ConnectPath != "":
		return f.ConnectPath
	}
	return fmt.Sprintf("%s:%d", f.ConnectHost, f.ConnectPort)
}

func configuredForwards(f sshconfig.Forward) []mux.Forward {
	var all []mux.Forward
	for _, s := range f.Local {
		all = append(all, muxForward(mux.ForwardLocal, s))
	}
	for _, s := range f.Dynamic {
		all = append(all, muxForward(mux.ForwardDynamic, s))
	}
	for _, s := range f.Remote {
		all = append(all, muxForward(mux.ForwardRemote, s))
	}
	return all
}

// muxForward is a forward as the control-socket protocol has it.
func muxForward(kind mux.ForwardKind, s sshconfig.ForwardSpec) mux.Forward {
	f := mux.Forward{
		Kind: kind, ListenHost: s.ListenHost, ListenPort: s.ListenPort, ListenPath: s.ListenPath,
		ConnectHost: s.ConnectHost, ConnectPort: s.ConnectPort, ConnectPath: s.ConnectPath,
	}
	if s.ConnectHost == "" && s.ConnectPath == "" {
		f.ConnectHost = "socks"
	}
	return f
}
