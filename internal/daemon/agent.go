package daemon

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/forward"
	"sallyport/internal/pool"
)

// agentChannel is what a server opens to reach a forwarded agent: OpenSSH's
// PROTOCOL.agent.
const agentChannel = "auth-agent@openssh.com"

// lentAgent is the agent that sessions of a connection forward. The channels
// do not say which session they are for, so there can be only one at a time: a
// session with another is opened on a sibling connection (pool.ErrElsewhere).
type lentAgent struct {
	mu    sync.Mutex
	path  string // of the socket
	users int    // sessions that forward it
	open  int    // channels that the server has open
}

// maxAgentChannels bounds what a server may open to the agent at a time: each
// takes a descriptor of the process that other servers' sessions need too.
const maxAgentChannels = 64

// enter counts a channel that the server opens; false for one too many.
func (a *lentAgent) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= maxAgentChannels {
		return false
	}
	a.open++
	return true
}

func (a *lentAgent) exit() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
}

// errOtherAgent says that agents cannot be told apart on a connection.
var errOtherAgent = errors.New("agent not forwarded: another session forwards a different agent on this connection")

// errNoAgent says that the client has none.
var errNoAgent = errors.New("no agent")

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

// lendAgent lends the client's agent to a session on conn. takeBack is never
// nil. The error is errNoAgent, errOtherAgent or that of a host that may have
// none.
func (m *master) lendAgent(conn pool.Conn) (takeBack func(), err error) {
	nothing := func() {}
	path, l := m.agentPath(), m.server.liveOf(conn)
	if path == "" || l == nil {
		return nothing, errNoAgent
	}
	if err := conn.MayForward(); err != nil {
		return nothing, err
	}
	if takeBack, err = l.agent.lend(path); err != nil {
		return nothing, err
	}
	return takeBack, nil
}

// agentPath is the socket of the client's own agent: ForwardAgent's path or
// variable, else its SSH_AUTH_SOCK (ssh_config(5)).
func (m *master) agentPath() string {
	configured := m.route.Target().Options.Forward.Agent
	switch {
	case strings.HasPrefix(configured, "$"):
		return lookup(m.origin().Env, strings.Trim(configured[1:], "{}"))
	case strings.HasPrefix(configured, "/"):
		return configured
	}
	return lookup(m.origin().Env, "SSH_AUTH_SOCK")
}

// serveAgent joins a channel that the server opened to the agent. A refusal
// may wait for a server that does not read, and no other channel of its
// connection with it: a goroutine for each would be the server's to multiply.
func (l *live) serveAgent(nc ssh.NewChannel) {
	path := l.agent.socket()
	switch {
	case path == "":
		_ = nc.Reject(ssh.Prohibited, "no agent is forwarded")
		return
	case !l.agent.enter():
		_ = nc.Reject(ssh.ResourceShortage, "too many connections to the agent")
		return
	}
	l.server.serving.Go(func() {
		defer l.agent.exit()
		if err := joinAgent(nc, path, l.conn); err != nil {
			l.server.log.Warn("agent forwarding", "hop", l.route.Target().Name, "err", err)
		}
	})
}

// bindTimeout bounds an agent's answer to the binding.
const bindTimeout = 5 * time.Second

// joinAgent carries one connection to the agent at path, which is told first
// for which session it is: an agent that knows how then limits what its keys
// are used for there.
func joinAgent(nc ssh.NewChannel, path string, conn pool.Conn) error {
	agent, err := net.Dial("unix", path)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "the agent cannot be reached")
		return fmt.Errorf("reach the agent: %w", err)
	}
	_ = agent.SetDeadline(time.Now().Add(bindTimeout))
	if err := conn.BindAgent(agent); err != nil {
		_ = agent.Close()
		_ = nc.Reject(ssh.ConnectionFailed, "the agent cannot be reached")
		return err
	}
	_ = agent.SetDeadline(time.Time{})
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
		case <-conn.Done():
		case <-done:
		}
		_ = agent.Close()
	}()
	_ = forward.Splice(ch, agent.(*net.UnixConn), nil)
	return nil
}
