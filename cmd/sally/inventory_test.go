package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// newConfigured makes a user with a configuration of that text, "" for none.
func newConfigured(t *testing.T, text string) *user {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if text != "" {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return newUserWith(t, file)
}

// hosts is the file beside the configuration that add writes.
func (u *user) hosts() string { return filepath.Join(filepath.Dir(u.config), "sally-hosts.conf") }

// sshG is what stock ssh makes of a host.
func (u *user) sshG(host string) string {
	u.t.Helper()
	out, err := exec.Command("ssh", "-G", "-F", u.config, host).CombinedOutput()
	if err != nil {
		u.t.Fatalf("ssh -G: %v\n%s", err, out)
	}
	return string(out)
}

// TestInventory goes through the verbs, with stock ssh as a witness.
func TestInventory(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "")
	where := u.hosts()
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"add", "bastion", "--host", "203.0.113.1", "--user", "alice"}, "bastion: added to " + where + " (bastion)\n"},
		{[]string{"add", "gate", "--host", "10.0.0.2", "--jump", "bastion"}, "gate: added to " + where + " (bastion → gate)\n"},
		{[]string{"add", "web1", "--host", "web1.lab", "-l", "bob", "--port", "2222", "--jump", "gate", "--tag", "prod", "--tag", "web", "-L", "8080:localhost:80", "--alternate", "10.0.0.6:22", "-o", "ServerAliveInterval=7"},
			"web1: added to " + where + " (bastion → gate → web1)\n"},
		{[]string{"ls"}, "bastion (alice@203.0.113.1:22)\n└─ gate (me@10.0.0.2:22)\n   └─ web1 (bob@web1.lab:2222) [prod web]\n"},
		{[]string{"ls", "--tag", "web", "--tag", "prod"}, "bastion\n└─ gate\n   └─ web1 (bob@web1.lab:2222) [prod web]\n"},
		{[]string{"ls", "--tag", "nosuch"}, "no hosts\n"},
		{[]string{"edit", "web1", "--jump", "bastion", "--tag", ""}, "web1: changed in " + where + " (bastion → web1)\n"},
		{[]string{"edit", "web1", "--jump", "bastion"}, "web1: nothing to change\n"},
		{[]string{"rm", "web1", "gate"}, "web1: removed from " + where + "\ngate: removed from " + where + "\n"},
		{[]string{"ls"}, "bastion (alice@203.0.113.1:22)\n"},
	} {
		out := u.must(step.args...)
		if got := strings.ReplaceAll(out, localUser(t)+"@", "me@"); got != step.want {
			t.Errorf("%q: %q, want %q", step.args, got, step.want)
		}
		if strings.HasPrefix(out, "web1: added") {
			got := u.sshG("web1")
			for _, line := range []string{"hostname web1.lab", "user bob", "port 2222", "proxyjump gate", "localforward 8080 [localhost]:80", "serveraliveinterval 7"} {
				if !strings.Contains(got, "\n"+line+"\n") {
					t.Errorf("ssh does not see %q in\n%s", line, got)
				}
			}
		}
	}
	if got := u.sshG("web1"); strings.Contains(got, "bob") {
		t.Error("ssh still knows web1")
	}
}

// TestInventoryRefuses: what is wrong is named, and nothing is written.
func TestInventoryRefuses(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host bastion\nHost a b # two\n  ProxyJump bastion\n")
	for _, test := range []struct {
		code int
		args []string
		want string
	}{
		{2, []string{"add"}, "add needs a name and --host"},
		{2, []string{"add", "x"}, "add needs a name and --host"},
		{2, []string{"add", "x", "--host", "y", "--port", "66000"}, `"66000" is no port`},
		{1, []string{"add", "x", "--host", "y", "--jump", "nosuch"}, "nosuch: the jump host is not in the configuration\n  hint: sally add it first"},
		{1, []string{"add", "x", "--host", "y", "--jump", "x"}, "jump loop: x → x"},
		{1, []string{"add", "a", "--host", "y"}, "a is there already: " + u.config + " line 2\n  hint: sally edit changes it"},
		{1, []string{"add", "x*", "--host", "y"}, `"x*" cannot be a host's name`},
		{1, []string{"add", "x", "--host", "y", "-o", "Nonsense=1"}, "nothing was changed: nonsense: Bad configuration option: nonsense\n"},
		{1, []string{"add", "x", "--host", "y", "-o", "Port=a"}, "nothing was changed: port: Bad port 'a'.\n"},
		{1, []string{"edit", "bastion", "--jump", "a"}, "jump loop: bastion → a → bastion"},
		{1, []string{"edit", "nosuch", "--port", "1"}, "nosuch: no Host line names it"},
		{2, []string{"edit", "a", "-e", "--port", "1"}, "edit changes the block by flags or in the editor, not both"},
		{2, []string{"edit", "a"}, "edit needs a flag that says what to change"},
		{1, []string{"rm", "bastion"}, "bastion is the jump host of a b (" + u.config + " line 3)\n  hint: give them another way first"},
		{1, []string{"rm", "nosuch"}, "nosuch: no Host line names it"},
		{2, []string{"rm"}, "rm needs at least one host"},
	} {
		r := u.sally(test.args...)
		if r.code != test.code || !strings.Contains(r.err, test.want) || r.out != "" {
			t.Errorf("%q: %+v, want %q", test.args, r, test.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Dir(u.config) + "/*"); len(left) != 1 {
		t.Errorf("files: %q", left)
	}
	u.must("add", "x", "--host", "y", "--jump", "nosuch.example.com", "--force")
	out := u.must("edit", "a", "--port", "22", "-n")
	if want := u.config + ":\n  - Host a b # two\n  + Host a\n  +   ProxyJump bastion\n  +   Port 22\n  + Host b # two\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// TestInventoryEditor: the block in an editor.
func TestInventoryEditor(t *testing.T) {
	t.Parallel()
	text := "# mine\nHost a\n\tPort 22 # x\n\nHost *\n\tUser me\n"
	u := newConfigured(t, text)
	edit := func(editor string) result {
		c := u.cmd("edit", "a", "--editor")
		c.Env = append(c.Env, "VISUAL="+editor)
		return u.run(c)
	}
	if r := edit("true"); r.code != 0 || r.out != "a: nothing to change\n" {
		t.Errorf("%+v", r)
	}
	if r := edit("false"); r.code != 1 || !strings.Contains(r.err, "nothing was changed") {
		t.Errorf("%+v", r)
	}
	if r := edit("sed -i s/22/nonsense/"); r.code != 1 || !strings.Contains(r.err, "your text is kept in") {
		t.Errorf("%+v", r)
	} else if _, kept, _ := strings.Cut(strings.TrimSuffix(r.err, ")\n"), "is kept in "); true {
		if readFile(t, kept) != "Host a\n\tPort nonsense # x\n" {
			t.Errorf("kept %q", readFile(t, kept))
		}
		os.Remove(kept)
	}
	if r := edit("printf 'User x\n' >"); r.code != 1 || !strings.Contains(r.err, "must begin with a Host line") {
		t.Errorf("%+v", r)
	} else {
		_, kept, _ := strings.Cut(strings.TrimSuffix(r.err, ")\n"), "is kept in ")
		os.Remove(kept)
	}
	if got := readFile(t, u.config); got != text {
		t.Errorf("%q", got)
	}
	if r := edit("sed -i s/22/23/"); r.code != 0 || r.out != "a: changed in "+u.config+" (a)\n" {
		t.Errorf("%+v", r)
	}
	if got := readFile(t, u.config); got != strings.Replace(text, "22", "23", 1) {
		t.Errorf("%q", got)
	}
}

// TestShow: values with their places, and the route.
func TestShow(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host bastion\n  User gatekeeper\nHost web1\n  ProxyJump bastion\n  HostName 10.0.0.5\n  Tags prod\nHost *\n  User me\n  SendEnv A\n  SendEnv B\n")
	out := u.must("show", "web1", "-p", "23")
	for _, want := range []string{
		"bastion → web1\n", "  1. bastion: gatekeeper@bastion port 22\n", "  2. web1: me@10.0.0.5 port 23\n", "  tags: prod\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	var shown struct {
		Route  []struct{ Name, Hostname, User string }
		UsedBy []string `json:"used_by"`
		Values []struct {
			Keyword, Value string
			From           []struct {
				File, Flag string
				Line       int
			}
		}
	}
	if err := json.Unmarshal([]byte(u.must("show", "web1", "-p", "23", "--all", "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	var dumped strings.Builder
	places := map[string]int{}
	for _, v := range shown.Values {
		dumped.WriteString(v.Keyword + " " + v.Value + "\n")
		if len(v.From) > 0 {
			places[v.Keyword+" "+v.Value] = v.From[0].Line
			if v.Keyword == "port" && v.From[0].Flag != "-p" {
				t.Errorf("port from %+v", v.From)
			}
		}
	}
	for value, line := range map[string]int{"user me": 8, "hostname 10.0.0.5": 5, "sendenv A": 9, "sendenv B": 10, "tags prod": 6, "proxyjump bastion": 4} {
		if places[value] != line {
			t.Errorf("%s: line %d, want %d", value, places[value], line)
		}
	}
	if want := u.must("-G", "-p", "23", "web1"); !strings.EqualFold(dumped.String(), want) {
		t.Errorf("not what -G prints:\n%s\n%s", dumped.String(), want)
	}
	if len(shown.Route) != 2 || shown.Route[0].User != "gatekeeper" {
		t.Errorf("%+v", shown.Route)
	}
	shown.UsedBy = nil
	if err := json.Unmarshal([]byte(u.must("show", "bastion", "--json")), &shown); err != nil || !slices.Equal(shown.UsedBy, []string{"web1"}) {
		t.Errorf("used by %q %v", shown.UsedBy, err)
	}
}

// TestListLive: the tree says what is connected.
func TestListLive(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	u.must("target", "true")
	var hosts []struct {
		Name, State string
		Route       []string
	}
	if err := json.Unmarshal([]byte(u.must("ls", "--json")), &hosts); err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		if h.State != "up" {
			t.Errorf("%+v", h)
		}
	}
	if len(hosts) != 2 || !slices.Equal(hosts[1].Route, []string{"jump", "target"}) {
		t.Errorf("%+v", hosts)
	}
	if out := u.must("ls"); strings.Count(out, ", up\n") != 2 || !strings.Contains(out, "\n└─ target (") {
		t.Errorf("%q", out)
	}
	if r := u.sally("rm", "jump"); r.code != 1 || !strings.Contains(r.err, "jump is the jump host of target") {
		t.Errorf("%+v", r)
	}
}

// localUser is who runs the tests.
func localUser(t *testing.T) string {
	t.Helper()
	u, err := osuser.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// TestImportExport: from Ansible and back, and what has no known way stays out.
func TestImportExport(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host bastion\n  HostName 203.0.113.1\n  User alice\n")
	list := filepath.Join(t.TempDir(), "hosts.ini")
	writeFile(t, list, "[web]\nweb[1:2] ansible_user=bob ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p -q bastion\"'\nbastion\n")
	dry := u.must("import", "-n", list)
	if !strings.Contains(dry, "  + Host web2\n") || !strings.HasSuffix(dry, "2 added, 1 there already, 0 left out\n") {
		t.Errorf("%q", dry)
	}
	if _, err := os.Stat(u.hosts()); err == nil {
		t.Error("a dry run wrote something")
	}
	if out := u.must("import", "--tag", "lab", list); out != "web1: added (bastion → web1)\nweb2: added (bastion → web2)\n2 added, 1 there already, 0 left out\n" {
		t.Errorf("%q", out)
	}
	if got := u.sshG("web2"); !strings.Contains(got, "\nproxyjump bastion\n") || !strings.Contains(got, "\nuser bob\n") {
		t.Errorf("%s", got)
	}
	exported := u.must("export", "--format", "ansible-ini", "--tag", "lab", "web2")
	if exported != "web2 ansible_host=web2 ansible_port=22 ansible_user=bob ansible_ssh_common_args='-o ProxyJump=alice@203.0.113.1:22'\n\n[lab]\nweb2\n\n[web]\nweb2\n" {
		t.Errorf("%q", exported)
	}
	writeFile(t, list, "name,hostname,jump\nx,10.0.0.1,web1\ny,10.0.0.2,nosuch\n")
	r := u.sally("import", "--format", "csv", list)
	if r.code != 1 || !strings.Contains(r.err, "sally: y: left out: nosuch: the jump host is not in the configuration\n") || !strings.Contains(r.out, "x: added (bastion → web1 → x)\n1 added, 0 there already, 1 left out\n") {
		t.Errorf("%+v", r)
	}
	if r := u.sally("import", "/no/such"); r.code != 1 || !strings.Contains(r.err, "no such file") {
		t.Errorf("%+v", r)
	}
	if r := u.sally("export", "nosuch"); r.code != 1 {
		t.Errorf("%+v", r)
	}
}

// TestListOfBadConfig names the hosts of a configuration that ssh does not read,
// and the bad line once.
func TestListOfBadConfig(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a b\n  Nonsense yes\nHost c\n  HostName 192.0.2.1\n")
	want := "sally: " + u.config + ": line 2: Bad configuration option: nonsense\n" + u.config + ": terminating, 1 bad configuration options\n"
	if r := u.sally("ls"); r.code != 1 || r.out != "a\nb\nc\n" || r.err != want {
		t.Errorf("%+v", r)
	}
	if r := u.sally("ls", "--json"); r.code != 1 || strings.Count(r.out, `"error"`) != 3 || r.err != want {
		t.Errorf("%+v", r)
	}
	if r := u.sally("doctor"); r.code != 1 || !strings.Contains(r.out, "\nwhat applies to 3 hosts is not known: correct the errors, then ask again\n") {
		t.Errorf("%+v", r)
	}
}
