package inventory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/inventory"
	"sallyport/internal/route"
)

func read(t testing.TB, format, text string) map[string]inventory.Foreign {
	t.Helper()
	hosts, _, err := inventory.Read(strings.NewReader(text), "file", format)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]inventory.Foreign{}
	for _, h := range hosts {
		out[h.Name] = h
	}
	return out
}

// inYAML and inINI say the same.
const inINI = `
# by hand
gate ansible_host=10.0.0.2 ansible_ssh_common_args='-o ProxyJump=bastion'
bastion:2222 ansible_user=alice ansible_host=203.0.113.1 ansible_become_pass=x

[web]
web[01:03] ansible_port=2200
[web:vars]
ansible_user = "deploy"
ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q alice@bastion" -o StrictHostKeyChecking=no -o ServerAliveInterval=9 -C'

[db]
db1 ansible_host=10.0.1.1 ansible_ssh_private_key_file="~/my keys/db" # why
odd ansible_ssh_common_args='-o ProxyCommand="nc -X 5 -x proxy:1080 %h %p"'
tmpl ansible_ssh_common_args='-J {{ bastion }}'
here ansible_connection=local
[prod:children]
web
db
[prod:vars]
ansible_user=root
`

const inYAML = `---
all:
  hosts:
    gate: {ansible_host: 10.0.0.2, ansible_ssh_common_args: "-o ProxyJump=bastion"}
    bastion: {ansible_user: alice, ansible_host: 203.0.113.1, ansible_port: 2222, ansible_become_pass: !vault "x"}
  children:
    prod:
      vars: {ansible_user: root}
      children:
        web:
          hosts:
            web[01:03]: {ansible_port: 2200}
          vars:
            ansible_user: deploy
            ansible_ssh_common_args: >-
              -o ProxyCommand="ssh -W %h:%p -q alice@bastion" -o StrictHostKeyChecking=no
              -o ServerAliveInterval=9 -C
        db:
          hosts:
            db1:
              ansible_host: 10.0.1.1
              ansible_ssh_private_key_file: ~/my keys/db
            odd: {ansible_ssh_common_args: '-o ProxyCommand="nc -X 5 -x proxy:1080 %h %p"'}
            tmpl: {ansible_ssh_common_args: '-J {{ bastion }}'}
            here: {ansible_connection: local}
`

func TestReadAnsible(t *testing.T) {
	for format, text := range map[string]string{"ansible-ini": inINI, "ansible-yaml": inYAML} {
		hosts := read(t, format, text)
		web := hosts["web02"]
		if web.Entry.Port != 2200 || web.Entry.User != "deploy" || !slices.Equal(web.Entry.Jump, []string{"alice@bastion"}) ||
			!slices.Equal(web.Entry.Tags, []string{"prod", "web"}) || len(web.Settings) != 1 || web.Settings[0].Values[0] != "9" ||
			!slices.Equal(web.Notes, []string{"StrictHostKeyChecking was left out", "the flag -C of ssh was left out"}) {
			t.Errorf("%s: %+v", format, web)
		}
		bastion := hosts["bastion"]
		if bastion.Entry.Port != 2222 || bastion.Entry.HostName != "203.0.113.1" || len(bastion.Notes) != 1 {
			t.Errorf("%s: %+v", format, bastion)
		}
		if db := hosts["db1"]; db.Entry.User != "root" || !slices.Equal(db.Entry.Identities, []string{"~/my keys/db"}) || db.Entry.Jump != nil {
			t.Errorf("%s: %+v", format, db)
		}
		if odd := hosts["odd"]; len(odd.Settings) != 1 || odd.Settings[0].Values[0] != "nc -X 5 -x proxy:1080 %h %p" {
			t.Errorf("%s: %+v", format, odd)
		}
		if hosts["tmpl"].Err == nil || hosts["here"].Err == nil || len(hosts) != 9 {
			t.Errorf("%s: %+v", format, hosts)
		}
	}
}

func TestReadCSV(t *testing.T) {
	hosts := read(t, "", "Groups,Label,Tags,Hostname/IP,Protocol,Port,Username,Password\nProd/EU,My Web,a,10.0.0.1,ssh,22,alice,hunter2\n,,,10.0.0.2,telnet,,,\n")
	web := hosts["My-Web"]
	if web.Entry.HostName != "10.0.0.1" || web.Entry.User != "alice" || !slices.Equal(web.Entry.Tags, []string{"a", "Prod", "EU"}) || len(web.Notes) != 1 || strings.Contains(web.Notes[0], "hunter2") {
		t.Errorf("%+v", web)
	}
	if hosts["10.0.0.2"].Err == nil {
		t.Error("telnet")
	}
	semicolons := read(t, "csv", "\ufeffname;host;jump;identities\nx;10.0.0.3;a, b;\"k1;k2\"\n")["x"]
	if !slices.Equal(semicolons.Entry.Jump, []string{"a", "b"}) || len(semicolons.Entry.Identities) != 2 {
		t.Errorf("%+v", semicolons)
	}
}

func TestReadKnownHosts(t *testing.T) {
	hosts := read(t, "known_hosts", "10.0.0.1,web1,web1.lab ssh-ed25519 AAAA\n[gate.lab]:2222 ssh-rsa AAAA # x\n|1|a|b ssh-rsa AAAA\n@cert-authority *.lab ssh-rsa AAAA\nweb1 ssh-rsa AAAA\n*.x ssh-rsa AAAA\n")
	if len(hosts) != 2 || hosts["web1"].Entry.HostName != "web1" || hosts["gate.lab"].Entry.Port != 2222 {
		t.Errorf("%+v", hosts)
	}
}

func TestGuess(t *testing.T) {
	for text, want := range map[string]string{
		inINI: "ansible-ini", inYAML: "ansible-yaml", "all:\n  hosts:\n": "ansible-yaml", "web1 ssh-ed25519 AAAA\n": "known_hosts",
		"[web]\na\n": "ansible-ini", "name,host,port\n": "csv", "name,host\nweb1,10.0.0.1\n": "csv", "\"Label\"\t\"IP\"\n": "csv",
		"host ansible_host=1.2.3.4\n": "ansible-ini", "host\nname\n": "ansible-ini", "name,ip ssh-ed25519 AAAA\n": "known_hosts", "a\nb\n": "ansible-ini",
	} {
		if got := inventory.Guess("hosts", text); got != want {
			t.Errorf("%.30q is %s, want %s", text, got, want)
		}
	}
}

// TestImport: hosts whose way is not known stay out, with those behind them.
func TestImport(t *testing.T) {
	h := newHome(t, "Host old\n  HostName 192.0.2.1\nHost bastion\n  HostName 203.0.113.1\n")
	text := `
old ansible_host=1.2.3.4
a ansible_ssh_common_args='-J bastion'
byip ansible_ssh_common_args='-J alice@203.0.113.1:22'
lost ansible_ssh_common_args='-J nosuch'
behind ansible_ssh_common_args='-J lost'
further ansible_ssh_common_args='-J behind,a'
loop1 ansible_ssh_common_args='-J loop2'
loop2 ansible_ssh_common_args='-J loop1'
afterloop ansible_ssh_common_args='-J loop1'
bad! ansible_user=x
badport ansible_user="a;b"
badaddress ansible_host=10.0.0.1:2222
tmpl ansible_ssh_common_args='-J {{ x }}'
`
	foreign, _, err := inventory.Read(strings.NewReader(text), "hosts", "ansible-ini")
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []inventory.Outcome
	if _, err := h.update(func(v *inventory.Inventory) (*inventory.Change, error) {
		c, out, err := v.Import(t.Context(), foreign, inventory.Options{})
		outcomes = out
		return c, err
	}); err != nil {
		t.Fatal(err)
	}
	var loop *route.LoopError
	in := map[string]bool{}
	for _, o := range outcomes {
		in[o.Name] = o.Err == nil
		switch o.Name {
		case "badaddress":
			if o.Err == nil {
				t.Errorf("%+v", o)
			}
		case "old":
			if !errors.Is(o.Err, inventory.ErrExists) {
				t.Errorf("%+v", o)
			}
		case "lost", "behind", "further":
			if !errors.Is(o.Err, inventory.ErrNoJump) {
				t.Errorf("%+v", o)
			}
		case "loop1", "loop2", "afterloop":
			if !errors.As(o.Err, &loop) {
				t.Errorf("%+v", o)
			}
		}
	}
	v := h.load()
	for _, name := range []string{"a", "byip"} {
		if host, ok := v.Host(t.Context(), name); !in[name] || !ok || host.Via() != "bastion" {
			t.Errorf("%s: %+v", name, host)
		}
	}
	for name, ok := range in {
		if ok != v.Has(name) && name != "old" {
			t.Errorf("%s: in %v, there %v", name, ok, v.Has(name))
		}
	}
	if hosts := h.read(inventory.HostsFile); strings.Contains(hosts, "lost") || strings.Contains(hosts, "loop") {
		t.Errorf("%s", hosts)
	}
	if _, err := h.update(func(v *inventory.Inventory) (*inventory.Change, error) {
		c, _, err := v.Import(t.Context(), foreign, inventory.Options{})
		return c, err
	}); err != nil {
		t.Errorf("again: %v", err)
	}
}

// FuzzRead looks for panics, and for hosts that would not be what they say.
func FuzzRead(f *testing.F) {
	for _, text := range []string{inINI, inYAML, "Label,Hostname/IP\na b,10.0.0.1\n", "a,b ssh-rsa AAAA\n", "a[1:2:3]b[x:z]\n", "a: &a\n  children:\n    b: *a\n"} {
		for i := range inventory.Formats {
			f.Add(text, i)
		}
	}
	f.Fuzz(func(t *testing.T, text string, format int) {
		if len(text) > 2048 || strings.Contains(text, "[") && strings.Contains(text, "00") {
			return // ranges of a hundred thousand hosts
		}
		hosts, _, err := inventory.Read(strings.NewReader(text), "file", inventory.Formats[max(format, -format, 0)%len(inventory.Formats)])
		if err != nil {
			return
		}
		for _, h := range hosts {
			if h.Err == nil && inventory.ValidName(h.Name) == nil && strings.ContainsAny(h.Name, " \n\t*?!,") {
				t.Errorf("%q", h.Name)
			}
		}
	})
}

// TestExportImport: what is exported is the same inventory elsewhere.
func TestExportImport(t *testing.T) {
	config := "Host bastion\n  HostName 203.0.113.1\n  User alice\n  Port 2222\n" +
		"Host gate\n  HostName 10.0.0.2\n  User bob\n  ProxyJump bastion\n" +
		"Host web1 web2\n  HostName %h.lab\n  User deploy\n  ProxyJump gate\n  Tags web prod\n  IdentityFile \"~/my keys/id\"\n" +
		"Host odd\n  HostName odd.lab\n  User x\n  ProxyCommand nc -x \"a b\" %h %p\n" +
		"Host lost\n  ProxyJump lost2\nHost lost2\n  ProxyJump lost\n"
	for _, format := range []string{"ansible-ini", "ansible-yaml", "csv"} {
		from := newHome(t, config)
		var text strings.Builder
		left, err := from.load().Export(t.Context(), &text, format, func(inventory.Host) bool { return true })
		want := []string{"lost", "lost2"}
		if format == "csv" { // has no column for a ProxyCommand
			want = []string{"odd", "lost", "lost2"}
		}
		if err != nil || !slices.Equal(left, want) {
			t.Fatal(left, err)
		}
		foreign, _, err := inventory.Read(strings.NewReader(text.String()), "", "")
		if err != nil {
			t.Fatalf("%s: %v\n%s", format, err, text.String())
		}
		to := newHome(t, "")
		var outcomes []inventory.Outcome
		if _, err := to.update(func(v *inventory.Inventory) (*inventory.Change, error) {
			c, out, err := v.Import(t.Context(), foreign, inventory.Options{})
			outcomes = out
			return c, err
		}); err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Err != nil {
				t.Errorf("%s: %+v", format, o)
			}
		}
		theirs := map[string]inventory.Host{}
		for _, h := range to.load().Hosts(t.Context()) {
			theirs[h.Name] = h
		}
		for _, h := range from.load().Hosts(t.Context()) {
			got := theirs[h.Name]
			slices.Sort(h.Tags)
			slices.Sort(got.Tags)
			if h.Err != nil || (format == "csv" && h.Command != "") {
				continue
			}
			if got.HostName != h.HostName || got.Port != h.Port || got.User != h.User || !slices.Equal(got.Jumps, h.Jumps) || !slices.Equal(got.Tags, h.Tags) || (got.Command == "") != (h.Command == "") {
				t.Errorf("%s: %+v\nwant %+v\n%s", format, got, h, text.String())
			}
		}
	}
}
