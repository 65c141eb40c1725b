package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/identity"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// Config says what to examine.
type Config struct {
	// File is that of -F, "" for the user's own configuration.
	File string
	Env  sshconfig.Env
	// Hosts limits the examination to some hosts; none is all of the
	// configuration.
	Hosts  []string
	Daemon Daemon
	// FileSystem names the file system of a directory that cannot hold sockets,
	// "" for a good one; nil asks the system.
	FileSystem func(dir string) string
	// Now is for tests, nil for time.Now.
	Now func() time.Time
}

// Daemon is what the caller knows of our own daemon.
type Daemon struct {
	Dir string // runtime directory
	// DirErr says why it cannot be used; nil when it can or is not there.
	DirErr error
	// Version is that of the daemon that runs, "" for none, Ours this
	// program's.
	Version, Ours string
	// Err says why a daemon that seems to run does not answer.
	Err error
}

// host is one host of the configuration.
type host struct {
	name     string
	resolved *sshconfig.Resolved
	route    route.Route // of err == nil
	err      error
	jump     bool // others go through it
}

// options of the host as target.
func (h *host) options() *sshconfig.Options { return &h.resolved.Options }

// agentState is what an agent's socket told.
type agentState struct {
	socket string
	where  sshconfig.Origin // of IdentityAgent; zero for SSH_AUTH_SOCK
	hosts  []string
	keys   []ssh.PublicKey
	err    error
}

// setup is everything that the checks look at.
type setup struct {
	Config
	ctx        context.Context
	env        sshconfig.Env
	files      *sshconfig.Files
	memory     *route.Memory
	loadErr    error
	statements []sshconfig.Statement
	hosts      []*host
	byName     map[string]*host
	general    *host // one that no block names
	keys       map[string]identity.File
	agents     []*agentState
	checked    Checked
}

// generalName is a host that no block names, to see what is said of all.
const generalName = "sally-doctor.invalid"

// newSetup reads the configuration. Commands of "Match exec" are not run and
// no name is looked up: such lines count as not matching.
func newSetup(ctx context.Context, cfg Config) (*setup, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &setup{Config: cfg, ctx: ctx, env: cfg.Env, byName: make(map[string]*host), keys: make(map[string]identity.File)}
	s.checked.Files, s.checked.KnownHosts = []string{}, []string{} // no null in JSON
	s.env.Exec = func(context.Context, string) (bool, error) { return false, nil }
	s.env.LookupHost = func(context.Context, string, string) (string, error) { return "", errNoLookup }
	s.env.Addresses = func() ([]netip.Addr, error) { return nil, nil }
	filled, err := sshconfig.DefaultEnv()
	if err != nil {
		return nil, err
	}
	if s.env.LocalUser == "" {
		s.env.LocalUser, s.env.UID = filled.LocalUser, filled.UID
	}
	if s.env.Home == "" {
		s.env.Home = filled.Home
	}
	if s.env.Getenv == nil {
		s.env.Getenv = os.LookupEnv
	}
	s.files, s.loadErr = sshconfig.Load(cfg.File, s.env)
	if s.loadErr == nil {
		s.memory = route.NewMemory(s.files)
		s.statements = s.files.Statements()
		s.resolveHosts()
		s.lookAtKeys()
		s.lookAtAgents()
	}
	return s, nil
}

var errNoLookup = errors.New("no name is looked up here")

// resolveHosts resolves the hosts that are asked for, or all, and the jump
// hosts on their ways.
func (s *setup) resolveHosts() {
	s.general = s.resolve(generalName)
	names := s.Hosts
	if len(names) == 0 {
		for _, h := range s.files.Hosts() {
			names = append(names, h.Name)
		}
	}
	for _, name := range names {
		s.add(name)
	}
	for _, h := range slices.Clone(s.hosts) {
		for _, hop := range h.route.Hops[:max(len(h.route.Hops)-1, 0)] {
			s.add(hop.Name).jump = true
		}
	}
	s.checked.Hosts = len(s.hosts)
	if !s.checked.Cut {
		s.checked.Unresolved = len(s.hosts) - len(s.good())
	}
}

func (s *setup) add(name string) *host {
	if h, ok := s.byName[name]; ok {
		return h
	}
	h := s.resolve(name)
	s.byName[name] = h
	s.hosts = append(s.hosts, h)
	return h
}

func (s *setup) resolve(name string) *host {
	h := &host{name: name}
	if s.ctx.Err() != nil {
		h.err, s.checked.Cut = s.ctx.Err(), true
		return h
	}
	if h.resolved, h.err = s.memory.Resolve(s.ctx, sshconfig.Query{Host: name}); h.err != nil {
		return h
	}
	h.route, h.err = route.Resolve(s.ctx, s.memory, sshconfig.Query{Host: name})
	return h
}

// good are the hosts that could be resolved.
func (s *setup) good() []*host {
	return slices.DeleteFunc(slices.Clone(s.hosts), func(h *host) bool { return h.resolved == nil })
}

// all are those and the one that stands for the rest.
func (s *setup) all() []*host {
	if s.general == nil || s.general.resolved == nil || len(s.Hosts) > 0 {
		return s.good()
	}
	return append(s.good(), s.general)
}

// lookAtKeys inspects every identity file once.
func (s *setup) lookAtKeys() {
	for _, h := range s.all() {
		for _, path := range h.options().Auth.IdentityFiles {
			if _, done := s.keys[path]; done || strings.EqualFold(path, "none") {
				continue
			}
			s.keys[path] = identity.Inspect(path)
		}
	}
	for _, k := range s.keys {
		if k.Err == nil {
			s.checked.Keys++
		}
	}
}

// agentTimeout bounds the question to one agent.
const agentTimeout = 2 * time.Second

// lookAtAgents asks every agent that a host names for its keys.
func (s *setup) lookAtAgents() {
	for _, h := range s.all() {
		a := h.options().Auth
		if a.Agent == "" || strings.EqualFold(a.Agent, "none") {
			continue
		}
		i := slices.IndexFunc(s.agents, func(known *agentState) bool { return known.socket == a.Agent })
		if i < 0 {
			state := &agentState{socket: a.Agent}
			if a.AgentSet {
				state.where, _ = h.resolved.Origin("identityagent")
			}
			ctx, cancel := context.WithTimeout(s.ctx, agentTimeout)
			state.keys, state.err = identity.ListAgent(ctx, a.Agent)
			cancel()
			s.agents = append(s.agents, state)
			i = len(s.agents) - 1
		}
		if h != s.general {
			s.agents[i].hosts = append(s.agents[i].hosts, h.name)
		}
	}
	s.checked.Agents = len(s.agents)
}

// agentOf is the agent that a host uses, nil for none.
func (s *setup) agentOf(h *host) *agentState {
	for _, a := range s.agents {
		if a.socket == h.options().Auth.Agent {
			return a
		}
	}
	return nil
}

// at puts a finding where a host's value of a keyword came from.
func at(h *host, keyword string, f Finding) Finding {
	if o, ok := h.resolved.Origin(keyword); ok {
		f.File, f.Line = o.File, o.Line
	}
	return f
}

// sshDir is the user's ~/.ssh, or where the file of -F is.
func (s *setup) sshDir() string {
	if s.File != "" {
		return filepath.Dir(s.File)
	}
	return filepath.Join(s.env.Home, ".ssh")
}

// named are the hosts that a statement is for, of those that were resolved:
// where it is one host's block, that host.
func named(block []string) []string {
	var names []string
	for _, p := range block {
		if !strings.ContainsAny(p, "*?!") && !strings.HasPrefix(p, "Match ") {
			names = append(names, p)
		}
	}
	return names
}

// listens tells what is at a socket's path.
func listens(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dialOnce is listens without a bound of the caller's.
func dialOnce(path string) error { return listens(context.Background(), path) }
