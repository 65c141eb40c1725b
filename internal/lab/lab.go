//go:build unix

package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// User is the account name that every hop accepts. Commands run as the user
// of this process, whoever that is.
const User = "demo"

// Options says what network to build. The zero value is two jump hosts and one
// target in a new temporary directory.
type Options struct {
	// Dir receives keys, known_hosts and config. It is made with mode 0700 when
	// it does not exist. When it is "", a temporary directory is used, which
	// Close removes.
	Dir string
	// Jumps is the number of jump hosts in a row; 0 means 2.
	Jumps int
	// Targets is the number of hosts behind the last jump; 0 means 1. One is
	// called "target", several "target1", "target2" and so on.
	Targets int
	// SecondFactor makes the first jump ask for Network.Code by
	// keyboard-interactive after the key.
	SecondFactor bool
	// Shell runs commands and shells on the targets; "" means /bin/sh.
	Shell string
	// Log receives the hops' doings; nil means nowhere.
	Log *slog.Logger
}

// Network is a running demo network. It runs from Start until Close, or until
// the context given to Start ends.
type Network struct {
	// config: not changed after Start
	dir      string
	ownsDir  bool
	code     string
	config   string
	jumps    []*host
	targets  []*host
	stopWait func() bool

	closing sync.Once
}

// Start builds the network and begins to serve. The end of ctx, now or later,
// ends the network as well; Close must be called in any case.
func Start(ctx context.Context, o Options) (*Network, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("demo network: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("demo network: %w", err)
	}
	n := &Network{stopWait: func() bool { return true }}
	if err := n.build(o); err != nil {
		return nil, fmt.Errorf("demo network: %w", errors.Join(err, n.Close()))
	}
	for _, h := range n.hosts() {
		h.start()
	}
	n.stopWait = context.AfterFunc(ctx, n.shutdown)
	return n, nil
}

func (o Options) withDefaults() (Options, error) {
	if o.Jumps < 0 || o.Targets < 0 {
		return o, fmt.Errorf("%d jump hosts and %d targets: want at least 1 of each", o.Jumps, o.Targets)
	}
	if o.Jumps == 0 {
		o.Jumps = 2
	}
	if o.Targets == 0 {
		o.Targets = 1
	}
	if o.Shell == "" {
		o.Shell = "/bin/sh"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// build makes the directory, the hosts with their keys and listeners, and the
// files a client needs. What it made is in n even when it fails.
func (n *Network) build(o Options) error {
	if err := n.makeDir(o.Dir); err != nil {
		return err
	}
	if o.SecondFactor {
		n.code = newCode()
	}
	for i := range o.Jumps {
		if err := n.addJump(fmt.Sprintf("jump%d", i+1), o); err != nil {
			return err
		}
	}
	for i := range o.Targets {
		name := "target"
		if o.Targets > 1 {
			name = fmt.Sprintf("target%d", i+1)
		}
		if err := n.addTarget(name, o); err != nil {
			return err
		}
	}
	n.connectHosts()
	return n.writeFiles()
}

func (n *Network) makeDir(dir string) (err error) {
	if dir == "" {
		n.dir, err = os.MkdirTemp("", "sally-demo-")
		n.ownsDir = err == nil
		return err
	}
	if n.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	return os.MkdirAll(n.dir, 0o700)
}

func (n *Network) addJump(name string, o Options) error {
	h, err := newHost(n.dir, name, o.Log)
	if err != nil {
		return err
	}
	if len(n.jumps) == 0 {
		h.code = n.code
	} else {
		h.behind = n.jumps[len(n.jumps)-1]
	}
	n.jumps = append(n.jumps, h)
	return nil
}

func (n *Network) addTarget(name string, o Options) error {
	h, err := newHost(n.dir, name, o.Log)
	if err != nil {
		return err
	}
	h.behind = n.jumps[len(n.jumps)-1]
	n.targets = append(n.targets, h)
	h.shell = o.Shell
	h.home = filepath.Join(n.dir, name)
	return h.makeHome()
}

// connectHosts gives each jump its routes: to the hosts right behind it, under
// their name and under their address.
func (n *Network) connectHosts() {
	for _, h := range n.hosts() {
		if h.behind == nil {
			continue
		}
		h.behind.routes[net.JoinHostPort(h.name, "22")] = h.addr
		h.behind.routes[h.addr] = h.addr
	}
}

// hosts lists all hosts, jumps first, in the order of the chain.
func (n *Network) hosts() []*host {
	all := make([]*host, 0, len(n.jumps)+len(n.targets))
	return append(append(all, n.jumps...), n.targets...)
}

// Dir is the directory that holds the network's files.
func (n *Network) Dir() string { return n.dir }

// Code is the one-time code that the first jump asks for, or "" when
// Options.SecondFactor was not set.
func (n *Network) Code() string { return n.code }

// Config is the text of an ssh_config file for the network's hosts.
func (n *Network) Config() string { return n.config }

// ConfigFile is the path of the file that holds Config, for "ssh -F".
func (n *Network) ConfigFile() string { return filepath.Join(n.dir, "config") }

// Hops lists the jump hosts in order, then the targets.
func (n *Network) Hops() []Hop {
	var hops []Hop
	for _, h := range n.hosts() {
		hops = append(hops, Hop{Name: h.name, Addr: h.addr, counts: &h.counts})
	}
	return hops
}

// Close ends all connections and the commands that run in them, waits for
// everything the network started, and removes the directory if Start made it.
// It may be called again.
func (n *Network) Close() error {
	n.stopWait()
	n.shutdown()
	if !n.ownsDir {
		return nil
	}
	return os.RemoveAll(n.dir)
}

// shutdown ends the network once; further callers wait for the first.
func (n *Network) shutdown() {
	n.closing.Do(func() {
		for _, h := range n.hosts() {
			h.stop()
		}
		for _, h := range n.hosts() {
			h.running.Wait()
		}
	})
}
