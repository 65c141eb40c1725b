package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport/internal/identity"
)

// keyChecks are about identity files and certificates.
var keyChecks = []check{
	{"key-mode", Error, "ssh ignores a private key that others may read", "chmod 600", findKeyMode},
	{"key-missing", Warning, "the key is not offered; ssh says so only with -v", "correct IdentityFile or CertificateFile, or take the line out", findKeyMissing},
	{"key-unreadable", Warning, "the key is not offered", "see the reason", findKeyUnreadable},
	{"key-weak", Warning, "servers of today refuse it, and it may be broken tomorrow", "make a new one: ssh-keygen -t ed25519", findKeyWeak},
	{"key-not-offered", Warning, "the configuration keeps a key from being offered", "see PubkeyAcceptedAlgorithms, RequiredRSASize and SecurityKeyProvider of the host", findNotOffered},
	{"key-none", Error, "IdentitiesOnly leaves out the agent's keys, and no file has one: no key is offered at all", "set IdentityFile, or take IdentitiesOnly out", findNoKey},
	{"too-many-keys", Warning, "servers count each key that is offered and hang up, after six by default (MaxAuthTries): \"Too many authentication failures\"",
		"set IdentityFile and \"IdentitiesOnly yes\"", findTooMany},
	{"cert-expired", Error, "servers refuse it, and ssh does not say why", "have a new one signed", findExpired},
	{"cert-future", Error, "servers refuse it until then, and ssh does not say why; or this machine's clock is wrong", "wait, or set the clock", findFuture},
}

// filesOf calls f with each identity file that a host names itself.
func (s *setup) filesOf(f func(h *host, file identity.File)) {
	for _, h := range s.all() {
		for _, path := range h.options().Auth.IdentityFiles {
			if file, ok := s.keys[path]; ok {
				f(h, file)
			}
		}
	}
}

// placed puts a finding about an identity file at the line that names it.
func placed(h *host, path string, f Finding) Finding {
	files := h.options().Auth.IdentityFiles
	origins := h.resolved.Origins("identityfile")
	if i := slices.Index(files, path); h.options().Auth.IdentityFilesSet && i >= 0 && i < len(origins) && len(files) == len(origins) {
		f.File, f.Line = origins[i].File, origins[i].Line
	}
	return f
}

func findKeyMode(s *setup) []Finding {
	var found []Finding
	s.filesOf(func(h *host, k identity.File) {
		if errors.Is(k.Err, identity.ErrBadPermissions) {
			found = append(found, Finding{File: k.Path, What: "others may read the private key", Hosts: s.concerned(h),
				Fix: "chmod 600 " + k.Path, Fixes: []Fix{{Op: Chmod, File: k.Path, Mode: 0o600}}})
		}
	})
	return found
}

func findKeyMissing(s *setup) []Finding {
	var found []Finding
	s.filesOf(func(h *host, k identity.File) {
		if h.options().Auth.IdentityFilesSet && errors.Is(k.Err, fs.ErrNotExist) {
			found = append(found, placed(h, k.Path, Finding{Hosts: s.concerned(h), What: "IdentityFile " + k.Path + " does not exist"}))
		}
	})
	for _, h := range s.all() {
		for _, path := range h.options().Auth.CertificateFiles {
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				found = append(found, at(h, "certificatefile", Finding{Hosts: s.concerned(h), What: "CertificateFile " + path + " does not exist"}))
			}
		}
	}
	return found
}

func findKeyUnreadable(s *setup) []Finding {
	var found []Finding
	s.filesOf(func(h *host, k identity.File) {
		if k.Err != nil && !errors.Is(k.Err, fs.ErrNotExist) && !errors.Is(k.Err, identity.ErrBadPermissions) {
			found = append(found, placed(h, k.Path, Finding{Hosts: s.concerned(h), What: fmt.Sprintf("%s: %v", k.Path, k.Err)}))
		}
	})
	return found
}

// enoughRSA is the least length in bits of an RSA key that is not weak.
const enoughRSA = 2048

func findKeyWeak(s *setup) []Finding {
	var found []Finding
	s.filesOf(func(h *host, k identity.File) {
		f := Finding{File: k.Path, Hosts: s.concerned(h)}
		switch {
		case strings.HasPrefix(k.Type, "DSA"):
			f.What = "a DSA key"
		case k.Bits > 0 && k.Bits < enoughRSA:
			f.What = fmt.Sprintf("an RSA key of %d bits", k.Bits)
		default:
			return
		}
		found = append(found, f)
	})
	return found
}

// identityConfig is what a host's keys are gathered by.
func identityConfig(h *host) identity.Config {
	a := h.options().Auth
	return identity.Config{
		Files: a.IdentityFiles, FilesSet: a.IdentityFilesSet, CertificateFiles: a.CertificateFiles,
		IdentitiesOnly: a.IdentitiesOnly, AcceptedAlgorithms: a.PubkeyAcceptedAlgorithms,
		RequiredRSASize: h.options().HostKey.RequiredRSASize, SecurityKeyProvider: a.SecurityKeyProvider,
	}
}

// findNotOffered gathers each host's keys as a login would, without the agent.
func findNotOffered(s *setup) []Finding {
	var found []Finding
	for _, h := range s.all() {
		if s.ctx.Err() != nil {
			s.checked.Cut = true
			break
		}
		set, err := identity.Open(s.ctx, identityConfig(h), nil)
		if err != nil {
			continue
		}
		for _, note := range set.Notes() {
			if strings.HasPrefix(note, "certificate ") && strings.Contains(note, "no such file") {
				continue // key-missing's
			}
			f := Finding{Hosts: s.concerned(h), What: note}
			found = append(found, at(h, "identityfile", f))
		}
		set.Close()
	}
	return found
}

// usableFiles counts a host's identity files that can be offered.
func (s *setup) usableFiles(h *host) int {
	n := 0
	for _, path := range h.options().Auth.IdentityFiles {
		if k, ok := s.keys[path]; ok && k.Err == nil {
			n++
		}
	}
	return n
}

func findNoKey(s *setup) []Finding {
	var found []Finding
	for _, h := range s.good() {
		a := h.options().Auth
		if !a.IdentitiesOnly || !a.Publickey || s.usableFiles(h) > 0 || len(a.CertificateFiles) > 0 || a.PKCS11Provider != "" || passwordOnly(a.PreferredAuthentications) {
			continue
		}
		found = append(found, at(h, "identitiesonly", Finding{Hosts: []string{h.name}, What: "IdentitiesOnly yes, and there is no usable identity file"}))
	}
	return found
}

// passwordOnly tells a host that keys are not for.
func passwordOnly(methods []string) bool { return !slices.Contains(methods, "publickey") }

// usualTries is sshd's default for MaxAuthTries.
const usualTries = 6

func findTooMany(s *setup) []Finding {
	var found []Finding
	for _, h := range s.all() {
		agent := s.agentOf(h)
		if agent == nil || h.options().Auth.IdentitiesOnly || !h.options().Auth.Publickey || len(agent.keys) < usualTries {
			continue
		}
		set, err := identity.Open(s.ctx, withAgent(h), nil)
		if err != nil {
			continue
		}
		offered := set.Identities()
		set.Close()
		if len(offered) <= usualTries {
			continue
		}
		if first := firstOfFile(offered); h.options().Auth.IdentityFilesSet && first >= 0 && first < usualTries {
			continue // what is meant for the host comes in time
		}
		found = append(found, Finding{Hosts: s.concerned(h), What: fmt.Sprintf("%d keys are offered, %d of them the agent's", len(offered), len(agent.keys))})
	}
	return found
}

func withAgent(h *host) identity.Config {
	cfg := identityConfig(h)
	cfg.Agent = h.options().Auth.Agent
	return cfg
}

// firstOfFile is the place of the first key that a file of the configuration
// names, -1 when there is none.
func firstOfFile(ids []*identity.Identity) int {
	return slices.IndexFunc(ids, func(id *identity.Identity) bool { return strings.Contains(id.Source, "file ") })
}

// certificates calls f with each user's certificate of a host.
func (s *setup) certificates(f func(h *host, c identity.Certificate)) {
	s.filesOf(func(h *host, k identity.File) {
		for _, c := range k.Certificates {
			if len(h.options().Auth.CertificateFiles) == 0 || c.Path == k.Path {
				f(h, c)
			}
		}
	})
	for _, h := range s.all() {
		for _, path := range h.options().Auth.CertificateFiles {
			for _, c := range identity.Inspect(path).Certificates {
				f(h, c)
			}
		}
	}
}

func findExpired(s *setup) []Finding {
	var found []Finding
	s.certificates(func(h *host, c identity.Certificate) {
		if !c.Before.IsZero() && !s.Now().Before(c.Before) {
			found = append(found, Finding{File: c.Path, Hosts: s.concerned(h), What: fmt.Sprintf("the certificate %q expired on %s", c.KeyID, c.Before.Format(time.DateTime))})
		}
	})
	return found
}

func findFuture(s *setup) []Finding {
	var found []Finding
	s.certificates(func(h *host, c identity.Certificate) {
		if s.Now().Before(c.After) {
			found = append(found, Finding{File: c.Path, Hosts: s.concerned(h), What: fmt.Sprintf("the certificate %q is not valid before %s", c.KeyID, c.After.Format(time.DateTime))})
		}
	})
	return found
}

// agentChecks are about agents and what they are lent to.
var agentChecks = []check{
	{"agent-unreachable", Warning, "no key of the agent is offered; ssh says so only with -v", "start the agent, or correct SSH_AUTH_SOCK or IdentityAgent", findNoAgent},
	{"agent-empty", Warning, "a key with a passphrase asks for it each time, and a forwarded agent has nothing to sign with", "ssh-add, or AddKeysToAgent yes", findEmptyAgent},
	{"forward-agent-jump", Warning, "whoever is root on the jump host can log in elsewhere as you while you are connected; a jump host never needs the agent, keys sign here through the tunnel",
		"ForwardAgent no for the jump host", findForwardJump},
	{"forward-agent-all", Warning, "whoever is root on any host that you log in to can log in elsewhere as you while you are connected",
		"set ForwardAgent yes only in the blocks of hosts that need it", findForwardAll},
}

func findNoAgent(s *setup) []Finding {
	var found []Finding
	for _, a := range s.agents {
		if a.err == nil || errors.Is(a.err, context.Canceled) {
			continue
		}
		f := Finding{File: a.where.File, Line: a.where.Line, What: fmt.Sprintf("the agent %s cannot be used: %v", a.socket, rootOf(a.err))}
		if a.where.File != "" {
			f.Hosts = a.hosts
		}
		found = append(found, f)
	}
	return found
}

// rootOf is an error without what says twice where.
func rootOf(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

func findEmptyAgent(s *setup) []Finding {
	var found []Finding
	for _, a := range s.agents {
		if a.err == nil && len(a.keys) == 0 {
			found = append(found, Finding{File: a.where.File, Line: a.where.Line, What: "the agent " + a.socket + " holds no keys"})
		}
	}
	return found
}

func findForwardJump(s *setup) []Finding {
	var found []Finding
	for _, h := range s.good() {
		if !h.jump || h.options().Forward.Agent == "no" {
			continue
		}
		from, ok := h.resolved.Origin("forwardagent")
		if !ok {
			continue
		}
		f := at(h, "forwardagent", Finding{Hosts: []string{h.name}, What: "the agent is forwarded to the jump host " + h.name})
		if i := slices.IndexFunc(s.statements, s.is(from.File, from.Line)); i >= 0 && !s.statements[i].Several() {
			f.Fixes = setValue(f, "no")
		}
		found = append(found, f)
	}
	return found
}

func findForwardAll(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword == "forwardagent" && st.EveryHost() && len(st.Args) > 0 && !strings.EqualFold(st.Args[0], "no") {
			found = append(found, Finding{File: st.File, Line: st.Line, What: "the agent is forwarded to every host",
				Fixes: []Fix{{Op: SetLine, File: st.File, Line: st.Line, Value: "no"}}})
		}
	}
	return found
}
