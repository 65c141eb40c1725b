package sshconfig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// Env is what resolution may learn of the process that asks and of its machine.
// Everything but reading the configuration files goes through it. Load fills
// the fields that are zero from DefaultEnv.
type Env struct {
	// Home is the account's home directory by the user database, whatever
	// $HOME says.
	Home string
	// LocalUser and UID are the account's; UID counts only when LocalUser is set.
	LocalUser string
	UID       int
	// LocalHost is the machine's name (uname's nodename).
	LocalHost string
	// Getenv looks up an environment variable.
	Getenv func(name string) (string, bool)
	// Exec runs the command of "Match exec" with the user's shell and tells
	// whether it ended with status 0. An error ends the resolution.
	Exec func(ctx context.Context, command string) (bool, error)
	// LookupHost resolves a name for canonicalization and returns its
	// canonical name ("" when there is none) without a final dot. network is
	// "ip", "ip4" or "ip6".
	LookupHost func(ctx context.Context, network, name string) (cname string, err error)
	// LookupHome finds the home directory of "~user".
	LookupHome func(user string) (home string, ok bool)
	// LookupService finds the TCP port of a service's name.
	LookupService func(name string) (port int, ok bool)
	// Addresses lists the addresses of the interfaces that are up, but not
	// the loopback ones, for "Match localnetwork".
	Addresses func() ([]netip.Addr, error)
	// PrivateGroup tells whether a group has no member but the owner of uid,
	// so that its write permission on a file harms nobody.
	PrivateGroup func(gid, uid int) bool
	// SystemFile is the system's file, /etc/ssh/ssh_config by default.
	SystemFile string
	// HashJump reports whether %C has %j in it, as OpenSSH's has from 9.6 on.
	// It is asked only about hosts with a jump host; nil says no.
	HashJump func() bool
}

// defaultSystemFile and systemDir are where OpenSSH is configured.
const (
	systemDir         = "/etc/ssh"
	defaultSystemFile = systemDir + "/ssh_config"
)

// DefaultEnv is the Env of this process.
func DefaultEnv() (Env, error) {
	var e Env
	err := e.fill()
	return e, err
}

// fill sets the fields that are zero.
func (e *Env) fill() error {
	if e.LocalUser == "" {
		e.UID = os.Getuid()
	}
	if e.LocalUser == "" || e.Home == "" {
		u, err := user.LookupId(strconv.Itoa(e.UID))
		if err != nil {
			return fmt.Errorf("no user exists for uid %d: %w", e.UID, err)
		}
		if e.LocalUser == "" {
			e.LocalUser = u.Username
		}
		if e.Home == "" {
			e.Home = u.HomeDir
		}
	}
	if e.LocalHost == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the machine's name: %w", err)
		}
		e.LocalHost = name
	}
	e.fillLookups()
	return nil
}

func (e *Env) fillLookups() {
	if e.Getenv == nil {
		e.Getenv = os.LookupEnv
	}
	if e.Exec == nil {
		getenv := e.Getenv
		e.Exec = func(ctx context.Context, command string) (bool, error) {
			shell, _ := getenv("SHELL")
			return execShell(ctx, shell, command)
		}
	}
	if e.LookupHost == nil {
		e.LookupHost = lookupHost
	}
	if e.LookupHome == nil {
		e.LookupHome = lookupHome
	}
	if e.LookupService == nil {
		e.LookupService = lookupService
	}
	if e.Addresses == nil {
		e.Addresses = addresses
	}
	if e.PrivateGroup == nil {
		e.PrivateGroup = privateGroup
	}
	if e.SystemFile == "" {
		e.SystemFile = defaultSystemFile
	}
}

// execShell runs a command as readconf.c's execute_in_shell does: with the
// user's shell, and with nothing on its standard input and output.
func execShell(ctx context.Context, shell, command string) (bool, error) {
	if shell == "" {
		shell = "/bin/sh"
	}
	cmd := exec.CommandContext(ctx, shell, "-c", command)
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return false, nil
	}
	return err == nil, err
}

// lookupHost resolves with the machine's resolver.
func lookupHost(ctx context.Context, network, name string) (string, error) {
	if _, err := net.DefaultResolver.LookupNetIP(ctx, network, name); err != nil {
		return "", err
	}
	cname, err := net.DefaultResolver.LookupCNAME(ctx, name)
	if err != nil {
		return "", nil
	}
	return strings.TrimSuffix(cname, "."), nil
}

func lookupHome(name string) (string, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", false
	}
	return u.HomeDir, true
}

// lookupService reads /etc/services, as getservbyname does.
func lookupService(name string) (int, bool) {
	f, err := os.Open("/etc/services")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		port, proto, _ := strings.Cut(words[1], "/")
		if proto != "tcp" {
			continue
		}
		for i, w := range words {
			if i != 1 && w == name {
				n, err := strconv.Atoi(port)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// addresses lists the machine's addresses that are up.
func addresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				out = append(out, p.Addr().Unmap())
			}
		}
	}
	return out, nil
}

// maxPort is the highest TCP port.
const maxPort = 65535

// port reads a port's number or its service's name, -1 when it is neither.
// misc.c: a2port.
func (e *Env) port(s string) int {
	if n, msg := boundedInt(s, maxPort); msg == "" {
		return int(n)
	}
	if s == "" {
		return -1
	}
	if n, ok := e.LookupService(s); ok {
		return n
	}
	return -1
}
