package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/forward"
	"sallyport/internal/pool"
)

// agentChannel is what a server opens to reach a forwarded agent: OpenSSH's
// PROTOCOL.agent.
const agentChannel = "auth-agent@openssh.com"

// lentAgent is the agent that sessions of a connection forward. The channels
// do not say which session they are for, so there can be only one at a time.
type lentAgent struct {
	mu    sync.Mutex
	path  string // of the socket
	users int    // sessions that forward it
}

// errOtherAgent says that agents cannot be told apart on a connection.
var errOtherAgent = errors.New("agent not forwarded: another session forwards a different agent on this connection")

// lend lets the server reach the agent at path until takeBack is called.
func (a *lentAgent) lend(path string) (takeBack func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users > 0 && a.path != path {
		return nil, errOtherAgent
	}
	a.path = path
	a.users++
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.users--
	}), nil
}

// socket is the agent's, "" when none is lent.
func (a *lentAgent) socket() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users == 0 {
		return ""
	}
	return a.path
}

// lendAgent lends the client's agent to a session on conn; false when there is
// none, which the client's user is told.
func (m *master) lendAgent(conn pool.Conn, stderr *os.File) (takeBack func(), lent bool) {
	nothing := func() {}
	path, l := m.agentPath(), m.server.liveOf(conn)
	if path == "" || l == nil {
		return nothing, false
	}
	takeBack, err := l.agent.lend(path)
	if err != nil {
		sayTo(stderr, err)
		return nothing, false
	}
	return takeBack, true
}

// agentPath is the socket of the client's own agent: ForwardAgent's path or
// variable, else its SSH_AUTH_SOCK (ssh_config(5)).
func (m *master) agentPath() string {
	configured := m.route.Target().Options.Forward.Agent
	switch {
	case strings.HasPrefix(configured, "$"):
		return lookup(m.origin.Env, strings.Trim(configured[1:], "{}"))
	case strings.HasPrefix(configured, "/"):
		return configured
	}
	return lookup(m.origin.Env, "SSH_AUTH_SOCK")
}

// serveAgent joins a channel that the server opened to the agent. It does not
// block.
func (l *live) serveAgent(nc ssh.NewChannel) {
	path := l.agent.socket()
	if path == "" {
		go func() { _ = nc.Reject(ssh.Prohibited, "no agent is forwarded") }()
		return
	}
	l.server.serving.Go(func() {
		if err := joinAgent(nc, path, l.conn.Done()); err != nil {
			l.server.log.Warn("agent forwarding", "hop", l.route.Target().Name, "reason", err)
		}
	})
}

// joinAgent carries one connection to the agent at path.
func joinAgent(nc ssh.NewChannel, path string, ended <-chan struct{}) error {
	agent, err := net.Dial("unix", path)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "the agent cannot be reached")
		return fmt.Errorf("reach the agent: %w", err)
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		_ = agent.Close()
		return err
	}
	go ssh.DiscardRequests(reqs)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-ended:
		case <-done:
		}
		_ = agent.Close()
	}()
	_ = forward.Splice(ch, agent.(*net.UnixConn), nil)
	return nil
}
