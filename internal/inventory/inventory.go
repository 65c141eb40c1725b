package inventory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// Names of our own files beside the configuration, which includes them.
const (
	// HostsFile is where hosts are added.
	HostsFile = "sally-hosts.conf"
	// SharingFile is written by "sally setup", and included first of all.
	SharingFile = "sally.conf"
)

// Inventory is the hosts of a configuration as it was when it was read. It may
// be used by several goroutines.
type Inventory struct {
	// config: not changed after Load
	files *sshconfig.Files
	home  string
	main  string // the file that includes our own
	whole bool   // main is the user's own, and the system's file counts too
}

// Load reads the configuration: that of "ssh -F file", or the user's own for
// "". Commands of "Match exec" are not run, and no name is looked up: such
// lines count as not matching.
func Load(file string, env sshconfig.Env) (*Inventory, error) {
	if env.Home == "" {
		found, err := sshconfig.DefaultEnv()
		if err != nil {
			return nil, err
		}
		env.Home = found.Home
	}
	env.Exec = func(context.Context, string) (bool, error) { return false, nil }
	env.LookupHost = func(context.Context, string, string) (string, error) { return "", errNoLookup }
	v := &Inventory{home: env.Home, main: filepath.Join(env.Home, ".ssh", "config"), whole: true}
	if file != "" && !strings.EqualFold(file, "none") {
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		v.main, v.whole, file = path, false, path
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return v.loadMissing(env)
		}
	}
	var err error
	if v.files, err = sshconfig.Load(file, env); err != nil {
		return nil, err
	}
	if strings.EqualFold(file, "none") {
		v.main = ""
	}
	return v, nil
}

// loadMissing is for a file that the first Add will make.
func (v *Inventory) loadMissing(env sshconfig.Env) (*Inventory, error) {
	nothing, err := sshconfig.Load("none", env)
	if err == nil {
		v.files, err = nothing.WithRoot(v.main)
	}
	return v, err
}

var errNoLookup = errors.New("names are not looked up for a listing")

// Host is one name of the inventory.
type Host struct {
	Name string
	// File and Line are the first Host line that gives the name; System is set
	// when that is the system's and not the user's.
	File   string
	Line   int
	System bool
	// Tags are those of Tags, and that of Tag.
	Tags []string
	// HostName, Port and User are where the host is.
	HostName string
	Port     int
	User     string
	// Jumps are the hosts that are passed, in order.
	Jumps []string
	// Command is the host's ProxyCommand.
	Command string
	// Err says why the host cannot be reached as it is configured; what could
	// not be found out is then zero.
	Err error
}

// Via is the last jump host, "" for none.
func (h *Host) Via() string {
	if len(h.Jumps) == 0 {
		return ""
	}
	return h.Jumps[len(h.Jumps)-1]
}

// Names lists the hosts in the order of the files, without resolving them.
func (v *Inventory) Names() []sshconfig.HostBlock { return v.files.Hosts() }

// Files are the configuration, for questions about a host.
func (v *Inventory) Files() *sshconfig.Files { return v.files }

// HostsFile is the file that Add writes to, "" when there can be none.
func (v *Inventory) HostsFile() string {
	if v.main == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(v.main), HostsFile)
}

// Has reports whether a Host line gives the name literally.
func (v *Inventory) Has(name string) bool { return len(v.files.Naming(name)) > 0 }

// Hosts resolves every host, in the order of the files.
func (v *Inventory) Hosts(ctx context.Context) []Host {
	res := route.NewMemory(v.files)
	blocks := v.files.Hosts()
	hosts := make([]Host, len(blocks))
	for i, b := range blocks {
		res.Passing = b.Name
		hosts[i] = resolveHost(ctx, res, b)
	}
	return hosts
}

// Host resolves one host; false when no Host line gives the name.
func (v *Inventory) Host(ctx context.Context, name string) (Host, bool) {
	named := v.files.Naming(name)
	if len(named) == 0 {
		return Host{}, false
	}
	return resolveHost(ctx, v.files, named[0]), true
}

func resolveHost(ctx context.Context, res route.Resolver, b sshconfig.HostBlock) Host {
	h := Host{Name: b.Name, File: b.File, Line: b.Line, System: b.System}
	// What is wrong only on connecting is nobody's business here.
	rt, err := route.Resolve(ctx, printing{res}, sshconfig.Query{Host: b.Name})
	if err != nil {
		h.Err = err
		own, err := printing{res}.Resolve(ctx, sshconfig.Query{Host: b.Name})
		if err != nil {
			return h
		}
		rt = route.Route{Hops: []route.Hop{{Name: b.Name, Options: own.Options}}}
	}
	o := &rt.Hops[len(rt.Hops)-1].Options
	h.HostName, h.Port, h.User, h.Command = o.HostName, o.Port, o.User, o.Proxy.Command
	h.Tags = slices.Clone(o.Tags)
	if o.Tag != "" && !slices.Contains(h.Tags, o.Tag) {
		h.Tags = append(h.Tags, o.Tag)
	}
	for _, hop := range rt.Hops[:len(rt.Hops)-1] {
		h.Jumps = append(h.Jumps, hop.Name)
	}
	return h
}

// printing asks as "ssh -G" does, about hosts that no name server knows.
type printing struct{ route.Resolver }

func (p printing) Resolve(ctx context.Context, q sshconfig.Query) (*sshconfig.Resolved, error) {
	q.PrintOnly = true
	return offline(p).Resolve(ctx, q)
}

// offline lets names stay as they are that cannot be looked up, also where the
// configuration makes that an error.
type offline struct{ route.Resolver }

func (o offline) Resolve(ctx context.Context, q sshconfig.Query) (*sshconfig.Resolved, error) {
	local := sshconfig.Override{Keyword: "CanonicalizeFallbackLocal", Value: "yes", From: "listing"}
	q.Overrides = append(q.Overrides[:len(q.Overrides):len(q.Overrides)], local)
	return o.Resolver.Resolve(ctx, q)
}

// Dependent is a line that makes hosts jump through a host.
type Dependent struct {
	// Who are the hosts that jump: names and patterns, or "every host".
	Who  string
	File string
	Line int
}

// Dependents lists what makes hosts jump through a host, but for the host's own
// lines.
func (v *Inventory) Dependents(name string) []Dependent {
	var found []Dependent
	for _, use := range v.files.JumpUses() {
		if !slices.Contains(use.Hosts, name) || (len(use.Of) == 1 && use.Of[0] == name) {
			continue
		}
		who := strings.Join(use.Of, " ")
		if who == "" {
			who = "every host"
		}
		found = append(found, Dependent{who, use.File, use.Line})
	}
	return found
}
