package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/sshconfig"
)

// gap is a keyword whose effect somebody asked for and will not get. Defaults
// ask for nothing, also those of a distribution's file.
type gap struct {
	keyword string
	// hops is true when it concerns the connection to any hop, false when it
	// concerns the session on the target.
	hops bool
	// unsafe is true when going on would not be what the user relies on.
	unsafe  bool
	asked   func(r *sshconfig.Resolved) bool
	instead string // what happens
}

// gaps are all there are; docs/compat.md lists them with the reasons. What the
// servers decide about is told when they do: GSSAPIAuthentication and
// HostbasedAuthentication in the error of an authentication, Compression and
// algorithms before a dial.
var gaps = []gap{
	{"Tunnel", false, true, func(r *sshconfig.Resolved) bool { return r.Session.Tunnel != "" && r.Session.Tunnel != "no" },
		"tunnel devices are not supported; plain ssh has them"},
	{"VerifyHostKeyDNS", true, false, func(r *sshconfig.Resolved) bool {
		return r.HostKey.VerifyHostKeyDNS == "yes" || r.HostKey.VerifyHostKeyDNS == "ask"
	}, "no DNSSEC lookup is made here, the key is checked against known_hosts"},
	{"AlternateAddress", true, false, func(r *sshconfig.Resolved) bool {
		return len(r.Connect.Alternates) > 0 && r.Proxy.Command != "" && r.Proxy.Jump == ""
	}, "nothing goes around a ProxyCommand, which was made for HostName"},
	{"PKCS11Provider", true, false, func(r *sshconfig.Resolved) bool { return r.Auth.PKCS11Provider != "" },
		"it is not loaded; \"ssh-add -s PROVIDER\" puts its keys into the agent"},
	{"PubkeyAuthentication", true, false, func(r *sshconfig.Resolved) bool { return r.Auth.UnboundPubkey != r.Auth.HostboundPubkey },
		"unbound and host-bound are as yes"},
	{"KbdInteractiveDevices", true, false, func(r *sshconfig.Resolved) bool { return r.Auth.KbdInteractiveDevices != "" },
		"the server chooses"},
	{"LogVerbose", false, false, func(r *sshconfig.Resolved) bool { return len(r.Log.Verbose) > 0 },
		"there are -v, -vv and -vvv only"},
}

// wishes are a route.Resolver that remember what each host's configuration
// asks for.
type wishes struct {
	files *sshconfig.Files
	hosts []wish // the target first
}

type wish struct {
	name     string
	resolved *sshconfig.Resolved
}

// Resolve is route.Resolver's.
func (w *wishes) Resolve(ctx context.Context, q sshconfig.Query) (*sshconfig.Resolved, error) {
	r, err := w.files.Resolve(ctx, q)
	if err == nil {
		w.hosts = append(w.hosts, wish{q.Host, r})
	}
	return r, err
}

// askedBy lists who asks for a gap, the target only when it concerns the
// session.
func (w *wishes) askedBy(g gap) []string {
	var names []string
	for i, h := range w.hosts {
		if (i == 0 || g.hops) && g.asked(h.resolved) && !slices.Contains(names, h.name) {
			names = append(names, h.name)
		}
	}
	return names
}

// tellGaps says in a line each what of the configuration has no effect. The
// error is about what must not be gone on without. session is false for who
// wants the connection only.
func (a *App) tellGaps(w *wishes, session bool) error {
	var told []string // the same files are read for every host
	for _, h := range w.hosts {
		for _, text := range h.resolved.Warnings {
			if !slices.Contains(told, text) {
				told = append(told, text)
				a.voice.say(levelInfo, text)
			}
		}
	}
	for _, g := range gaps {
		names := w.askedBy(g)
		switch {
		case len(names) == 0 || !session && !g.hops:
		case g.unsafe:
			return fmt.Errorf("%s: %s: %s", strings.Join(names, ", "), g.keyword, g.instead)
		default:
			a.warn(strings.Join(names, ", ") + ": " + g.keyword + ": " + g.instead)
		}
	}
	return nil
}

// warn prints a warning of our own.
func (a *App) warn(text string) {
	a.voice.say(levelInfo, a.voice.name+": warning: "+text)
}
