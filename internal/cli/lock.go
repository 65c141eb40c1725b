package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
)

func (v *verbCommand) lock() *cobra.Command {
	passphrase := false
	cmd := &cobra.Command{
		Use: "lock", Short: "let nothing new use the connections, until unlock", Args: noArgs,
		Long: `lock leaves what runs as it is, and refuses everything new: sessions, copies,
connections over forwards, further hops and logins, to our commands and to
ssh, scp and others on control sockets alike.

It keeps others from the connections that you have logged in to, for as long
as they cannot log in themselves: whoever has your keys and your account here
can still run plain ssh. See docs/security.md.`,
		Example: "  sally lock                    anybody who is you may unlock\n  sally lock --passphrase       only who knows it; \"sally quit\" closes everything",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, _, err := v.do(cmd.Context(), v.needDaemon, &api.Request{Op: api.OpLock, Passphrase: passphrase}, v.newPerson())
			if err == nil {
				conn.Close()
				fmt.Fprintln(v.out, "locked")
			}
			return v.failed(err)
		},
	}
	cmd.Flags().BoolVar(&passphrase, "passphrase", false, "ask for a passphrase, which unlock will want")
	return cmd
}

func (v *verbCommand) unlock() *cobra.Command {
	return &cobra.Command{
		Use: "unlock", Short: "end lock", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.failed(v.runUnlock(cmd.Context())) },
	}
}

func (v *verbCommand) runUnlock(ctx context.Context) error {
	conn, _, err := v.do(ctx, v.dialDaemon, &api.Request{Op: api.OpUnlock}, v.newPerson())
	if errors.Is(err, errNoDaemon) {
		fmt.Fprintln(v.out, "not locked: no daemon is running")
		return nil
	}
	if err != nil {
		return err
	}
	conn.Close()
	fmt.Fprintln(v.out, "unlocked")
	return nil
}

// printLocked says that nothing new is allowed.
func (v *verbCommand) printLocked(l *api.Locked) {
	if l == nil {
		return
	}
	how := ""
	if l.Passphrase {
		how = " with a passphrase"
	}
	fmt.Fprintf(v.out, "locked%s, for %s\n", how, shortDuration(time.Since(l.Since)))
}
