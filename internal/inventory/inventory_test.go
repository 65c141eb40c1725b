package inventory_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/inventory"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// home is a user's with a configuration.
type home struct {
	t   *testing.T
	dir string
}

func newHome(t *testing.T, config string) home {
	t.Helper()
	h := home{t, t.TempDir()}
	if err := os.Mkdir(filepath.Join(h.dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if config != "" {
		h.write("config", config)
	}
	return h
}

func (h home) file(name string) string { return filepath.Join(h.dir, ".ssh", name) }

func (h home) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h home) read(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(h.file(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h home) env() sshconfig.Env {
	return sshconfig.Env{Home: h.dir, LocalUser: "me", UID: os.Getuid(), LocalHost: "here", SystemFile: filepath.Join(h.dir, "none")}
}

func (h home) load() *inventory.Inventory {
	h.t.Helper()
	v, err := inventory.Load("", h.env())
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h home) update(plan func(*inventory.Inventory) (*inventory.Change, error)) (*inventory.Change, error) {
	return inventory.Update("", h.env(), plan)
}

func (h home) add(name string, e sshconfig.Entry) (*inventory.Change, error) {
	return h.update(func(v *inventory.Inventory) (*inventory.Change, error) {
		return v.Add(h.t.Context(), name, e, inventory.Options{})
	})
}

func (h home) edit(name string, f func(*sshconfig.Entry)) (*inventory.Change, error) {
	return h.update(func(v *inventory.Inventory) (*inventory.Change, error) {
		return v.Edit(h.t.Context(), name, f, inventory.Options{})
	})
}

func (h home) remove(name string) error {
	_, err := h.update(func(v *inventory.Inventory) (*inventory.Change, error) { return v.Remove(h.t.Context(), name) })
	return err
}

// sshG is what plain ssh makes of a host. ssh looks for relative names of
// Include in the account's own directory, so ours is made absolute for it.
func (h home) sshG(host string) string {
	h.t.Helper()
	text := strings.Replace(h.read("config"), "Include "+inventory.HostsFile, "Include "+h.file(inventory.HostsFile), 1)
	name := filepath.Join(h.t.TempDir(), "config")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	out, err := exec.Command("ssh", "-G", "-F", name, host).CombinedOutput()
	if err != nil {
		h.t.Fatalf("ssh -G %s: %v\n%s", host, err, out)
	}
	return string(out)
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	have := strings.Split(text, "\n")
	for _, l := range lines {
		if !slices.Contains(have, l) {
			t.Errorf("no line %q in\n%s", l, text)
		}
	}
}

func TestAddToNothing(t *testing.T) {
	h := home{t, t.TempDir()}
	full := sshconfig.Entry{
		HostName: "10.0.0.5", Port: 2222, User: "alice", Alternates: []string{"[::1]:23", "10.0.0.6"},
		Identities: []string{"~/.ssh/my key"}, Local: []string{"8080:localhost:80", "127.0.0.1:1:[::1]:2", "/tmp/a:/tmp/b"},
		Remote: []string{"9090:localhost:90", "9999"}, Dynamic: []string{"1080"}, Tags: []string{"prod", "web"},
	}
	if _, err := h.add("bastion", sshconfig.Entry{HostName: "203.0.113.1"}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(h.read(inventory.HostsFile), "\nIgnoreUnknown") {
		t.Error("IgnoreUnknown without need")
	}
	full.Jump = []string{"bastion"}
	c, err := h.add("web1", full)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
	if got := h.read("config"); got != "Include sally-hosts.conf\n" {
		t.Errorf("config: %q", got)
	}
	for name, mode := range map[string]os.FileMode{"": 0o700, "config": 0o600, inventory.HostsFile: 0o600} {
		if info, err := os.Stat(h.file(name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v %v", name, info.Mode(), err)
		}
	}
	wantLines(t, h.sshG("web1"), "hostname 10.0.0.5", "port 2222", "user alice", "proxyjump bastion",
		"identityfile ~/.ssh/my key", "localforward 8080 [localhost]:80", "localforward [127.0.0.1]:1 [::1]:2",
		"remoteforward 9090 [localhost]:90", "remoteforward 9999 [socks]:0", "dynamicforward 1080")
	v := h.load()
	e, err := v.Entry("web1")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := full.Changes(e)
	if err != nil || len(settings) > 0 {
		t.Errorf("read back: %v %v", settings, err)
	}
	host, ok := v.Host(t.Context(), "web1")
	if !ok || host.Err != nil || host.Via() != "bastion" || host.Port != 2222 || !slices.Equal(host.Tags, full.Tags) {
		t.Errorf("%+v", host)
	}
	if hosts := v.Hosts(t.Context()); len(hosts) != 2 || hosts[1].Via() != "bastion" {
		t.Errorf("%+v", hosts)
	}
}

// TestAddKeepsTheirs: the user's own lines stay, and stay in force.
func TestAddKeepsTheirs(t *testing.T) {
	config := "IgnoreUnknown UseKeychain\nUseKeychain yes\n\nHost a\n  User x\nHost *\n  User you\n"
	h := newHome(t, config)
	if _, err := h.add("web1", sshconfig.Entry{HostName: "10.0.0.5", Tags: []string{"prod"}}); err != nil {
		t.Fatal(err)
	}
	if got := h.read("config"); got != "Include sally-hosts.conf\n"+config {
		t.Errorf("config: %q", got)
	}
	wantLines(t, h.sshG("web1"), "hostname 10.0.0.5", "user you")
	wantLines(t, h.sshG("a"), "user x")
	if err := h.remove("web1"); err != nil {
		t.Fatal(err)
	}
	if got := h.read("config"); got != "Include sally-hosts.conf\n"+config {
		t.Errorf("config: %q", got)
	}
	wantLines(t, h.sshG("a"), "user x")
}

// TestAddBehindSetup: the line of "sally setup" stays the first.
func TestAddBehindSetup(t *testing.T) {
	h := newHome(t, "")
	h.write(inventory.SharingFile, "# nothing\n")
	first := "Include \"" + h.file(inventory.SharingFile) + "\"\n"
	h.write("config", first+"Host a\n")
	if _, err := h.add("web1", sshconfig.Entry{HostName: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := h.read("config"); got != first+"Include sally-hosts.conf\nHost a\n" {
		t.Errorf("config: %q", got)
	}
}

func TestAddWarnsOfShadows(t *testing.T) {
	h := newHome(t, "Host web*\n  User you\n  ProxyCommand nc %h %p\nInclude sally-hosts.conf\n")
	c, err := h.add("web1", sshconfig.Entry{HostName: "10.0.0.5", User: "me"})
	if err != nil {
		t.Fatal(err)
	}
	// The Include stands in the block, so it is not for every host.
	if len(c.Warnings) != 0 || !strings.HasPrefix(h.read("config"), "Include sally-hosts.conf\nHost web*\n") {
		t.Errorf("%q\n%s", c.Warnings, h.read("config"))
	}
	h = newHome(t, "User you\nProxyCommand nc %h %p\nInclude sally-hosts.conf\nHost b\n")
	c, err = h.add("web1", sshconfig.Entry{HostName: "10.0.0.5", User: "me", Jump: []string{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"User me has no effect on web1: " + h.file("config") + " line 1 comes first",
		"ProxyJump b has no effect on web1: " + h.file("config") + " line 2 comes first",
	}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("%q", c.Warnings)
	}
}

func TestAddRefuses(t *testing.T) {
	config := "Host a\n  ProxyJump web9\nHost *.example.com\nHost c\n"
	h := newHome(t, config)
	var loop *route.LoopError
	naming := func(what string) func(error) bool {
		return func(err error) bool { return err != nil && strings.Contains(err.Error(), strconv.Quote(what)) }
	}
	for _, test := range []struct {
		name string
		e    sshconfig.Entry
		want func(error) bool
	}{
		{"a", sshconfig.Entry{}, func(err error) bool { return errors.Is(err, inventory.ErrExists) }},
		{"web1", sshconfig.Entry{Jump: []string{"nosuch"}}, func(err error) bool { return errors.Is(err, inventory.ErrNoJump) }},
		{"web1", sshconfig.Entry{Jump: []string{"me@nosuch:22"}}, func(err error) bool { return errors.Is(err, inventory.ErrNoJump) }},
		{"web1", sshconfig.Entry{Jump: []string{"web1"}}, func(err error) bool { return errors.As(err, &loop) }},
		{"web9", sshconfig.Entry{Jump: []string{"a"}}, func(err error) bool { return errors.As(err, &loop) }},
		{"web1", sshconfig.Entry{Port: 70000}, func(err error) bool { return err != nil }},
		{"web1", sshconfig.Entry{User: "a\nProxyCommand evil"}, func(err error) bool { return err != nil }},
		{"web1", sshconfig.Entry{Local: []string{"80"}}, func(err error) bool { return err != nil }},
		{"web1", sshconfig.Entry{Alternates: []string{"a:b"}}, func(err error) bool { return err != nil }},
		{"web1", sshconfig.Entry{Tags: []string{"a,b"}}, func(err error) bool { return err != nil }},
		{"web1", sshconfig.Entry{HostName: "192.0.2.1:2222"}, naming("192.0.2.1:2222")},
		{"web1", sshconfig.Entry{HostName: "[2001:db8::1]"}, naming("[2001:db8::1]")},
		{"web1", sshconfig.Entry{HostName: "[2001:db8::1]:22"}, naming("[2001:db8::1]:22")},
		{"web1", sshconfig.Entry{HostName: "me@192.0.2.1"}, naming("me@192.0.2.1")},
		{"web1", sshconfig.Entry{HostName: "web 1"}, naming("web 1")},
		{"web*", sshconfig.Entry{}, func(err error) bool { return err != nil }},
		{"!web", sshconfig.Entry{}, func(err error) bool { return err != nil }},
		{"-web", sshconfig.Entry{}, func(err error) bool { return err != nil }},
		{"we b", sshconfig.Entry{}, naming("we b")},
		{"", sshconfig.Entry{}, func(err error) bool { return err != nil }},
	} {
		if _, err := h.add(test.name, test.e); !test.want(err) {
			t.Errorf("%s %+v: %v", test.name, test.e, err)
		}
	}
	if h.read("config") != config || h.read(inventory.HostsFile) != "" {
		t.Error("something was written")
	}
	if _, err := h.add("web1", sshconfig.Entry{Jump: []string{"me@gate.example.com:2222", "c"}}); err != nil {
		t.Errorf("a jump host that a pattern knows: %v", err)
	}
	for name, address := range map[string]string{"v6": "2001:db8::1", "link": "fe80::1%%eth0", "token": "%h.example.org"} {
		if _, err := h.add(name, sshconfig.Entry{HostName: address}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := h.edit("v6", func(e *sshconfig.Entry) { e.HostName = "192.0.2.1:22" }); err == nil {
		t.Error("an address with a port was taken by edit")
	}
}

func TestRefusesWhatDoesNotParse(t *testing.T) {
	config := "Host a\n  Nonsense yes\n"
	h := newHome(t, config)
	_, err := h.add("web1", sshconfig.Entry{})
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("add: %v", err)
	}
	if _, err := h.edit("a", func(e *sshconfig.Entry) { e.Port = 1 }); err == nil {
		t.Error("edit")
	}
	if err := h.remove("a"); err == nil {
		t.Error("rm")
	}
	if h.read("config") != config || h.read(inventory.HostsFile) != "" {
		t.Error("something was written")
	}
}

func TestRemoveNamesDependents(t *testing.T) {
	h := newHome(t, "Host b\n  ProxyJump none\nHost web1\n  ProxyJump x@b:22\nHost *.lab\n  ProxyCommand ssh -q -W %h:%p b\nMatch user z\n  AlternateProxyJump a,b none\n")
	config := h.read("config")
	var used *inventory.InUseError
	if err := h.remove("b"); !errors.As(err, &used) || len(used.By) != 3 || used.By[0].Who != "web1" || used.By[1].Who != "*.lab" || used.By[2].Who != "Match user z" {
		t.Fatalf("%v", err)
	}
	if h.read("config") != config {
		t.Error("something was written")
	}
	if err := h.remove("web1"); err != nil {
		t.Error(err)
	}
	if err := h.remove("web1"); !errors.Is(err, inventory.ErrUnknown) {
		t.Error(err)
	}
}

// TestRemoveNamesSome: the jump host of many names ten of them.
func TestRemoveNamesSome(t *testing.T) {
	h := newHome(t, "Host b\n"+strings.Repeat("Host w\n  ProxyJump b\n", 300))
	if err := h.remove("b"); err == nil || strings.Count(err.Error(), "w (") != 10 || !strings.HasSuffix(err.Error(), " and 290 more") {
		t.Errorf("%v", err)
	}
}

// TestEditElsewhere: a block of the user's own file gains a keyword of ours.
func TestEditElsewhere(t *testing.T) {
	h := newHome(t, "Host a # x\n\tPort 22\nHost *\n\tUser me\n")
	before := h.sshG("b")
	if _, err := h.edit("a", func(e *sshconfig.Entry) { e.Port = 23; e.Tags = []string{"t"} }); err != nil {
		t.Fatal(err)
	}
	if got := h.read("config"); got != "Include sally-hosts.conf\nHost a # x\n\tPort 23\n\tTags t\nHost *\n\tUser me\n" {
		t.Errorf("%q", got)
	}
	wantLines(t, h.sshG("a"), "port 23", "user me")
	after := strings.Replace(h.sshG("b"), "ignoreunknown "+strings.Join(sshconfig.OwnKeywords(), ",")+"\n", "", 1)
	if after != before {
		t.Errorf("b changed:\n%s\n%s", before, after)
	}
}

// TestShieldIsRefusedWhereItCannotBe: an IgnoreUnknown of somebody else's comes
// first, and ssh looks at no other.
func TestShieldIsRefusedWhereItCannotBe(t *testing.T) {
	h := newHome(t, "IgnoreUnknown UseKeychain\nInclude sally-hosts.conf\n")
	_, err := h.add("web1", sshconfig.Entry{Tags: []string{"t"}})
	if err == nil || !strings.Contains(err.Error(), "first IgnoreUnknown") {
		t.Fatal(err)
	}
	if h.read(inventory.HostsFile) != "" {
		t.Error("something was written")
	}
	if _, err := h.add("web1", sshconfig.Entry{HostName: "x"}); err != nil {
		t.Error(err)
	}
}

// TestCanonicalNamesAreNotLookedUp: where ssh would refuse a name that the name
// server does not know, a listing and an edit do without it.
func TestCanonicalNamesAreNotLookedUp(t *testing.T) {
	h := newHome(t, "CanonicalizeHostname yes\nCanonicalizeFallbackLocal no\nCanonicalDomains lab\nHost a\n  ProxyJump b\nHost b\n")
	if hosts := h.load().Hosts(t.Context()); hosts[0].Err != nil || hosts[0].Via() != "b" {
		t.Errorf("%+v", hosts)
	}
	if _, err := h.add("web1", sshconfig.Entry{HostName: "10.0.0.5", Jump: []string{"a"}}); err != nil {
		t.Error(err)
	}
}
