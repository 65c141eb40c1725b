package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sallyport/internal/route"
	"sallyport/internal/secret"
)

func (v *verbCommand) password() *cobra.Command {
	cmd := &cobra.Command{
		Use: "password set | rm | ls", Short: "keep a host's password in the keychain, or forget it",
		Long: `password keeps the password of a host, so that it is asked for no more. It is
kept in the system's keychain; where there is none, in a file that is encrypted
with a passphrase. It answers one hidden password prompt of that host, never a
prompt for a one-time code, and never another host's.`,
		Example: "  sally password set web1\n  sally password ls\n  sally password rm web1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Sprintf("password has no %q: set, rm and ls are there", args[0])}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError{"password needs to be told what: set, rm or ls"}
		},
	}
	cmd.AddCommand(v.passwordSet(), v.passwordRemove(), v.passwordList())
	return cmd
}

func (v *verbCommand) passwordSet() *cobra.Command {
	var file bool
	cmd := &cobra.Command{
		Use: "set [user@]HOST", Short: "store the password of a host",
		Long: `set asks for the password twice and stores it; without a terminal it reads one
line from standard input. The password belongs to the user, host key name and
port that HOST resolves to, whatever else that host is called.`,
		Example:           "  sally password set web1\n  pass show web1 | sally password set web1",
		Args:              oneHost,
		ValidArgsFunction: v.completeOperands,
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.failed(v.setPassword(cmd.Context(), args[0], file))
		},
	}
	cmd.Flags().BoolVar(&file, "file", false, "use the encrypted file even if there is a keychain")
	return v.shaping(cmd)
}

func (v *verbCommand) passwordRemove() *cobra.Command {
	return v.shaping(&cobra.Command{
		Use: "rm [user@]HOST", Short: "forget the password of a host",
		Long: "rm forgets the stored password of a host. HOST may also be an account as ls lists it.", Example: "  sally password rm web1\n  sally password rm alice@10.0.0.5:22",
		Args:              oneHost,
		ValidArgsFunction: v.completeOperands,
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.failed(v.removePassword(cmd.Context(), args[0]))
		},
	})
}

func (v *verbCommand) passwordList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "ls", Short: "list whose passwords are stored, without them",
		Long: "ls lists the accounts whose passwords are stored, where, and since when.", Example: "  sally password ls --json",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return v.failed(v.listPasswords(asJSON)) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// oneHost wants one operand.
func oneHost(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{verbName(cmd) + " needs one host"}
	}
	return nil
}

var errNoHome = errors.New("there is no home directory to keep passwords in")

// account is what a host's password is stored under.
func (v *verbCommand) account(ctx context.Context, host string) (string, route.Hop, error) {
	routes, err := v.routes(ctx, []string{host})
	if err != nil {
		return "", route.Hop{}, err
	}
	h := routes[0].Target()
	return accountOf(h), h, nil
}

func (v *verbCommand) setPassword(ctx context.Context, host string, file bool) error {
	account, h, err := v.account(ctx, host)
	if err != nil {
		return err
	}
	store := v.passwordStore()
	if store == nil {
		return errNoHome
	}
	who := v.newPerson()
	password, err := v.newPassword(ctx, who, h)
	if err != nil {
		return fmt.Errorf("password of %s: %w", account, err)
	}
	where, err := store.Set(ctx, account, password, file, storePassphrase{who})
	if err != nil {
		return err
	}
	fmt.Fprintf(v.out, "%s: stored in the %s, for %s\n", h.Name, placeNames[where], account)
	return nil
}

var placeNames = map[secret.Where]string{secret.InKeychain: "keychain", secret.InFile: "encrypted file"}

// newPassword asks for a password, or reads it from a pipe.
func (v *verbCommand) newPassword(ctx context.Context, who *person, h route.Hop) (string, error) {
	if isTerminal(v.Stdin) {
		return who.choose(ctx, fmt.Sprintf("Password of %s@%s", h.Options.User, h.Name), "")
	}
	var line string
	err := v.input(ctx, func(r io.Reader) (err error) {
		line, err = bufio.NewReader(io.LimitReader(r, commandOutput+2)).ReadString('\n')
		return err
	})
	if err != nil && err != io.EOF {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func (v *verbCommand) removePassword(ctx context.Context, host string) error {
	store := v.passwordStore()
	if store == nil {
		return errNoHome
	}
	err := store.Remove(ctx, host) // as ls lists it
	if errors.Is(err, secret.ErrNone) {
		var account string
		if account, _, err = v.account(ctx, host); err != nil {
			return err
		}
		if err = store.Remove(ctx, account); errors.Is(err, secret.ErrNone) {
			return fmt.Errorf("%s: no password is stored for %s", host, account)
		}
	}
	if err == nil {
		fmt.Fprintf(v.out, "%s: forgotten\n", host)
	}
	return err
}

func (v *verbCommand) listPasswords(asJSON bool) error {
	store := v.passwordStore()
	if store == nil {
		return errNoHome
	}
	all, err := store.List()
	if asJSON {
		if all == nil {
			all = []secret.Entry{}
		}
		return errors.Join(err, v.printJSON(map[string]any{"passwords": all}))
	}
	if len(all) > 0 {
		w := tabwriter.NewWriter(v.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ACCOUNT\tIN\tSINCE")
		for _, e := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\n", visible(e.Account), placeNames[e.Where], e.Since.Local().Format("2006-01-02 15:04"))
		}
		w.Flush()
	}
	return err
}
