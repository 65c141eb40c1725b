package main_test

import (
	"os"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// formKeys are what the keys send.
const (
	keyRight = "\x1b[C"
	keyDown  = "\x1b[B"
	keySave  = "\x13"
	keyDraw  = "\x0c"
)

// wantScreen waits until the screen shows a text: it is drawn anew now and then,
// since a screen sends only what has changed.
func wantScreen(t *testing.T, c *sshtest.Console, text string) {
	t.Helper()
	if !poll(soon, func() bool {
		from := len(c.Output())
		c.Send(keyDraw)
		return poll(soon/40, func() bool { return strings.Contains(c.Output()[from:], text) })
	}) {
		t.Fatalf("no %q on the screen:\n%s", text, c.Transcript())
	}
}

// TestAddForm fills in the form: the jump server from the list, where hosts
// that are reached through this one are missing, and the route as it will be.
func TestAddForm(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host bastion\n  HostName 203.0.113.1\nHost gate\n  ProxyJump bastion\nHost behind\n  ProxyJump web1\nHost web1.lab\n  ProxyJump gate\n")
	c := u.tty("add", "web1")
	wantScreen(t, c, "it needs an address")
	c.Send("10.0.0.5\t22x\t")
	wantScreen(t, c, `"22x" is no port`)
	c.Send("\x1b[A\x7f22\t")
	wantScreen(t, c, "2222")
	c.Send("alice\t" + keyRight)
	wantScreen(t, c, "bastion → gate → web1")
	if at := strings.LastIndex(c.Output(), "Jump server"); strings.Contains(c.Output()[at:], "behind") {
		t.Errorf("a host that would loop is offered: %s", c.Transcript())
	}
	c.Send("gate" + "\r")
	wantScreen(t, c, "route: bastion → gate → web1")
	c.Send("\t\t\t8080:localhost:80\t\t\tprod web")
	wantScreen(t, c, "prod web")
	c.Send(keySave)
	c.Expect("web1: added to "+u.hosts()+" (bastion → gate → web1)", soon)
	if code := c.Wait(soon); code != 0 {
		t.Errorf("exit code %d", code)
	}
	want := "Host web1\n    HostName 10.0.0.5\n    User alice\n    Port 2222\n    ProxyJump gate\n    LocalForward 8080 localhost:80\n    Tags prod web\n"
	if got := readFile(t, u.hosts()); !strings.HasSuffix(got, want) {
		t.Errorf("%s", got)
	}
}

// TestEditForm changes one field of a block, and leaves without saving.
func TestEditForm(t *testing.T) {
	t.Parallel()
	text := "# mine\nHost a\n\tPort 22 # x\n\tUser bob\n\nHost *\n\tForwardAgent no\n"
	u := newConfigured(t, text)
	c := u.tty("edit", "a")
	wantScreen(t, c, "bob")
	c.Send(keyDown + "\x7f3")
	wantScreen(t, c, "23")
	c.Send("\x1b")
	c.Expect("saving?", soon)
	c.Send("\x1b")
	c.Expect("nothing was changed", soon)
	if code := c.Wait(soon); code != 1 || readFile(t, u.config) != text {
		t.Errorf("exit code %d\n%s", code, readFile(t, u.config))
	}

	c = u.tty("edit", "a")
	wantScreen(t, c, "bob")
	c.Send(keyDown + "\x7f3")
	wantScreen(t, c, "23")
	if err := os.WriteFile(u.config, []byte(strings.Replace(text, "bob", "eve", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Send(keySave)
	c.Expect("changed meanwhile", soon)
	if code := c.Wait(soon); code != 1 || !strings.Contains(readFile(t, u.config), "eve") {
		t.Errorf("exit code %d\n%s", code, readFile(t, u.config))
	}
	writeFile(t, u.config, text)

	c = u.tty("edit", "a")
	wantScreen(t, c, "bob")
	c.Send(keyDown + "\x7f3" + keySave)
	c.Expect("a: changed in", soon)
	if code := c.Wait(soon); code != 0 || readFile(t, u.config) != strings.Replace(text, "22", "23", 1) {
		t.Errorf("exit code %d\n%s", code, readFile(t, u.config))
	}
}

// TestEditFormLeavesRest changes one field of a block whose other values cannot be
// told from lists by what the form shows of them.
func TestEditFormLeavesRest(t *testing.T) {
	t.Parallel()
	text := "IgnoreUnknown Tags\nHost a\n\tIdentityFile \"~/.ssh/key, old\"\n\tTags \"two words\" one\n\tLocalForward /tmp/a,b localhost:80\n\tUser bob\n"
	u := newConfigured(t, text)
	c := u.tty("edit", "a")
	wantScreen(t, c, "bob")
	c.Send(keyDown + keyDown + "\x7fx" + keySave)
	c.Expect("a: changed in", soon)
	if code := c.Wait(soon); code != 0 || readFile(t, u.config) != strings.Replace(text, "bob", "box", 1) {
		t.Errorf("exit code %d\n%s", code, readFile(t, u.config))
	}
}
