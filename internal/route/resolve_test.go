package route_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// load reads an ssh_config.
func load(t *testing.T, config string) *sshconfig.Files {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := sshconfig.Load(path, sshconfig.Env{
		Home: "/home/u", LocalUser: "u", UID: 1000, LocalHost: "here",
		Getenv: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// resolve expands destination with overrides written as "Keyword value".
func resolve(files *sshconfig.Files, destination string, overrides ...string) (route.Route, error) {
	q := sshconfig.Query{Host: destination}
	for _, o := range overrides {
		keyword, value, _ := strings.Cut(o, " ")
		q.Overrides = append(q.Overrides, sshconfig.Override{Keyword: keyword, Value: value, From: "test"})
	}
	return route.Resolve(context.Background(), files, q)
}

// describe writes a route as "user@host:port" hops in order.
func describe(r route.Route) string {
	var parts []string
	for _, h := range r.Hops {
		parts = append(parts, h.Options.User+"@"+h.Addr())
	}
	return strings.Join(parts, " ")
}

func TestResolve(t *testing.T) {
	const config = `
Host a
  HostName 10.0.0.1
  User ua
Host b
  HostName 10.0.0.2
  Port 2222
  ProxyJump a
Host c
  ProxyJump b
Host list
  ProxyJump a,b
Host v6
  HostName fd00::7
  ProxyJump [fd00::1]:2200
Host withuser
  ProxyJump root@a:2201
Host uri
  ProxyJump ssh://bob%40corp@a:99
Host cmd
  ProxyJump none
  ProxyCommand nc %h %p
Host viacmd
  ProxyJump cmd
Host *
  User u
`
	files := load(t, config)
	for _, test := range []struct {
		name, destination string
		overrides         []string
		want              string
	}{
		{"direct", "a", nil, "ua@10.0.0.1:22"},
		{"nobody configured", "example.org", nil, "u@example.org:22"},
		{"one jump", "b", nil, "ua@10.0.0.1:22 u@10.0.0.2:2222"},
		{"a jump's own jump", "c", nil, "ua@10.0.0.1:22 u@10.0.0.2:2222 u@c:22"},
		{"a list shuts out the later ones' own jumps", "list", nil, "ua@10.0.0.1:22 u@10.0.0.2:2222 u@list:22"},
		{"the first of a list keeps its own jump", "x", []string{"ProxyJump c,a"},
			"ua@10.0.0.1:22 u@10.0.0.2:2222 u@c:22 ua@10.0.0.1:22 u@x:22"},
		{"IPv6", "v6", nil, "u@[fd00::1]:2200 u@[fd00::7]:22"},
		{"user and port in the jump win", "withuser", nil, "root@10.0.0.1:2201 u@withuser:22"},
		{"URI with an escaped user", "uri", nil, "bob@corp@10.0.0.1:99 u@uri:22"},
		{"overrides are the target's", "c", []string{"User x", "Port 7"}, "ua@10.0.0.1:22 u@10.0.0.2:2222 x@c:7"},
		{"-J none", "c", []string{"ProxyJump none"}, "u@c:22"},
		{"a ProxyCommand on the first hop", "viacmd", nil, "u@cmd:22 u@viacmd:22"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := resolve(files, test.destination, test.overrides...)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(r); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if r.Target().Name != test.destination {
				t.Errorf("target is %q", r.Target().Name)
			}
		})
	}
}

func TestLoops(t *testing.T) {
	files := load(t, `
Host one
  ProxyJump two
Host two
  ProxyJump u@three:99
Host three
  ProxyJump one
`)
	for destination, path := range map[string]string{
		"one":   "one → two → three → one",
		"entry": "",
	} {
		_, err := resolve(files, destination)
		var loop *route.LoopError
		switch {
		case path == "":
			if err != nil {
				t.Errorf("%s: %v", destination, err)
			}
		case !errors.As(err, &loop):
			t.Errorf("%s: error is %v, want a LoopError", destination, err)
		case !strings.EqualFold(strings.Join(loop.Path, " → "), path):
			t.Errorf("%s: path %v, want %s", destination, loop.Path, path)
		}
	}
	// Going through a host twice is odd, and no loop: the second time it is
	// reached directly from the one before.
	r, err := resolve(load(t, ""), "t", "ProxyJump a,b,a")
	if err != nil || len(r.Hops) != 4 {
		t.Errorf("a,b,a: %v, %v", r, err)
	}
	// Behind one address there are many hosts.
	r, err = resolve(load(t, ""), "10.0.0.1", "Port 22", "ProxyJump 10.0.0.1:2022,10.0.0.1:2023")
	if err != nil || len(r.Hops) != 3 {
		t.Errorf("three ports of one address: %v, %v", r, err)
	}
}

func TestMaxHops(t *testing.T) {
	chain := func(n int) *sshconfig.Files {
		var b strings.Builder
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "Host h%d\n  ProxyJump h%d\n", i, i-1)
		}
		return load(t, b.String())
	}
	r, err := resolve(chain(route.MaxHops), fmt.Sprintf("h%d", route.MaxHops-1))
	if err != nil || len(r.Hops) != route.MaxHops {
		t.Errorf("%d hops: %v", len(r.Hops), err)
	}
	if _, err = resolve(chain(route.MaxHops+1), fmt.Sprintf("h%d", route.MaxHops)); err == nil {
		t.Errorf("a route of %d hops was accepted", route.MaxHops+1)
	}
}

// fixed answers every query with the same ProxyJump, which sshconfig would
// have refused.
type fixed string

func (f fixed) Resolve(context.Context, sshconfig.Query) (*sshconfig.Resolved, error) {
	var r sshconfig.Resolved
	r.Proxy.Jump = string(f)
	return &r, nil
}

func TestBadJump(t *testing.T) {
	for _, jump := range []string{"@x", "x:0", "x:65536", "x:nosuchservice", "[::1", "a,,b"} {
		_, err := route.Resolve(context.Background(), fixed(jump), sshconfig.Query{Host: "t"})
		if !errors.Is(err, route.ErrBadJump) {
			t.Errorf("%q: error is %v", jump, err)
		}
	}
}

func TestKey(t *testing.T) {
	files := load(t, `
Host target
  ProxyJump jump
Host other
  HostName target
  ProxyJump jump
Host *
  User u
`)
	key := func(destination string, overrides ...string) route.Key {
		r, err := resolve(files, destination, overrides...)
		if err != nil {
			t.Fatal(err)
		}
		return r.Key()
	}
	base := key("target")
	for _, same := range [][]string{
		{"target", "ServerAliveInterval 7"}, {"target", "ConnectTimeout 3"}, {"target", "RequestTTY force"},
		{"target", "LocalForward 1 x:2"}, {"target", "ControlPersist 10"}, {"target", "VisualHostKey yes"},
		{"target", "LogLevel DEBUG"}, {"target", "SendEnv X"}, {"target", "BindAddress 127.0.0.9"},
		{"target", "NumberOfPasswordPrompts 1"}, {"target", "BatchMode yes"},
		{"other"}, // another name for the same thing
	} {
		if key(same[0], same[1:]...) != base {
			t.Errorf("%v: another key", same)
		}
	}
	for _, differs := range [][]string{
		{"target", "User root"}, {"target", "Port 23"}, {"target", "HostName elsewhere"},
		{"target", "HostKeyAlias z"}, {"target", "IdentityFile /k"}, {"target", "IdentitiesOnly yes"},
		{"target", "CertificateFile /c"}, {"target", "IdentityAgent /a"}, {"target", "Ciphers aes128-ctr"},
		{"target", "ProxyJump none"}, {"target", "ProxyJump jump2"}, {"target", "ProxyJump x@jump"},
		{"target", "StrictHostKeyChecking no"}, {"target", "UserKnownHostsFile /x"},
		{"target", "PreferredAuthentications password"}, {"target", "RekeyLimit 1M"},
	} {
		if key(differs[0], differs[1:]...) == base {
			t.Errorf("%v: the same key", differs)
		}
	}
	if key("jump", "BindAddress 127.0.0.9") == key("jump") {
		t.Error("BindAddress of the first hop does not count")
	}
	if key("jump", "ProxyCommand nc %h %p") == key("jump") {
		t.Error("ProxyCommand of the first hop does not count")
	}
}

func TestParent(t *testing.T) {
	files := load(t, "Host t1 t2\n  ProxyJump a,b\n")
	t1, err1 := resolve(files, "t1")
	t2, err2 := resolve(files, "t2")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	p1, _ := t1.Parent()
	p2, ok := t2.Parent()
	if !ok || p1.Key() != p2.Key() {
		t.Error("two targets behind the same jumps have different parents")
	}
	first, _ := p1.Parent()
	if alone, err := resolve(files, "a"); err != nil || first.Key() != alone.Key() {
		t.Errorf("the first jump is not the same as itself alone (%v)", err)
	}
	if _, ok := first.Parent(); ok {
		t.Error("a route of one hop has a parent")
	}
	if got := t1.String(); got != "a → b → t1" {
		t.Errorf("route is drawn %q", got)
	}
}
