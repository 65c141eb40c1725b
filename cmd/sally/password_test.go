package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// askingPasswords has a password on one hop, and a password and a code on the
// other.
func askingPasswords(t testing.TB) *sshtest.Chain {
	t.Helper()
	return sshtest.NewChain(t,
		sshtest.HostConfig{Name: "jump", Auth: sshtest.Password},
		sshtest.HostConfig{Name: "target", Auth: sshtest.KeyboardInteractive})
}

// TestPasswordCommands answers every prompt of a chain without a person, and
// keeps the answers out of everything that can be seen.
func TestPasswordCommands(t *testing.T) {
	t.Parallel()
	c := askingPasswords(t)
	u := newUser(t, c)
	dir := t.TempDir()
	secretOf := func(name, text string) string {
		file := filepath.Join(dir, name)
		writeFile(t, file, text+"\nsecond line\n")
		return "cat '" + file + "'"
	}
	code := c.Host("target").Code()
	writeFile(t, u.config, readFile(t, u.config)+"\nHost jump\n  PasswordCommand "+secretOf("jump", c.Host("jump").Account.Password)+
		"\nHost target\n  PasswordCommand "+secretOf("%n", "wrong")+"\n  OTPCommand "+secretOf("code", code)+"\n")
	writeFile(t, filepath.Join(dir, "target"), c.Host("target").Account.Password+"\n")
	if out := u.must("target", "echo through"); out != "through\n" {
		t.Errorf("%q", out)
	}
	wantOneLogin(t, c, "jump", "target")
	wantNowhere(t, u, c, []string{c.Host("jump").Account.Password, c.Host("target").Account.Password}, "")

	// Once only: what is not accepted is told, and then a person is asked.
	u.must("down", "--all")
	writeFile(t, filepath.Join(dir, "jump"), "wrong\n")
	r := u.sally("target", "true")
	if r.code != 255 || !strings.Contains(r.err, "sally: jump did not accept the password that was stored or made for it\n") || !strings.Contains(r.err, "nobody to ask") {
		t.Errorf("a wrong password: %+v", r)
	}
	writeFile(t, u.config, strings.Replace(readFile(t, u.config), "PasswordCommand cat", "PasswordCommand exit 3; cat", 1))
	r = u.sally("target", "true")
	if r.code != 255 || !strings.Contains(r.err, "sally: jump: PasswordCommand: exit status 3\n") {
		t.Errorf("a command that fails: %+v", r)
	}
}

// TestStoredPasswords keeps the passwords in encrypted files.
func TestStoredPasswords(t *testing.T) {
	t.Parallel()
	c := askingPasswords(t)
	u := newUser(t, c)
	jump, target := c.Host("jump"), c.Host("target")
	con := u.tty("password", "set", "jump")
	for _, answer := range []struct{ prompt, text string }{
		{"Password of " + jump.User() + "@jump: ", jump.Account.Password}, {"again: ", jump.Account.Password},
		{"Passphrase for stored passwords: ", "open sesame"}, {"again: ", "open sesame"},
	} {
		con.Expect(answer.prompt, soon)
		con.Send(answer.text + "\r")
	}
	con.Expect("jump: stored in the encrypted file, for "+jump.User()+"@", 3*soon) // scrypt takes its time
	if code := con.Wait(soon); code != 0 {
		t.Errorf("exit code %d\n%s", code, con.Transcript())
	}
	set := u.cmd("password", "set", "target") // no passphrase is needed to add one
	set.Stdin = strings.NewReader(target.Account.Password + "\n")
	if r := u.run(set); r.code != 0 {
		t.Errorf("from a pipe: %+v", r)
	}
	var listed struct {
		Passwords []struct{ Account, Where string }
	}
	if err := json.Unmarshal([]byte(u.must("password", "ls", "--json")), &listed); err != nil || len(listed.Passwords) != 2 || listed.Passwords[0].Where != "file" {
		t.Errorf("%+v, %v", listed, err)
	}

	con = u.tty("target", "echo thr''ough")
	con.Expect("Passphrase of stored passwords: ", soon)
	con.Send("wrong\r")
	con.Expect("That was not it.", soon)
	con.Send("open sesame\r") // once for both
	con.Expect("One-time password", soon)
	con.Send(target.Code() + "\r")
	con.Expect("through", soon)
	con.Wait(soon)
	wantNowhere(t, u, c, []string{jump.Account.Password, target.Account.Password, "open sesame"}, con.Output())

	u.must("password", "rm", "jump")
	for _, p := range listed.Passwords {
		if strings.HasPrefix(p.Account, target.User()+"@") {
			u.must("password", "rm", p.Account)
		}
	}
	if r := u.sally("password", "rm", "jump"); r.code != 1 || !strings.Contains(r.err, "jump: no password is stored for "+jump.User()+"@") {
		t.Errorf("removed twice: %+v", r)
	}
	if out := u.must("password", "ls", "--json"); out != "{\n  \"passwords\": []\n}\n" {
		t.Errorf("%q", out)
	}
	for _, args := range [][]string{{"password"}, {"password", "get", "jump"}, {"password", "set"}, {"password", "set", "a", "b"}} {
		if r := u.sally(args...); r.code != 2 {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

// TestKeychain keeps a password in a real Secret Service, on a bus of the
// test's own.
func TestKeychain(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "dbus-run-session", "gnome-keyring-daemon")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", Auth: sshtest.Password})
	u := newUser(t, c)
	home := t.TempDir()
	run := u.cmd()
	run.Path, run.Args = "/bin/sh", []string{"sh", "-c", `exec dbus-run-session -- sh -c '
		printf unlock | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
		echo "$WORD" | "$0" -F "$1" password set jump && "$0" -F "$1" password ls && "$0" -F "$1" jump "echo through"
		"$0" -F "$1" password rm jump; "$0" -F "$1" password ls
		kill $(cat "$HOME/keyring.pid" 2>/dev/null) 2>/dev/null; exit 0' "$@"`, "sh", program, u.config}
	run.Env = append(run.Env, "HOME="+home, "WORD="+c.Host("jump").Account.Password)
	r := u.run(run)
	if r.code != 0 || !strings.Contains(r.out, "jump: stored in the keychain, for ") || !strings.Contains(r.out, "  keychain  ") || !strings.HasSuffix(r.out, "through\njump: forgotten\n") {
		t.Errorf("%+v", r)
	}
}
