package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/sshconfig"
)

// controlChecks are about connection sharing as it is configured.
var controlChecks = []check{
	{"control-master-yes", Error, "every later ssh finds the socket taken, says \"disabling multiplexing\" and logs in again; \"ssh -O check\" and its like may open a shell there instead",
		"ControlMaster auto", findMasterYes},
	{"control-path-jump", Error, "the session for the host would run on its jump host, with exit status 0, and scp would copy there",
		"a ControlPath with %C, which differs for each destination", findPathOfJump},
	{"control-path-shared", Error, "ssh takes the socket for the destination: commands silently run on whichever host was connected first",
		"a ControlPath with %C, which differs for each destination", findPathShared},
	{"control-path-tokens", Warning, "one path stands for several ports, users or hosts: ssh silently goes where the first connection went",
		"ControlPath ~/.ssh/cm-%C", findPathTokens},
	{"control-path-long", Error, "a socket's name has a bound, and ssh adds 17 letters while it makes one: it fails with \"too long for Unix domain socket\"",
		"a shorter directory, and %C", findPathLong},
	{"control-path-dir", Warning, "ssh does not make the directory: it connects and shares nothing", "mkdir -m 700", findPathDir},
	{"control-path-open", Error, "somebody else can put a socket of his own there, and your sessions would run on it", "a directory of your own, 0700", findPathOpen},
	{"control-path-filesystem", Error, "the file system cannot hold sockets: ssh connects and shares nothing", "a directory on a local disk, or $XDG_RUNTIME_DIR", findPathFileSystem},
	{"control-persist-forever", Warning, "the connection, and all that it may do, stays until the machine is shut down: 0 and yes mean for ever, and any time is idle time, no limit",
		"ControlPersist 10m", findPersistForever},
	{"no-keepalive", Warning, "on a dead path (sleep, another network) \"ssh -O check\" goes on saying that all is well, and new sessions over the shared connection hang",
		"ServerAliveInterval 15", findNoKeepalive},
}

// shares reports whether a host's connections are shared by ssh.
func shares(h *host) bool {
	c := h.options().Control
	return c.Path != "" && c.Master != "no"
}

func findMasterYes(s *setup) []Finding {
	var found []Finding
	for _, h := range s.all() {
		if h.options().Control.Master != "yes" {
			continue
		}
		f := at(h, "controlmaster", Finding{Severity: Warning, Hosts: s.concerned(h), What: "ControlMaster yes"})
		if h.jump {
			f.Severity, f.What = Error, "ControlMaster yes on a jump host"
		}
		f.Fixes = setValue(f, "auto")
		found = append(found, f)
	}
	return worstOf(found)
}

// setValue gives the line of a finding another value.
func setValue(f Finding, value string) []Fix {
	if f.File == "" || f.Line == 0 {
		return nil
	}
	return []Fix{{Op: SetLine, File: f.File, Line: f.Line, Value: value}}
}

// worstOf keeps one finding for a line, the worst one.
func worstOf(all []Finding) []Finding {
	var kept []Finding
	for _, f := range all {
		i := slices.IndexFunc(kept, func(k Finding) bool { return k.File == f.File && k.Line == f.Line })
		switch {
		case i < 0:
			kept = append(kept, f)
			continue
		case f.Severity.rank() < kept[i].Severity.rank():
			f.Hosts = append(f.Hosts, kept[i].Hosts...)
			kept[i] = f
		case f.Severity == kept[i].Severity:
			kept[i].Hosts = append(kept[i].Hosts, f.Hosts...)
		}
	}
	return kept
}

// concerned names a host, but not the one that stands for all.
func (s *setup) concerned(h *host) []string {
	if h == s.general {
		return nil
	}
	return []string{h.name}
}

// findPathOfJump looks for a host whose socket is that of one it goes through.
func findPathOfJump(s *setup) []Finding {
	var found []Finding
	for _, h := range s.good() {
		for _, via := range passed(h) {
			j := s.byName[via]
			if j == nil || j.resolved == nil || h.options().Control.Path == "" || j.options().Control.Path != h.options().Control.Path {
				continue
			}
			found = append(found, at(h, "controlpath", Finding{Hosts: []string{h.name},
				What: fmt.Sprintf("%s and its jump host %s have the same ControlPath %s", h.name, j.name, h.options().Control.Path)}))
		}
	}
	return found
}

// passed are the hosts on the way to a host.
func passed(h *host) []string {
	var names []string
	for _, hop := range h.route.Hops[:max(len(h.route.Hops)-1, 0)] {
		names = append(names, hop.Name)
	}
	return names
}

// destination is what a control socket stands for.
func destination(h *host) string {
	var b strings.Builder
	for _, hop := range h.route.Hops {
		fmt.Fprintf(&b, "%s@%s ", hop.Options.User, hop.Addr())
	}
	if len(h.route.Hops) > 0 {
		b.WriteString(h.route.Hops[0].Options.Proxy.Command)
	}
	return b.String()
}

// findPathShared looks for hosts with one socket that are not the same
// destination, and are not each other's jump host.
func findPathShared(s *setup) []Finding {
	byPath := make(map[string][]*host)
	var found []Finding
	for _, h := range s.good() {
		path := h.options().Control.Path
		if path == "" || h.err != nil {
			continue
		}
		for _, other := range byPath[path] {
			if destination(other) != destination(h) && !slices.Contains(passed(h), other.name) && !slices.Contains(passed(other), h.name) {
				f := at(h, "controlpath", Finding{Hosts: []string{other.name, h.name},
					What: fmt.Sprintf("%s (%s) and %s (%s) have the same ControlPath %s", other.name, other.route.Target().Addr(), h.name, h.route.Target().Addr(), path)})
				if i := slices.IndexFunc(s.statements, s.is(f.File, f.Line)); i >= 0 && strings.Contains(strings.Join(s.statements[i].Args, ""), "%C") {
					f.Fix = "a ControlPath of its own in the block of each: %C does not tell jump hosts apart before OpenSSH 9.6"
				}
				found = append(found, f)
				break
			}
		}
		byPath[path] = append(byPath[path], h)
	}
	return found
}

// findPathTokens looks at paths in blocks for several hosts.
func findPathTokens(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword != "controlpath" || len(st.Args) == 0 || strings.EqualFold(st.Args[0], "none") || !st.Several() {
			continue
		}
		path := st.Args[0]
		if strings.Contains(path, "%C") {
			continue
		}
		var lacks []string
		if !strings.Contains(path, "%h") && !strings.Contains(path, "%n") && !strings.Contains(path, "%k") {
			lacks = append(lacks, "hosts")
		}
		if !strings.Contains(path, "%p") {
			lacks = append(lacks, "ports")
		}
		if !strings.Contains(path, "%r") {
			lacks = append(lacks, "users")
		}
		if len(lacks) > 0 {
			f := Finding{File: st.File, Line: st.Line, Hosts: named(st.Block), What: fmt.Sprintf("ControlPath %s is the same for several %s", path, strings.Join(lacks, " and "))}
			if !strings.Contains(filepath.Dir(path), "%") {
				f.Fixes = setValue(f, sshconfig.Quote(filepath.Join(filepath.Dir(path), "%C")))
				f.Fix = "ControlPath " + filepath.Join(filepath.Dir(path), "%C")
			}
			found = append(found, f)
		}
	}
	return found
}

// temporary is what ssh adds to a path while it makes the socket. mux.c:
// muxserver_listen.
const temporary = len(".XXXXXXXXXXXXXXXX")

func findPathLong(s *setup) []Finding {
	var found []Finding
	for _, h := range s.all() {
		if n := len(h.options().Control.Path); n+temporary > maxSocketPath {
			found = append(found, at(h, "controlpath", Finding{Hosts: s.concerned(h),
				What: fmt.Sprintf("ControlPath %s has %d letters; %d are the most that work", h.options().Control.Path, n, maxSocketPath-temporary)}))
		}
	}
	return found
}

// controlDirs calls f with each directory of sockets, once, and a host of it.
func (s *setup) controlDirs(f func(dir string, h *host)) {
	var seen []string
	for _, h := range s.all() {
		path := h.options().Control.Path
		if dir := filepath.Dir(path); path != "" && !slices.Contains(seen, dir) {
			seen = append(seen, dir)
			f(dir, h)
		}
	}
}

func findPathDir(s *setup) []Finding {
	var found []Finding
	s.controlDirs(func(dir string, h *host) {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			found = append(found, at(h, "controlpath", Finding{What: "the ControlPath's directory " + dir + " does not exist",
				Fix: "mkdir -m 700 " + dir, Fixes: []Fix{{Op: Mkdir, File: dir}}}))
		}
	})
	return found
}

func findPathOpen(s *setup) []Finding {
	var found []Finding
	s.controlDirs(func(dir string, h *host) {
		info, err := os.Stat(dir)
		if err != nil || !writable(info) {
			return
		}
		f := at(h, "controlpath", Finding{What: fmt.Sprintf("others may write to the ControlPath's directory %s (mode %04o)", dir, info.Mode().Perm())})
		if uid, known := ownerOf(info); known && uid == s.env.UID && info.Mode()&os.ModeSticky == 0 {
			f.Fix, f.Fixes = "chmod 700 "+dir, []Fix{{Op: Chmod, File: dir, Mode: 0o700}}
		}
		found = append(found, f)
	})
	return found
}

func findPathFileSystem(s *setup) []Finding {
	look := s.FileSystem
	if look == nil {
		look = fileSystem
	}
	var found []Finding
	s.controlDirs(func(dir string, h *host) {
		if kind := look(dir); kind != "" {
			found = append(found, at(h, "controlpath", Finding{What: fmt.Sprintf("the ControlPath's directory %s is on %s", dir, kind)}))
		}
	})
	return found
}

func findPersistForever(s *setup) []Finding {
	var found []Finding
	for _, h := range s.all() {
		if c := h.options().Control; c.PersistForever {
			f := at(h, "controlpersist", Finding{Hosts: s.concerned(h), What: "ControlPersist without an end"})
			if c.MaxAge > 0 {
				f.Severity = Note
				f.Why = "ControlMaxAge ends it with sally; with plain ssh the connection stays until the machine is shut down"
			}
			f.Fixes = setValue(f, "10m")
			found = append(found, f)
		}
	}
	return worstOf(found)
}

func findNoKeepalive(s *setup) []Finding {
	var found []Finding
	for _, h := range s.all() {
		c := h.options().Connect
		if c.ServerAliveInterval > 0 {
			continue
		}
		switch {
		case c.ServerAliveSet:
			f := at(h, "serveraliveinterval", Finding{Hosts: s.concerned(h), What: "ServerAliveInterval 0 switches keepalives off, sally's too"})
			f.Fixes = setValue(f, "15")
			found = append(found, f)
		case shares(h):
			f := at(h, "controlpath", Finding{Hosts: s.concerned(h), What: "connections are shared without keepalives (ServerAliveInterval)"})
			if f.File != "" {
				f.Fixes = []Fix{{Op: AddLine, File: f.File, Line: f.Line, Keyword: "ServerAliveInterval", Value: "15"}}
			}
			found = append(found, f)
		}
	}
	return found
}
