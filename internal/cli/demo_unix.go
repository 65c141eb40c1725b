//go:build unix

package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/lab"
)

// What the demo does.
const (
	demoCommands = 10
	demoFileSize = 64 << 20
)

func (v *verbCommand) demo() *cobra.Command {
	var shell bool
	cmd := &cobra.Command{
		Use: "demo", Short: "see it work on an embedded network of two jump hosts and a target", Args: cobra.NoArgs,
		Long: `demo starts two jump hosts and a target in this process, real SSH servers on
loopback with keys made on the spot, and a daemon of its own. It runs commands
on the target through both jump hosts, copies a file each way, and counts the
logins that each hop saw. It fails when they are not one each. Nothing outside a
temporary directory is read or written.`,
		Example: "  sally demo\n  sally demo --shell      stay in a shell on the target and try the verbs",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.failed(v.runDemo(cmd.Context(), shell))
		},
	}
	cmd.Flags().BoolVar(&shell, "shell", false, "open a shell on the target and print the configuration")
	return cmd
}

func (v *verbCommand) runDemo(ctx context.Context, shell bool) (err error) {
	d, err := v.startDemo(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if shell {
		return d.shell(ctx)
	}
	return d.show(ctx)
}

// demo is a running demonstration.
type demo struct {
	*verbCommand
	dir     string
	self    string
	network *lab.Network
}

func (v *verbCommand) startDemo(ctx context.Context) (*demo, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sally-demo-")
	if err != nil {
		return nil, err
	}
	network, err := lab.Start(ctx, lab.Options{Dir: filepath.Join(dir, "net")})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &demo{verbCommand: v, dir: dir, self: self, network: network}, nil
}

// close ends the daemon and the network and removes what they wrote.
func (d *demo) close() error {
	_, err := d.command(context.Background(), "quit").Output()
	return errors.Join(err, d.network.Close(), os.RemoveAll(d.dir))
}

// command is a run of this program against the demo network.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.self, append([]string{"-F", d.network.ConfigFile()}, args...)...)
	cmd.Env = append(slices.DeleteFunc(slices.Clone(d.Environ), func(e string) bool {
		return strings.HasPrefix(e, "XDG_RUNTIME_DIR=") || strings.HasPrefix(e, "SSH_AUTH_SOCK=")
	}), "XDG_RUNTIME_DIR="+d.dir)
	cmd.Stderr = d.Stderr
	return cmd
}

func (d *demo) shell(ctx context.Context) error {
	fmt.Fprintf(d.out, "The configuration of this network, while the shell is open:\n\n%s\n", indentLines(d.network.Config()))
	fmt.Fprintf(d.out, "In another terminal, try the verbs on it:\n\n  export XDG_RUNTIME_DIR=%s\n  sally -F %s status\n  sally -F %s check target\n\nThis is a shell on target, behind jump1 and jump2. \"exit\" ends the demo.\n\n",
		d.dir, d.network.ConfigFile(), d.network.ConfigFile())
	cmd := d.command(ctx, "target")
	cmd.Stdin, cmd.Stdout = d.Stdin, d.Stdout
	defer d.ending.lend()()
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() == exitSSH) {
		return fmt.Errorf("shell on target: %w", err)
	}
	return nil
}

func indentLines(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") + "\n"
}

// show runs the demonstration and prints its table.
func (d *demo) show(ctx context.Context) error {
	names := make([]string, 0, 3)
	for _, h := range d.network.Hops() {
		names = append(names, h.Name)
	}
	fmt.Fprintf(d.out, "%s: real SSH on loopback, each reachable only through the one before\n\n", strings.Join(names, " → "))
	first, err := d.timed(ctx)
	if err != nil {
		return err
	}
	later := make([]time.Duration, demoCommands)
	for i := range later {
		if later[i], err = d.timed(ctx); err != nil {
			return err
		}
	}
	up, down, sum, err := d.copyFile(ctx)
	if err != nil {
		return err
	}
	slices.Sort(later)
	d.row("first command, through %d hops", first.Round(100*time.Microsecond).String(), len(names))
	d.row("%d more, each (median)", later[len(later)/2].Round(100*time.Microsecond).String(), demoCommands)
	d.row("%d MB to the target", rate(up), demoFileSize>>20)
	d.row("%d MB back", rate(down)+"   sha256 "+sum[:16]+"… both", demoFileSize>>20)
	return d.checkSharing()
}

func (d *demo) row(label, value string, args ...any) {
	fmt.Fprintf(d.out, "  %-34s %s\n", fmt.Sprintf(label, args...), value)
}

func rate(t time.Duration) string {
	return fmt.Sprintf("%s, %.0f MB/s", t.Round(time.Millisecond), float64(demoFileSize)/1e6/t.Seconds())
}

// timed runs one command on the target and checks its answer.
func (d *demo) timed(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	out, err := d.command(ctx, "target", "echo it works").Output()
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("command on target: %w", err)
	}
	if string(out) != "it works\n" {
		return 0, fmt.Errorf("command on target: it printed %q", out)
	}
	return took, nil
}

// copyFile sends a file of random bytes to the target and gets it back.
func (d *demo) copyFile(ctx context.Context) (up, down time.Duration, sum string, err error) {
	var seed [32]byte
	source := io.LimitReader(rand.NewChaCha8(seed), demoFileSize)
	sent, back := sha256.New(), sha256.New()
	file := filepath.Join(d.dir, "copy")
	start := time.Now()
	put := d.command(ctx, "target", "cat > '"+file+"'")
	put.Stdin = io.TeeReader(source, sent)
	if err := put.Run(); err != nil {
		return 0, 0, "", fmt.Errorf("copy to target: %w", err)
	}
	up = time.Since(start)
	start = time.Now()
	get := d.command(ctx, "target", "cat '"+file+"'")
	get.Stdout = back
	if err := get.Run(); err != nil {
		return 0, 0, "", fmt.Errorf("copy from target: %w", err)
	}
	down = time.Since(start)
	if want, got := sent.Sum(nil), back.Sum(nil); !slices.Equal(want, got) {
		return 0, 0, "", fmt.Errorf("the file came back different: sha256 %x, was %x", got, want)
	}
	return up, down, fmt.Sprintf("%x", sent.Sum(nil)), nil
}

// checkSharing prints the logins of each hop and fails unless they are one.
func (d *demo) checkSharing() error {
	fmt.Fprintln(d.out)
	var bad []string
	for _, h := range d.network.Hops() {
		d.row("%s saw", plural(h.Connections(), "connection")+", "+plural(h.Logins(), "login"), h.Name)
		if h.Logins() != 1 || h.Connections() != 1 {
			bad = append(bad, h.Name)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("sharing does not work: %s saw more or less than one login", strings.Join(bad, ", "))
	}
	fmt.Fprintf(d.out, "\n%d commands and two copies, one login per hop.\n", demoCommands+1)
	return nil
}
