package doctor

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

// home is a user's home directory.
type home struct {
	t   *testing.T
	dir string
	cfg Config
	env map[string]string
}

func newHome(t *testing.T) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "doctor") // short: sockets go there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &home{t: t, dir: dir, env: map[string]string{}}
	if err := os.Mkdir(h.path(""), 0o700); err != nil {
		t.Fatal(err)
	}
	h.cfg.Env = sshconfig.Env{
		Home: dir, LocalUser: "u", UID: os.Getuid(), LocalHost: "here", SystemFile: filepath.Join(dir, "system"),
		Getenv: func(name string) (string, bool) { v, ok := h.env[name]; return v, ok },
	}
	return h
}

// path is that of a file in ~/.ssh.
func (h *home) path(name string) string { return filepath.Join(h.dir, ".ssh", name) }

func (h *home) write(name, text string, mode os.FileMode) string {
	h.t.Helper()
	path := h.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *home) config(lines ...string) { h.write("config", strings.Join(lines, "\n")+"\n", 0o600) }

// key makes an ed25519 key and returns its public half.
func (h *home) key(name string) ssh.PublicKey {
	h.t.Helper()
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	return h.writeKey(name, private, public)
}

func (h *home) writeKey(name string, private, public any) ssh.PublicKey {
	h.t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		h.t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(name, string(pem.EncodeToMemory(block)), 0o600)
	h.write(name+".pub", string(ssh.MarshalAuthorizedKey(pub)), 0o644)
	return pub
}

// certificate signs a key for a time around now.
func (h *home) certificate(name string, from, to time.Duration) {
	h.t.Helper()
	_, ca, _ := ed25519.GenerateKey(rand.Reader)
	signer, _ := ssh.NewSignerFromKey(ca)
	c := &ssh.Certificate{Key: h.key(name), CertType: ssh.UserCert, KeyId: "alice", ValidPrincipals: []string{"alice"},
		ValidAfter: uint64(time.Now().Add(from).Unix()), ValidBefore: uint64(time.Now().Add(to).Unix())}
	if err := c.SignCert(rand.Reader, signer); err != nil {
		h.t.Fatal(err)
	}
	h.write(name+"-cert.pub", string(ssh.MarshalAuthorizedKey(c)), 0o644)
}

// listen makes a socket; a stale one has nobody behind it.
func (h *home) listen(name string, stale bool) string {
	h.t.Helper()
	l, err := net.Listen("unix", h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(!stale)
	if stale {
		l.Close()
	} else {
		h.t.Cleanup(func() { l.Close() })
	}
	return h.path(name)
}

// agent serves an agent with n keys and sets SSH_AUTH_SOCK.
func (h *home) agent(n int) {
	h.t.Helper()
	ring := agent.NewKeyring()
	for range n {
		_, private, _ := ed25519.GenerateKey(rand.Reader)
		if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			h.t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", filepath.Join(h.dir, "agent"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				agent.ServeAgent(ring, conn)
			}()
		}
	}()
	h.env["SSH_AUTH_SOCK"] = l.Addr().String()
}

// knownLine is a line of known_hosts with a new key.
func knownLine(names string) string {
	public, _, _ := ed25519.GenerateKey(rand.Reader)
	key, _ := ssh.NewPublicKey(public)
	return names + " " + string(ssh.MarshalAuthorizedKey(key))
}

func (h *home) run() *Report {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := Run(ctx, h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// describe writes findings as "severity id file:line", files of ~/.ssh by
// their names.
func (h *home) describe(r *Report) []string {
	var all []string
	for _, f := range r.Findings {
		text := string(f.Severity) + " " + f.ID
		if f.File != "" {
			text += " " + strings.TrimPrefix(f.File, h.path("")+"/")
		}
		if f.Line > 0 {
			text += ":" + itoa(f.Line)
		}
		all = append(all, text)
	}
	for i := range all {
		all[i] = strings.Replace(all[i], h.path(""), "SSH", 1)
	}
	slices.Sort(all)
	return all
}

// planted is a setup with one trap.
type planted struct {
	name  string
	plant func(h *home)
	want  string // as describe has it, several by "; "
	says  string // part of What or Fix
	fixed bool   // after Apply it is gone
}

// sharing is a good way to share connections.
const sharing = "ServerAliveInterval 15\nControlMaster auto\nControlPath ~/.ssh/cm-%C\nControlPersist 10m"

func traps() []planted {
	return slices.Concat(fileTraps(), blockTraps(), controlTraps(), keyTraps(), trustTraps())
}

func fileTraps() []planted {
	return []planted{
		{"directory that others may write", func(h *home) { os.Chmod(h.path(""), 0o770) }, "error ssh-dir-mode SSH", "mode 0770", true},
		{"config that others may write", func(h *home) { h.config("Host a"); os.Chmod(h.path("config"), 0o666) }, "error config-mode config", "mode 0666", true},
		{"included file that others may write", func(h *home) {
			h.config("Include more")
			h.write("more", "Host a\n", 0o666)
		}, "error config-mode more", "mode 0666", true},
		{"bad value", func(h *home) { h.config("Host a", "  Port many") }, "error config-syntax config:2", "", false},
		{"unknown keyword", func(h *home) { h.config("Host a", "  ProxyJmp b") }, "error unknown-keyword config:2", "did you mean proxyjump?", false},
		{"own keyword unshielded", func(h *home) { h.config("Host a", "  ControlMaxAge 4h") }, "error own-keyword config:2", "IgnoreUnknown ControlMaxAge", true},
		{"own keyword before its IgnoreUnknown", func(h *home) { h.config("Host a", "  ControlMaxAge 4h", "Host *", "  IgnoreUnknown ControlMaxAge") }, "error own-keyword config:2", "", true},
		{"obsolete keyword", func(h *home) { h.config("Host a", "  UsePrivilegedPort yes") }, "note obsolete-keyword config:2", "UsePrivilegedPort", true},
	}
}

func blockTraps() []planted {
	return []planted{
		{"block after Host *", func(h *home) { h.config("Host *", "  Port 22", "Host a", "  Port 2222") }, "warning shadowed config:4", "Port 2222 has no effect: Port 22 on line 2 (Host *)", false},
		{"value twice", func(h *home) { h.config("Host a", "  User x", "  User y") }, "warning shadowed config:3", "User x on line 2 (Host a)", false},
		{"ProxyCommand before ProxyJump", func(h *home) {
			h.config("Host b.example.org", "Host a", "  ProxyCommand nc %h %p", "  ProxyJump b.example.org")
		}, "warning shadowed config:4", "ProxyCommand nc %h %p on line 3", false},
		{"jump loop", func(h *home) {
			h.config("Host a", "  ProxyJump b", "Host b", "  ProxyJump c", "Host c", "  ProxyJump b")
		},
			"error jump-loop config:2; error jump-loop config:4; error jump-loop config:6", "jump loop: a → b → c → b", false},
		{"jump through itself", func(h *home) { h.config("Host a", "  ProxyJump a") }, "error jump-loop config:2", "", false},
		{"undefined jump host", func(h *home) { h.config("Host bastion", "Host a", "  ProxyJump bastoin") }, "warning jump-undefined config:3", "did you mean bastion?", false},
		{"ssh -W", func(h *home) { h.config("Host b", "Host a", "  ProxyCommand ssh -W %h:%p b") }, "note jump-command config:3", "ProxyJump b", true},
	}
}

func controlTraps() []planted {
	return []planted{
		{"ControlMaster yes on a jump host", func(h *home) {
			h.config("Host b", "  ControlMaster yes", "  ControlPath ~/.ssh/cm-%C", "  ServerAliveInterval 9", "Host a", "  ProxyJump b")
		}, "error control-master-yes config:2", "on a jump host", true},
		{"ControlMaster yes", func(h *home) {
			h.config("Host b", "  ControlMaster yes", "  ControlPath ~/.ssh/cm-%C", "  ServerAliveInterval 9")
		}, "warning control-master-yes config:2", "", true},
		{"socket of the jump host", func(h *home) {
			h.config("ServerAliveInterval 9", "Host b", "  ControlPath ~/.ssh/cm-b", "Host a", "  ProxyJump b", "  ControlPath ~/.ssh/cm-b")
		}, "error control-path-jump config:6", "a and its jump host b", false},
		{"one path for two ports", func(h *home) {
			h.config("ServerAliveInterval 9", "Host a", "  HostName x", "  ControlPath ~/.ssh/cm", "Host b", "  HostName x", "  Port 2222", "  ControlPath ~/.ssh/cm")
		}, "error control-path-shared config:8", "have the same ControlPath", false},
		{"one path for two users", func(h *home) {
			h.config("ServerAliveInterval 9", "Host a", "  HostName x", "  User p", "Host b", "  HostName x", "  User q", "Host a b", "  ControlPath ~/.ssh/cm-%h-%p")
		}, "error control-path-shared config:9; warning control-path-tokens config:9", "several users", true},
		{"%h is the HostName, of two networks", func(h *home) {
			h.config("ServerAliveInterval 9", "Host j1", "Host j2", "Host a", "  HostName 10.0.0.5", "  ProxyJump j1", "Host b", "  HostName 10.0.0.5", "  ProxyJump j2",
				"Host a b", "  ControlPath ~/.ssh/cm-%r-%h-%p")
		}, "error control-path-shared config:11", "a (10.0.0.5:22) and b (10.0.0.5:22)", false},
		{"%C of an ssh before 9.6, of two networks", func(h *home) {
			h.config("ServerAliveInterval 9", "Host j1", "Host j2", "Host a", "  HostName 10.0.0.5", "  ProxyJump j1", "Host b", "  HostName 10.0.0.5", "  ProxyJump j2",
				"Host a b", "  ControlPath ~/.ssh/cm-%C")
		}, "error control-path-shared config:11", "before OpenSSH 9.6", false},
		{"fixed path for all", func(h *home) { h.config("ServerAliveInterval 9", "Host *", "  ControlPath ~/.ssh/cm") }, "warning control-path-tokens config:3", "hosts and ports and users", true},
		{"long path", func(h *home) {
			h.write(strings.Repeat("d", 60)+"/x", "", 0o600)
			h.config("ServerAliveInterval 9", "Host a", "  ControlPath ~/.ssh/"+strings.Repeat("d", 60)+"/%C")
		}, "error control-path-long config:3", "are the most that work", false},
		{"directory that is not there", func(h *home) { h.config("ServerAliveInterval 9", "ControlPath ~/.ssh/none/%C") }, "warning control-path-dir config:2", "mkdir -m 700", true},
		{"directory of all", func(h *home) {
			h.write("open/x", "", 0o600)
			os.Chmod(h.path("open"), 0o777)
			h.config("ServerAliveInterval 9", "ControlPath ~/.ssh/open/%C")
		}, "error control-path-open config:2", "mode 0777", true},
		{"file system without sockets", func(h *home) {
			h.cfg.FileSystem = func(string) string { return "vfat" }
			h.config("ServerAliveInterval 9", "ControlPath ~/.ssh/%C")
		}, "error control-path-filesystem config:2", "is on vfat", false},
		{"persist for ever", func(h *home) { h.config("Host a", "  ControlPersist yes") }, "warning control-persist-forever config:2", "", true},
		{"persist 0", func(h *home) { h.config("Host a", "  ControlPersist 0") }, "warning control-persist-forever config:2", "", true},
		{"no keepalive", func(h *home) { h.config("Host a", "  ControlMaster auto", "  ControlPath ~/.ssh/cm-%C") }, "warning no-keepalive config:3", "", true},
		{"keepalive off", func(h *home) { h.config("Host a", "  ServerAliveInterval 0") }, "warning no-keepalive config:2", "sally's too", true},
		{"stale socket", func(h *home) {
			h.config("ServerAliveInterval 9", "Host a", "  ControlPath ~/.ssh/cm-a")
			h.listen("cm-a", true)
		}, "warning socket-stale cm-a", "", true},
		{"stale socket of another host", func(h *home) {
			h.config("ServerAliveInterval 9", "ControlPath ~/.ssh/cm-%C")
			h.listen("cm-"+strings.Repeat("0", 40), true)
		}, "warning socket-stale cm-" + strings.Repeat("0", 40), "", true},
		{"file in the place of a socket", func(h *home) {
			h.config("ServerAliveInterval 9", "Host a", "  ControlPath ~/.ssh/cm-a")
			h.write("cm-a", "", 0o600)
		}, "error socket-not cm-a", "", false},
		{"somebody else's socket", func(h *home) {
			sshtest.RequireRoot(h.t, "a socket of another user")
			h.config("ServerAliveInterval 9", "Host a", "  ControlPath ~/.ssh/cm-a")
			if err := os.Chown(h.listen("cm-a", false), 4711, 4711); err != nil {
				h.t.Fatal(err)
			}
		}, "error socket-foreign cm-a", "user 4711", false},
	}
}

func keyTraps() []planted {
	return []planted{
		{"key that others may read", func(h *home) { h.key("id_ed25519"); os.Chmod(h.path("id_ed25519"), 0o644) }, "error key-mode id_ed25519", "", true},
		{"missing key", func(h *home) { h.config("Host a", "  IdentityFile ~/.ssh/gone") }, "warning key-missing config:2", "does not exist", false},
		{"missing certificate", func(h *home) { h.config("Host a", "  CertificateFile ~/.ssh/gone") }, "warning key-missing config:2", "does not exist", false},
		{"no key in the file", func(h *home) { h.write("k", "nothing\n", 0o600); h.config("Host a", "  IdentityFile ~/.ssh/k") }, "warning key-unreadable config:2", "", false},
		{"short RSA key", func(h *home) {
			private, err := rsa.GenerateKey(rand.Reader, 1024)
			if err != nil {
				h.t.Fatal(err)
			}
			h.writeKey("id_rsa", private, private.Public())
		}, "warning key-weak id_rsa", "1024 bits", false},
		{"key of a type that is not accepted", func(h *home) {
			h.key("k")
			h.config("Host a", "  IdentityFile ~/.ssh/k", "  PubkeyAcceptedAlgorithms rsa-sha2-512")
		}, "warning key-not-offered config:2", "not in PubkeyAcceptedAlgorithms", false},
		{"IdentitiesOnly without a key", func(h *home) { h.config("Host a", "  IdentitiesOnly yes") }, "error key-none config:2", "", false},
		{"too many keys", func(h *home) { h.agent(8); h.config("Host a") }, "warning too-many-keys", "8 keys are offered", false},
		{"expired certificate", func(h *home) { h.certificate("id_ed25519", -48*time.Hour, -24*time.Hour) }, "error cert-expired id_ed25519-cert.pub", `"alice" expired on`, false},
		{"certificate of tomorrow", func(h *home) { h.certificate("id_ed25519", 24*time.Hour, 48*time.Hour) }, "error cert-future id_ed25519-cert.pub", "not valid before", false},
		{"no agent behind SSH_AUTH_SOCK", func(h *home) { h.env["SSH_AUTH_SOCK"] = h.path("gone") }, "warning agent-unreachable", "no such file", false},
		{"no agent behind IdentityAgent", func(h *home) { h.config("Host a", "  IdentityAgent ~/.ssh/gone") }, "warning agent-unreachable config:2", "no such file", false},
		{"agent without keys", func(h *home) { h.agent(0) }, "warning agent-empty", "holds no keys", false},
		{"agent to the jump host", func(h *home) { h.config("Host b", "  ForwardAgent yes", "Host a", "  ProxyJump b") }, "warning forward-agent-jump config:2", "", true},
		{"agent to everybody", func(h *home) { h.config("Host a", "Host *", "  ForwardAgent yes") }, "warning forward-agent-all config:3", "", true},
	}
}

func trustTraps() []planted {
	good, other := knownLine("a"), knownLine("a")
	return []planted{
		{"no checking", func(h *home) { h.config("Host a", "  StrictHostKeyChecking no") }, "warning strict-no config:2", "", true},
		{"no checking, in other words", func(h *home) { h.config("Host a", "  StrictHostKeyChecking off") }, "warning strict-no config:2", "", true},
		{"keys to nowhere", func(h *home) { h.config("Host a", "  UserKnownHostsFile /dev/null") }, "warning known-hosts-null config:2", "", true},
		{"one alias for all", func(h *home) { h.config("Host a", "Host *", "  HostKeyAlias x") }, "warning host-key-alias config:3", "for every host", false},
		{"the alias of the jump host", func(h *home) {
			h.config("Host b", "  HostKeyAlias b", "Host a", "  ProxyJump b", "  HostKeyAlias b")
		}, "warning host-key-alias config:5", "a and its jump host b", false},
		{"weak cipher for all", func(h *home) { h.config("Ciphers +3des-cbc,aes128-ctr") }, "warning weak-algorithms config:1", "3des-cbc", false},
		{"weak key exchange of one host", func(h *home) { h.config("Host a", "  KexAlgorithms +diffie-hellman-group14-sha1") }, "note weak-algorithms config:2", "diffie-hellman-group14-sha1", false},
		{"known_hosts that others may write", func(h *home) { h.write("known_hosts", good, 0o666) }, "error known-hosts-mode known_hosts", "", true},
		{"line without a key", func(h *home) { h.write("known_hosts", good+"b ssh-ed25519 AAAAdamaged\n", 0o600) }, "warning known-hosts-line known_hosts:2", "", false},
		{"unknown marker", func(h *home) { h.write("known_hosts", "@cert-authorty "+good, 0o600) }, "warning known-hosts-line known_hosts:1", "marker", false},
		{"line twice", func(h *home) { h.write("known_hosts", good+"# between\n"+good, 0o600) }, "note known-hosts-duplicate known_hosts:3", "line 1", true},
		{"two keys of one type", func(h *home) { h.write("known_hosts", good+other, 0o600) }, "warning known-hosts-conflict known_hosts:2", "than on line 1", false},
		{"revoked and good", func(h *home) { h.write("known_hosts", good+"@revoked * "+strings.SplitN(good, " ", 2)[1], 0o600) },
			"warning known-hosts-revoked known_hosts:1", "line 2", true},
		{"unsafe runtime directory", func(h *home) { h.cfg.Daemon = Daemon{Dir: "/run/x", DirErr: errors.New("unsafe runtime directory")} }, "error runtime-dir /run/x", "", false},
		{"daemon that is silent", func(h *home) { h.cfg.Daemon = Daemon{Dir: "/run/x", Err: errors.New("deadline")} }, "error daemon-silent /run/x", "", false},
		{"old daemon", func(h *home) { h.cfg.Daemon = Daemon{Dir: "/run/x", Version: "1", Ours: "2"} }, "warning daemon-version /run/x", "version 1", false},
		{"program of setup that is gone", func(h *home) {
			h.config(`Match originalhost a exec "exec '/nowhere/sally' up --quiet"`, `  ControlPath "`+h.path("cm-%C")+`"`, "Host *", "  ServerAliveInterval 9")
		}, "error setup-program config:1", "/nowhere/sally", false},
	}
}

func TestTraps(t *testing.T) {
	found := map[string]bool{}
	for _, trap := range traps() {
		t.Run(trap.name, func(t *testing.T) {
			h := newHome(t)
			trap.plant(h)
			r := h.run()
			got := h.describe(r)
			want := strings.Split(trap.want, "; ")
			if !slices.Equal(got, want) {
				t.Fatalf("found %q, want %q\n%+v", got, want, r.Findings)
			}
			text := ""
			for _, f := range r.Findings {
				found[f.ID] = true
				text += f.What + "\n" + f.Fix + "\n"
				if f.What == "" || f.Why == "" || f.Fix == "" || f.Fixable != (len(f.Fixes) > 0) {
					t.Errorf("incomplete: %+v", f)
				}
			}
			if !strings.Contains(text, trap.says) {
				t.Errorf("no %q in %q", trap.says, text)
			}
			plan, err := NewPlan(r.Findings)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Empty() == trap.fixed {
				t.Fatalf("the plan is %q %q, want one: %v", plan.Changes(), plan.Commands(), trap.fixed)
			}
			if err := plan.Apply(); err != nil {
				t.Fatal(err)
			}
			if after := h.describe(h.run()); trap.fixed && len(after) > 0 {
				t.Errorf("after the fix: %q\n%v", after, plan.Changes())
			}
		})
	}
	for _, c := range Checks() {
		if !found[c.ID] {
			t.Errorf("no trap for %s", c.ID)
		}
	}
}

// TestFixesKeepTheRest compares the text around a change.
func TestFixesKeepTheRest(t *testing.T) {
	h := newHome(t)
	h.config("# mine", "", "Host a\t# first", "\tControlPersist=yes   # why not", "\tUser\tx", "", "Host b", "  StrictHostKeyChecking no", "  ControlMaxAge 4h")
	plan, err := NewPlan(h.run().Findings)
	if err != nil {
		t.Fatal(err)
	}
	const want = "# mine\nIgnoreUnknown ControlMaxAge\n\nHost a\t# first\n\tControlPersist=10m   # why not\n\tUser\tx\n\nHost b\n  StrictHostKeyChecking accept-new\n  ControlMaxAge 4h\n"
	if c := plan.Changes(); len(c) != 1 || c[0].After != want {
		t.Errorf("the change is %q, want %q", c, want)
	}
}

func clean() map[string]func(h *home) {
	return map[string]func(h *home){
		"nothing at all": func(h *home) { os.Remove(h.path("")) },
		"a team's": func(h *home) {
			h.agent(2)
			h.key("id_ed25519")
			h.key("work")
			h.write("known_hosts", knownLine("bastion.example.org,192.0.2.1")+knownLine("[gate.example.org]:2222")+"# a comment\n\n"+
				"@cert-authority *.example.org "+strings.SplitN(knownLine("x"), " ", 2)[1], 0o600)
			h.config("Host bastion", "  HostName bastion.example.org", "  User alice", "  IdentityFile ~/.ssh/work", "  IdentitiesOnly yes", "",
				"Host gate", "  HostName gate.example.org", "  Port 2222", "  ProxyJump bastion", "",
				"Host web1 web2 db*", "  ProxyJump gate", "  LocalForward 8080 localhost:80", "", "Host out", "  ProxyJump alice@jump.example.net:2022,gate", "",
				"Host *", "  "+strings.ReplaceAll(sharing, "\n", "\n  "), "  HashKnownHosts yes", "  SendEnv LANG LC_*", "  AddKeysToAgent yes")
			h.listen("cm-live", false)
		},
		"with our own keywords, includes and certificates": func(h *home) {
			h.agent(1)
			h.certificate("id_ed25519", -time.Hour, time.Hour)
			h.config("IgnoreUnknown Alternate*,ControlMaxAge,Tags", "Include conf.d/*.conf", "Match host *.lab exec \"false\"", "  ProxyJump bastion", "Host *.lab", "  StrictHostKeyChecking accept-new", "Match all", "  ControlMaxAge 8h")
			h.write("conf.d/a.conf", "Host bastion\n  AlternateAddress 192.0.2.2:443\n  Tags edge\n  ControlMaster auto\n  ControlPath ~/.ssh/cm-bastion\n  ServerAliveInterval 20\n", 0o600)
			h.write("conf.d/b.conf", "Host legacy\n  HostKeyAlgorithms +ssh-ed25519\n  Ciphers -aes128-cbc\n  ForwardAgent yes\n  PreferredAuthentications password\n  IdentitiesOnly yes\n  IdentityFile none\n", 0o600)
			if err := os.WriteFile(filepath.Join(h.dir, "system"), []byte("Host *\n  SendEnv LANG\n  HashKnownHosts yes\n  GSSAPIAuthentication yes\n"), 0o644); err != nil {
				h.t.Fatal(err)
			}
		},
	}
}

func TestCleanSetups(t *testing.T) {
	for name, make := range clean() {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			make(h)
			r := h.run()
			if len(r.Findings) > 0 || r.Worst() {
				t.Errorf("found %q\n%+v", h.describe(r), r.Findings)
			}
			if r.Checked.Checks != len(Checks()) || r.Checked.Cut {
				t.Errorf("%+v", r.Checked)
			}
		})
	}
}

// TestJSONHasLists: what is empty is an empty list.
func TestJSONHasLists(t *testing.T) {
	h := newHome(t)
	h.cfg.File = "none"
	text, err := json.Marshal(h.run())
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%v %s", err, text)
	}
}

// TestUnresolved says that an error hides what else is wrong.
func TestUnresolved(t *testing.T) {
	h := newHome(t)
	h.config("Host a", "  ProxyJump b", "Host b", "  ProxyJump a", "Host c", "  Nonsense yes")
	if r := h.run(); r.Checked.Hosts != 3 || r.Checked.Unresolved != 3 {
		t.Errorf("%+v", r)
	}
}

// TestNoCommandsAndNoNetwork has a configuration that would run commands and
// look names up.
func TestNoCommandsAndNoNetwork(t *testing.T) {
	h := newHome(t)
	mark := h.path("ran")
	h.config("CanonicalizeHostname yes", "CanonicalDomains example.invalid", fmt.Sprintf("Match exec \"touch %s\"", mark), "  User x",
		"Host a", "  ProxyCommand touch "+mark, "  KnownHostsCommand /usr/bin/touch "+mark)
	start := time.Now()
	h.run()
	if _, err := os.Stat(mark); err == nil {
		t.Error("a command was run")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestOneHost looks at one host of many.
func TestOneHost(t *testing.T) {
	h := newHome(t)
	h.config("Host a", "  IdentityFile ~/.ssh/gone", "Host b", "  IdentitiesOnly yes")
	h.cfg.Hosts = []string{"b"}
	if got := h.describe(h.run()); !slices.Equal(got, []string{"error key-none config:4"}) {
		t.Errorf("found %q", got)
	}
}

func TestManyHostsAreBounded(t *testing.T) {
	h := newHome(t)
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("Host h%d\n  HostName 10.%d.%d.1\n  ProxyJump bastion", i, i/250, i%250))
	}
	h.config(append(lines, "Host bastion", "Host *", sharing)...)
	start := time.Now()
	r := h.run()
	if len(r.Findings) > 0 || r.Checked.Hosts != 1001 {
		t.Errorf("%+v", r.Checked)
	}
	t.Logf("1000 hosts took %v", time.Since(start))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := Run(ctx, h.cfg); err != nil || !r.Checked.Cut {
		t.Errorf("%v: %+v, want that it says it was cut", err, r)
	}
}
