package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/mux"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

func (v *verbCommand) proxy() *cobra.Command {
	var fdpass bool
	cmd := &cobra.Command{
		Use: "proxy HOST PORT", Short: "join standard input and output to a port, through HOST's jump hosts",
		Long: `proxy connects to PORT of HOST as its ProxyJump leads there: the last jump host
opens the connection, over its shared connection, and HOST itself is not logged
in to. Without jump hosts the connection is made from here. It is a ProxyCommand
for any tool.`,
		Example: "  ssh -o 'ProxyCommand=sally proxy -J bastion %h %p' web1\n" +
			"  ssh -o ProxyUseFdpass=yes -o 'ProxyCommand=sally proxy --fdpass -J bastion %h %p' web1\n" +
			"  git -c core.sshCommand=\"ssh -o ProxyCommand='sally proxy -J bastion %h %p'\" fetch\n  sally proxy db 5432",
		Args: wantsArgs(2, 2, "proxy needs a host and a port"), ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			port, err := net.LookupPort("tcp", args[1])
			if err != nil || port == 0 {
				return usageError{fmt.Sprintf("%q is no port", args[1])}
			}
			return v.failed(v.proxyTo(cmd.Context(), args[0], port, fdpass))
		},
	}
	cmd.Flags().BoolVar(&fdpass, "fdpass", false, "pass a connected descriptor over standard output and end (ProxyUseFdpass)")
	return v.shaping(cmd)
}

// proxyTo connects and joins, or passes, the connection.
func (v *verbCommand) proxyTo(ctx context.Context, host string, port int, fdpass bool) error {
	routes, err := v.routes(ctx, []string{host})
	if err != nil {
		return err
	}
	v.voice.setLevel(levelInfo + v.verboseLevel())
	rt := routes[0]
	target := rt.Target().Options
	via, jumps := rt.Parent()
	switch {
	case jumps:
		return v.proxyThrough(ctx, via, &mux.StdioForwardRequest{Host: target.HostName, Port: port}, fdpass)
	case target.Proxy.Command != "" && !isOwnProxy(target.Proxy.Command):
		return fmt.Errorf("%s is reached by a ProxyCommand, which leads to one port only: use that, or name a jump host with -J", host)
	}
	conn, err := dialDirect(ctx, target.Connect, net.JoinHostPort(target.HostName, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if fdpass {
		return passConn(v.Stdout, conn)
	}
	return joinStreams(ctx, conn, v.Stdin, v.Stdout)
}

// isOwnProxy tells a ProxyCommand that is this verb: it must not run itself.
func isOwnProxy(command string) bool {
	words := strings.Fields(command)
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 || filepath.Base(words[0]) != "sally" {
		return false
	}
	for _, w := range words[1:] {
		if w == "proxy" {
			return true
		}
	}
	return false
}

// proxyThrough has the daemon open the connection from the end of a route.
func (v *verbCommand) proxyThrough(ctx context.Context, via route.Route, to *mux.StdioForwardRequest, fdpass bool) error {
	r := v.request(api.OpAttach, via)
	r.What, r.Detach, r.Debug = "stdio forward", fdpass, v.verbose
	conn, _, err := v.do(ctx, v.needDaemon, r, v.newPerson())
	if err != nil {
		return err
	}
	defer conn.Close()
	client, err := mux.NewClient(ctx, conn)
	if err != nil {
		return err
	}
	if fdpass {
		return v.passThrough(ctx, client, to)
	}
	pid := daemonPID(conn)
	s, err := client.StdioForward(ctx, to, [2]*os.File{v.Stdin, v.Stdout})
	if err != nil {
		return inOneVoice(err)
	}
	v.Stdin.Close() // the daemon has them: their ends must be seen
	v.Stdout.Close()
	_, err = s.Wait(ctx, func() {})
	if err == nil && v.daemonGone(ctx, pid) {
		return errDaemonEnded
	}
	return err
}

// passThrough gives one end of a pair of sockets to the daemon, which joins it
// to the connection and goes on when we have left, and the other away.
func (v *verbCommand) passThrough(ctx context.Context, client *mux.Client, to *mux.StdioForwardRequest) error {
	if err := wantSocket(v.Stdout); err != nil {
		return err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	defer theirs.Close()
	file, err := ours.File()
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := client.StdioForward(ctx, to, [2]*os.File{file, file}); err != nil {
		return inOneVoice(err)
	}
	return passConn(v.Stdout, theirs)
}

// directTimeout is used when ConnectTimeout is not set.
const directTimeout = 10 * time.Second

// dialDirect connects to an address from here.
func dialDirect(ctx context.Context, o sshconfig.Connect, addr string) (*net.TCPConn, error) {
	network := map[string]string{"inet": "tcp4", "inet6": "tcp6"}[o.AddressFamily]
	if network == "" {
		network = "tcp"
	}
	d := net.Dialer{Timeout: directTimeout}
	if o.Timeout > 0 {
		d.Timeout = o.Timeout
	}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// joinStreams copies both ways until both ends have ended.
func joinStreams(ctx context.Context, conn *net.TCPConn, in io.Reader, out *os.File) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	go func() {
		if _, err := io.Copy(conn, in); err != nil {
			conn.Close()
			return
		}
		_ = conn.CloseWrite()
	}()
	_, err := io.Copy(out, conn)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
