package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sallyport/internal/hostkey"
	"sallyport/internal/sshconfig"
)

// trustChecks are about whom the configuration trusts, and with what.
var trustChecks = []check{
	{"strict-no", Warning, "whoever answers is taken for the host, also one whose key has changed: commands and files may go to an impostor",
		"StrictHostKeyChecking accept-new", findStrictNo},
	{"known-hosts-null", Warning, "no key is ever remembered, so none can be found changed", "take the line out", findNullHosts},
	{"host-key-alias", Warning, "the keys of all these hosts are filed under one name: each is taken for the others, and a second one looks changed",
		"set HostKeyAlias in the block of one host, or of hosts that have one key", findAlias},
	{"weak-algorithms", Warning, "the algorithm is broken or about to be, and stays allowed for as long as the line is there",
		"have the server updated; until then limit the line to that host", findWeak},
}

// is finds a statement by its place.
func (s *setup) is(file string, line int) func(sshconfig.Statement) bool {
	return func(st sshconfig.Statement) bool { return st.File == file && st.Line == line }
}

func findStrictNo(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword == "stricthostkeychecking" && len(st.Args) > 0 && slices.Contains([]string{"no", "off", "false"}, strings.ToLower(st.Args[0])) {
			found = append(found, Finding{File: st.File, Line: st.Line, Hosts: named(st.Block), What: st.Key + " " + st.Args[0],
				Fixes: []Fix{{Op: SetLine, File: st.File, Line: st.Line, Value: "accept-new"}}})
		}
	}
	return found
}

func findNullHosts(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword == "userknownhostsfile" && slices.ContainsFunc(st.Args, func(a string) bool { return a == "/dev/null" || strings.EqualFold(a, "none") }) {
			found = append(found, Finding{File: st.File, Line: st.Line, Hosts: named(st.Block), What: st.Key + " " + strings.Join(st.Args, " "),
				Fixes: []Fix{{Op: DeleteLine, File: st.File, Line: st.Line}}})
		}
	}
	return found
}

// findAlias looks for an alias that hosts of different places have in common.
// Those of one block are taken to be meant so, unless it is for every host.
func findAlias(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword == "hostkeyalias" && st.EveryHost() && len(st.Args) > 0 {
			found = append(found, Finding{File: st.File, Line: st.Line, What: st.Key + " " + st.Args[0] + " for every host"})
		}
	}
	for _, h := range s.good() {
		for _, via := range passed(h) {
			j := s.byName[via]
			if j == nil || j.resolved == nil || h.options().HostKey.Alias == "" || j.options().HostKey.Alias != h.options().HostKey.Alias {
				continue
			}
			f := at(h, "hostkeyalias", Finding{Hosts: []string{h.name}, What: fmt.Sprintf("%s and its jump host %s have the HostKeyAlias %s", h.name, j.name, h.options().HostKey.Alias)})
			if !slices.ContainsFunc(found, func(k Finding) bool { return k.File == f.File && k.Line == f.Line }) {
				found = append(found, f)
			}
		}
	}
	return found
}

// weak are algorithms that nobody should ask for.
var weak = map[string][]string{
	"ciphers":                     {"3des-cbc", "blowfish-cbc", "cast128-cbc", "arcfour", "arcfour128", "arcfour256", "aes128-cbc", "aes192-cbc", "aes256-cbc", "rijndael-cbc@lysator.liu.se"},
	"macs":                        {"hmac-md5", "hmac-md5-96", "hmac-md5-etm@openssh.com", "hmac-md5-96-etm@openssh.com", "hmac-sha1-96", "hmac-sha1-96-etm@openssh.com", "hmac-ripemd160"},
	"kexalgorithms":               {"diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"},
	"hostkeyalgorithms":           {"ssh-dss", "ssh-rsa", "ssh-dss-cert-v01@openssh.com", "ssh-rsa-cert-v01@openssh.com"},
	"pubkeyacceptedalgorithms":    {"ssh-dss", "ssh-rsa", "ssh-dss-cert-v01@openssh.com", "ssh-rsa-cert-v01@openssh.com"},
	"hostbasedacceptedalgorithms": {"ssh-dss", "ssh-rsa"},
	"casignaturealgorithms":       {"ssh-dss", "ssh-rsa"},
}

func findWeak(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		bad, ok := weak[st.Keyword]
		if !ok || len(st.Args) == 0 || strings.HasPrefix(st.Args[0], "-") {
			continue
		}
		var named []string
		for name := range strings.SplitSeq(strings.TrimLeft(st.Args[0], "+^"), ",") {
			if slices.Contains(bad, name) {
				named = append(named, name)
			}
		}
		if len(named) == 0 {
			continue
		}
		f := Finding{File: st.File, Line: st.Line, Hosts: literal(st.Block), What: st.Key + " allows " + strings.Join(named, ", ")}
		if !st.Several() {
			f.Severity = Note
		}
		found = append(found, f)
	}
	return found
}

func literal(block []string) []string { return named(block) }

// knownHostsChecks are about the files of host keys.
var knownHostsChecks = []check{
	{"known-hosts-mode", Error, "whoever can write there can make you trust his host", "chmod 600", findKnownMode},
	{"known-hosts-line", Warning, "ssh skips the line without a word: the host is as if it were not known", "correct the line, or take it out", findKnownOdd},
	{"known-hosts-duplicate", Note, "nothing is wrong, the line is only there twice", "take one of them out", findKnownTwice},
	{"known-hosts-conflict", Warning, "either key is accepted, also the old one, from whoever has it", "take the old line out, once you know which it is", findKnownConflict},
	{"known-hosts-revoked", Warning, "the key is marked as revoked, and the same key is listed as good; revoked wins, so the host is refused", "take the good line out", findKnownRevoked},
}

// audits reads every known_hosts file of the user, once.
func (s *setup) audits(f func(path string, lines []hostkey.AuditLine)) {
	var paths []string
	for _, h := range s.all() {
		for _, path := range h.options().HostKey.UserFiles {
			if !slices.Contains(paths, path) && path != "/dev/null" {
				paths = append(paths, path)
			}
		}
	}
	for _, path := range paths {
		lines, err := hostkey.Audit(path)
		if err != nil {
			continue
		}
		if !slices.Contains(s.checked.KnownHosts, path) {
			s.checked.KnownHosts = append(s.checked.KnownHosts, path)
		}
		f(path, lines)
	}
}

func findKnownMode(s *setup) []Finding {
	var found []Finding
	s.audits(func(path string, _ []hostkey.AuditLine) {
		info, err := os.Stat(path)
		if err == nil && writable(info) && info.Mode().IsRegular() {
			found = append(found, Finding{File: path, What: fmt.Sprintf("others may write it (mode %04o)", info.Mode().Perm()),
				Fix: "chmod 600 " + path, Fixes: []Fix{{Op: Chmod, File: path, Mode: 0o600}}})
		}
	})
	return found
}

func findKnownOdd(s *setup) []Finding {
	var found []Finding
	s.audits(func(path string, lines []hostkey.AuditLine) {
		for _, l := range lines {
			if l.Err != nil {
				found = append(found, Finding{File: path, Line: l.Number, What: "the line says nothing: " + l.Err.Error()})
			}
		}
	})
	return found
}

// keyed identifies what a line says of one name.
type keyed struct{ marker, name, key string }

func findKnownTwice(s *setup) []Finding {
	var found []Finding
	s.audits(func(path string, lines []hostkey.AuditLine) {
		seen := make(map[keyed]int)
		for _, l := range lines {
			if l.Err != nil {
				continue
			}
			k := keyed{l.Marker, strings.Join(l.Names, ","), string(l.Key.Marshal())}
			if first, twice := seen[k]; twice {
				found = append(found, Finding{File: path, Line: l.Number, What: fmt.Sprintf("the same as line %d", first),
					Fixes: []Fix{{Op: DeleteLine, File: path, Line: l.Number}}})
				continue
			}
			seen[k] = l.Number
		}
	})
	return found
}

func findKnownConflict(s *setup) []Finding {
	var found []Finding
	s.audits(func(path string, lines []hostkey.AuditLine) {
		seen := make(map[keyed]hostkey.AuditLine)
		for _, l := range lines {
			if l.Err != nil || l.Marker != "" {
				continue
			}
			for _, name := range l.Names {
				k := keyed{name: name, key: l.Key.Type()}
				if first, ok := seen[k]; ok && string(first.Key.Marshal()) != string(l.Key.Marshal()) {
					found = append(found, Finding{File: path, Line: l.Number, What: fmt.Sprintf("%s has another %s key than on line %d", name, hostkey.TypeName(l.Key), first.Number)})
				} else if !ok {
					seen[k] = l
				}
			}
		}
	})
	return found
}

func findKnownRevoked(s *setup) []Finding {
	var found []Finding
	s.audits(func(path string, lines []hostkey.AuditLine) {
		for _, l := range lines {
			if l.Err != nil || l.Marker != hostkey.MarkerRevoked {
				continue
			}
			for _, good := range lines {
				if good.Err == nil && good.Marker == "" && string(good.Key.Marshal()) == string(l.Key.Marshal()) {
					found = append(found, Finding{File: path, Line: good.Number, What: fmt.Sprintf("the key is revoked on line %d", l.Number),
						Fixes: []Fix{{Op: DeleteLine, File: path, Line: good.Number}}})
				}
			}
		}
	})
	return found
}

// daemonChecks are about our own runtime directory and daemon.
var daemonChecks = []check{
	{"runtime-dir", Error, "no command can use or start the daemon there: whoever prepared the directory could listen in", "remove it; it is made anew", findRuntimeDir},
	{"daemon-silent", Error, "commands wait for it in vain", "sally quit, or kill it", findSilentDaemon},
	{"daemon-version", Warning, "it is not the program that you run now; its connections go on as the old one made them", "sally quit; the next command starts the new one", findOldDaemon},
	{"setup-program", Error, "plain ssh runs the program to find connections, and goes on without it", "sally setup, again", findSetupProgram},
}

func findRuntimeDir(s *setup) []Finding {
	if s.Daemon.DirErr == nil || errors.Is(s.Daemon.DirErr, fs.ErrNotExist) {
		return nil
	}
	return []Finding{{File: s.Daemon.Dir, What: s.Daemon.DirErr.Error()}}
}

func findSilentDaemon(s *setup) []Finding {
	if s.Daemon.Err == nil {
		return nil
	}
	return []Finding{{File: s.Daemon.Dir, What: "the daemon does not answer: " + s.Daemon.Err.Error()}}
}

func findOldDaemon(s *setup) []Finding {
	if d := s.Daemon; d.Version != "" && d.Version != d.Ours {
		return []Finding{{File: d.Dir, What: fmt.Sprintf("the daemon is version %s, this is %s", d.Version, d.Ours)}}
	}
	return nil
}

// findSetupProgram looks at the lines that "sally setup" wrote: Match exec with
// our program's path in single quotes.
func findSetupProgram(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword != "match" || !strings.HasSuffix(strings.TrimRight(strings.Join(st.Args, " "), "\" "), " up --quiet") {
			continue
		}
		_, rest, ok := strings.Cut(strings.Join(st.Args, " "), "exec '")
		path, _, closed := strings.Cut(rest, "'")
		path = strings.ReplaceAll(path, "%%", "%")
		if !ok || !closed {
			continue
		}
		if info, err := os.Stat(path); err != nil || info.Mode()&0o111 == 0 {
			found = append(found, Finding{File: st.File, Line: st.Line, What: path + " is not there any more"})
		}
	}
	return found
}
