package sshconfig

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hermeticEnv is an Env that knows nothing of this machine.
func hermeticEnv(home string) Env {
	vars := map[string]string{"SSH_AUTH_SOCK": "/run/agent", "OTHER": "/run/other"}
	return Env{
		Home: home, LocalUser: "me", UID: os.Getuid(), LocalHost: "machine.example.org",
		Getenv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		Exec: func(_ context.Context, command string) (bool, error) {
			if command == "fail" {
				return false, errors.New("cannot run")
			}
			return command == "true" || command == "true too", nil
		},
		LookupHost:    func(context.Context, string, string) (string, error) { return "", errors.New("no such host") },
		LookupHome:    func(user string) (string, bool) { return "/home/" + user, user != "nobody" },
		LookupService: func(name string) (int, bool) { return 22, name == "ssh" },
		Addresses: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::1")}, nil
		},
		PrivateGroup: func(gid, uid int) bool { return false },
		SystemFile:   filepath.Join(home, "system"),
	}
}

// resolveText resolves a query with a configuration.
func resolveText(t *testing.T, config string, q Query) (*Resolved, error) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "config")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(name, hermeticEnv("/home/me"))
	if err != nil {
		return nil, err
	}
	return f.Resolve(t.Context(), q)
}

// mustResolve is resolveText for configurations that are good.
func mustResolve(t *testing.T, config, host string) *Resolved {
	t.Helper()
	r, err := resolveText(t, config, Query{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// typedConfig sets options of every type.
const typedConfig = `
Host box
  HostName %h.example.org
  User ann
  Port ssh
  Tag work
  ProxyCommand nc %h %p
  ConnectTimeout 1m
  ServerAliveInterval 15
  RekeyLimit 1M 1h
  StrictHostKeyChecking off
  UserKnownHostsFile ~/kh/%h
  GlobalKnownHostsFile ~/g
  RevokedHostKeys ~/revoked /r2
  IdentityFile ~/.ssh/%r
  IdentityFile none
  CertificateFile ~ann/cert
  IdentityAgent $OTHER
  PubkeyAuthentication unbound
  AddKeysToAgent confirm 5m
  PreferredAuthentications publickey,password
  RequestTTY force
  EscapeChar none
  ControlPersist 0
  ControlPath ~/s/%n
  LocalForward :8080 web:80
  DynamicForward 1080
  RemoteForward 0 [::1]:22
  ForwardAgent ${OTHER}
  ObscureKeystrokeTiming interval:50
  ChannelTimeout session=5m
  VersionAddendum hello world # not this
  LocalCommand echo %T %h
  PermitLocalCommand yes
  ControlMaxAge 8h
  AlternateAddress 10.0.0.1 [::1]:2222 2001:db8::7 [2001:db8::8]
  AlternateProxyJump gw2,gw3 none
  AlternatePolicy order
  PasswordCommand pass show %h
  OTPCommand none
  IPQoS none ef
`

func TestOptionsAreTyped(t *testing.T) {
	r := mustResolve(t, typedConfig, "box")
	want := Options{
		Original: "box", HostName: "box.example.org", User: "ann", Port: 22, Tag: "work",
	}
	got := Options{Original: r.Original, HostName: r.HostName, User: r.User, Port: r.Port, Tag: r.Tag}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"ProxyCommand", r.Proxy.Command, "nc box.example.org 22"},
		{"ConnectTimeout", r.Connect.Timeout, time.Minute},
		{"ServerAliveSet", r.Connect.ServerAliveSet, true},
		{"RekeyBytes", r.Transport.RekeyBytes, uint64(1 << 20)},
		{"RekeyInterval", r.Transport.RekeyInterval, time.Hour},
		{"Strict", r.HostKey.StrictHostKeyChecking, "no"},
		{"UserFiles", r.HostKey.UserFiles, []string{"/home/me/kh/box.example.org"}},
		{"GlobalFiles", r.HostKey.GlobalFiles, []string{"/home/me/g"}},
		{"Revoked", r.HostKey.RevokedHostKeys, []string{"/home/me/revoked", "/r2"}},
		{"IdentityFiles", r.Auth.IdentityFiles, []string{"/home/me/.ssh/ann"}},
		{"IdentityFilesSet", r.Auth.IdentityFilesSet, true},
		{"CertificateFiles", r.Auth.CertificateFiles, []string{"/home/ann/cert"}},
		{"Agent", r.Auth.Agent, "/run/other"},
		{"AgentSet", r.Auth.AgentSet, true},
		{"Unbound", r.Auth.UnboundPubkey, true},
		{"Hostbound", r.Auth.HostboundPubkey, false},
		{"AddKeys", r.Auth.AddKeysToAgent, "confirm"},
		{"AddKeysLifetime", r.Auth.AddKeysLifetime, 5 * time.Minute},
		{"Preferred", r.Auth.PreferredAuthentications, []string{"publickey", "password"}},
		{"PasswordCommand", r.Auth.PasswordCommand, "pass show box.example.org"},
		{"OTPCommand", r.Auth.OTPCommand, ""},
		{"RequestTTY", r.Session.RequestTTY, "force"},
		{"EscapeChar", r.Session.EscapeChar, -1},
		{"PersistForever", r.Control.PersistForever, true},
		{"ControlPath", r.Control.Path, "/home/me/s/box"},
		{"MaxAge", r.Control.MaxAge, 8 * time.Hour},
		{"Local", r.Forward.Local, []ForwardSpec{{ListenHost: "*", ListenPort: 8080, ConnectHost: "web", ConnectPort: 80}}},
		{"Dynamic", r.Forward.Dynamic, []ForwardSpec{{ListenPort: 1080}}},
		{"Remote", r.Forward.Remote, []ForwardSpec{{ConnectHost: "::1", ConnectPort: 22}}},
		{"ForwardAgent", r.Forward.Agent, "/run/other"},
		{"Keystroke", r.Session.ObscureKeystrokeInterval, 50 * time.Millisecond},
		{"ChannelTimeout", r.Session.ChannelTimeout, ChannelTimeouts{{"session", 5 * time.Minute}}},
		{"VersionAddendum", r.Transport.VersionAddendum, "hello world"},
		{"LocalCommand", r.Session.LocalCommand, "echo NONE box.example.org"},
		{"AlternateAddress", r.Connect.Alternates, []Address{{Host: "10.0.0.1"}, {Host: "::1", Port: 2222}, {Host: "2001:db8::7"}, {Host: "2001:db8::8"}}},
		{"AlternateProxyJump", r.Proxy.Alternates, []string{"gw2,gw3", "none"}},
		{"AlternatePolicy", r.Connect.AlternatePolicy, "order"},
		{"IPQoS", []int{r.Connect.IPQoSInteractive, r.Connect.IPQoSBulk}, []int{-1, 0xb8}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestDefaultsAreTyped(t *testing.T) {
	r := mustResolve(t, "", "h")
	if r.Auth.IdentityFilesSet || len(r.Auth.IdentityFiles) != len(defaultIdentities) ||
		r.Auth.IdentityFiles[0] != "/home/me/.ssh/id_rsa" {
		t.Errorf("identities: %v %v", r.Auth.IdentityFilesSet, r.Auth.IdentityFiles)
	}
	if r.Auth.Agent != "/run/agent" || r.Auth.AgentSet {
		t.Errorf("agent %q set %v", r.Auth.Agent, r.Auth.AgentSet)
	}
	if r.Transport.HostKeyAlgorithmsSet || len(r.Transport.HostKeyAlgorithms) == 0 {
		t.Errorf("host key algorithms: %+v", r.Transport)
	}
	for list, want := range map[string]bool{"+ssh-rsa": false, "-ssh-*": false, "^ssh-ed25519": true, "ssh-ed25519": true} {
		if set := mustResolve(t, "HostKeyAlgorithms "+list+"\n", "h").Transport.HostKeyAlgorithmsSet; set != want {
			t.Errorf("%s: %v", list, set)
		}
	}
	if r.Connect.AlternatePolicy != "race" || r.Control.Master != "no" || r.Control.PersistSet {
		t.Errorf("%+v %+v", r.Connect, r.Control)
	}
	if _, ok := r.Origin("user"); ok {
		t.Error("a default has an origin")
	}
}

func TestOptionsSurviveJSON(t *testing.T) {
	r := mustResolve(t, "IdentityFile ~/x\nLocalForward 1 a:2\nControlPersist 5\n", "h")
	data, err := json.Marshal(r.Options)
	if err != nil {
		t.Fatal(err)
	}
	var back Options
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Options, back); diff != "" {
		t.Error(diff)
	}
}

func TestOrigins(t *testing.T) {
	r, err := resolveText(t, "Host x\nUser no\nHost *\nIdentityFile a\nUser yes\nIdentityFile b\n",
		Query{Host: "h", Overrides: []Override{{Keyword: "Port", Value: "5", From: "-p"}}})
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := r.Origin("User"); !ok || filepath.Base(o.File) != "config" || o.Line != 5 {
		t.Errorf("User: %+v %v", o, ok)
	}
	if o, ok := r.Origin("port"); !ok || o != (Origin{From: "-p"}) {
		t.Errorf("Port: %+v %v", o, ok)
	}
	var lines []int
	for _, o := range r.Origins("IdentityFile") {
		lines = append(lines, o.Line)
	}
	if diff := cmp.Diff([]int{4, 6}, lines); diff != "" {
		t.Error(diff)
	}
}

// Criteria and keywords that the oracle does not know.
func TestLaterMatchCriteria(t *testing.T) {
	for _, c := range []struct {
		line string
		q    Query
		want bool
	}{
		{"tagged work", Query{Overrides: []Override{{Keyword: "Tag", Value: "work"}}}, true},
		{"tagged w*,!work", Query{Overrides: []Override{{Keyword: "Tag", Value: "work"}}}, false},
		{`tagged ""`, Query{}, true},
		{"tagged x", Query{}, false},
		{"!tagged x", Query{}, true},
		{"command ls*", Query{Command: "ls -l"}, true},
		{`command ""`, Query{}, true},
		{`command ""`, Query{Command: "ls"}, false},
		{"sessiontype shell", Query{}, true},
		{"sessiontype exec,subsystem", Query{Command: "ls"}, true},
		{"sessiontype none", Query{Overrides: []Override{{Keyword: "SessionType", Value: "none"}}}, true},
		{"sessiontype subsystem", Query{Command: "sftp", Overrides: []Override{{Keyword: "SessionType", Value: "subsystem"}}}, true},
		{"version OpenSSH_9.*", Query{}, true},
		{"localnetwork 10.1.0.0/16", Query{}, true},
		{"localnetwork 10.2.0.0/16,fd00::/8", Query{}, true},
		{"localnetwork 192.168.0.0/16", Query{}, false},
		{"!localnetwork 192.168.0.0/16", Query{}, true},
		{"exec true", Query{}, true},
		{"host h exec 'true too'", Query{}, true}, // 9.2 cannot read this
		{"exec='true too' !host x", Query{}, true},
	} {
		c.q.Host = "h"
		r, err := resolveText(t, "Match "+c.line+"\n  Port 99\n", c.q)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if got := r.Port == 99; got != c.want {
			t.Errorf("Match %s with %+v: %v, want %v", c.line, c.q, got, c.want)
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{"Match localnetwork 10.0.0.1/8\n", "line 1: Invalid network entry"},
		{"Match exec fail\n", "line 1: match exec 'fail' error: cannot run"},
		{"RefuseConnection not here\n", "line 1: RefuseConnection: not"},
		{"\nRefuseConnection \"not here\"\n", "line 2: RefuseConnection: not here"},
		{"AlternatePolicy fast\n", "line 1: unsupported option"},
		{"AlternateAddress user@x\n", "Bad alternateaddress"},
		{"AlternateAddress 2001:db8::x\n", "Bad alternateaddress"},
		{"AlternateProxyJump @x\n", "Bad alternateproxyjump"},
		{"ObscureKeystrokeTiming interval:0\n", "value out of range"},
		{"ObscureKeystrokeTiming\n", "no argument after keyword"},
		{"ChannelTimeout session\n", "invalid channel timeout session"},
		{"IdentityFile /x/%q\n", "unknown key %q"},
		{"ProxyCommand x %d\n", "unknown key %d"},
		{"Ciphers aes128-ctr\nPubkeyAcceptedAlgorithms rsa\n", "pubkeyacceptedalgorithms"},
		{"Include %q\n", "Unable to expand user config file"},
	} {
		_, err := resolveText(t, c.config, Query{Host: "h"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.config, err, c.want)
		}
	}
	_, err := resolveText(t, "User a\nBogus 1\n", Query{Host: "h"})
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || e.Keyword != "bogus" || filepath.Base(e.File) != "config" {
		t.Errorf("%#v", e)
	}
}

// What ssh -G does not look at is no error for it.
func TestPrintOnly(t *testing.T) {
	r, err := resolveText(t, "IdentityFile /x/%q\nProxyCommand x %d\n", Query{Host: "h", PrintOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.Dump(&b); err != nil || !strings.Contains(b.String(), "identityfile /x/%q\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestNoAlgorithmLeft is an error, and never the default list.
func TestNoAlgorithmLeft(t *testing.T) {
	for _, name := range []string{
		"Ciphers", "MACs", "KexAlgorithms", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "CASignatureAlgorithms",
	} {
		want := name + " -*: no algorithm is left"
		if _, err := resolveText(t, name+" -*\n", Query{Host: "h"}); err == nil || !strings.EqualFold(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := resolveText(t, name+" -*\n", Query{Host: "h", PrintOnly: true}); err != nil {
			t.Errorf("-G: %v", err)
		}
	}
}

func TestDumpOfLaterKeywords(t *testing.T) {
	r := mustResolve(t, "Tag t\nObscureKeystrokeTiming no\nChannelTimeout *=1h\nAlternateAddress a b\nControlMaxAge 1h\n", "h")
	var b strings.Builder
	if err := r.Dump(&b); err != nil {
		t.Fatal(err)
	}
	want := "tag t\nobscurekeystroketiming no\nchanneltimeout *=1h\nalternateaddress a b\ncontrolmaxage 3600\n"
	if !strings.HasSuffix(b.String(), "\n"+want) {
		t.Errorf("the dump does not end in\n%s\nbut:\n%s", want, b.String())
	}
}

func TestReplaceOverride(t *testing.T) {
	r, err := resolveText(t, "LogLevel ERROR\n", Query{Host: "h", Overrides: []Override{
		{Keyword: "LogLevel", Value: "DEBUG1"},
		{Keyword: "LogLevel", Value: "QUIET", Replace: true, From: "-q"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := r.Origin("loglevel"); r.Log.Level != "QUIET" || o.From != "-q" {
		t.Errorf("%s from %+v", r.Log.Level, o)
	}
}

// OpenSSH 9.6 and later have the jump host in %C.
func TestHashJump(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "config")
	if err := os.WriteFile(name, []byte("ProxyJump u@gw:22\nControlPath %C.%j\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	paths := make(map[bool]string)
	for _, jump := range []bool{false, true} {
		env := hermeticEnv("/home/me")
		asked := 0
		env.HashJump = func() bool { asked++; return jump }
		f, err := Load(name, env)
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Resolve(t.Context(), Query{Host: "h"})
		if err != nil {
			t.Fatal(err)
		}
		paths[jump] = r.Control.Path
		if asked != 1 { // it reads the whole of ssh
			t.Errorf("asked %d times", asked)
		}
	}
	// sha1("machine.example.org" "h" "22" "me"), and with "gw" appended.
	want := map[bool]string{
		false: "48c11525e3d20b7819802b3d249db67752dd48dc.gw",
		true:  "ba397076e630422eae544613fac311a350778105.gw",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
}

func TestUserMayHaveTokens(t *testing.T) {
	for config, want := range map[string]string{
		"User ${OTHER}-%n": "/run/other-h", "User %q": "%q", "User ${NOPE}": "${NOPE}", "User a%%": "a%",
	} {
		if r := mustResolve(t, config+"\n", "h"); r.User != want {
			t.Errorf("%s: %q, want %q", config, r.User, want)
		}
	}
}

func TestIncludeExpands(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("h.conf", "Port 7\n")
	write("config", "Include "+dir+"/%n.conf\n")
	f, err := Load(filepath.Join(dir, "config"), hermeticEnv("/home/me"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Resolve(t.Context(), Query{Host: "h"})
	if err != nil || r.Port != 7 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestHosts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config", "Host a \"b c\" *.x !d\nInclude "+dir+"/inc*\nHost a e # f\n")
	write("inc1", "Host g\n")
	f, err := Load(filepath.Join(dir, "config"), hermeticEnv("/home/me"))
	if err != nil {
		t.Fatal(err)
	}
	want := []HostBlock{
		{Name: "a", File: filepath.Join(dir, "config"), Line: 1}, {Name: "b c", File: filepath.Join(dir, "config"), Line: 1},
		{Name: "g", File: filepath.Join(dir, "inc1"), Line: 1}, {Name: "e", File: filepath.Join(dir, "config"), Line: 3},
	}
	if diff := cmp.Diff(want, f.Hosts()); diff != "" {
		t.Error(diff)
	}
}

func TestLoadSaysWhatItCannotOpen(t *testing.T) {
	_, err := Load("/nonexistent/config", hermeticEnv("/home/me"))
	want := "Can't open user config file /nonexistent/config: No such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(home, ".ssh", "config")
	if err := os.WriteFile(name, []byte("Port 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o620); err != nil {
		t.Fatal(err)
	}
	_, err = Load("", hermeticEnv(home))
	if want := "Bad owner or permissions on " + name; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// One Files serves many at once, and a line once checked is not forgotten.
func TestFilesAreShared(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config": "Host a\nPort 1\nInclude " + dir + "/inc\nHost b\nPort 2\nSyslogFacility LOCAL1\n",
		"inc":    "Host a b\nUser inc\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Load(filepath.Join(dir, "config"), hermeticEnv("/home/me"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			host, port, user := "a", 1, "inc"
			if i%2 == 1 {
				host, port, user = "b", 2, "me"
			}
			for range 20 {
				r, err := f.Resolve(context.Background(), Query{Host: host})
				if err != nil || r.Port != port || r.User != user || r.Log.SyslogFacility != "LOCAL1" {
					t.Errorf("%s: %v %+v", host, err, r)
					return
				}
			}
		})
	}
	wg.Wait()
}
