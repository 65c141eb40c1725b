package main_test

import (
	"strings"
	"testing"
)

// TestUpPinned: a pinned connection is made again however it is lost, without
// anybody asking for it, until it is taken down.
func TestUpPinned(t *testing.T) {
	t.Parallel()
	c, proxy := behindProxy(t)
	u := newUser(t, c)
	u.must("up", "--pin", "target")
	logins := func(want int) {
		t.Helper()
		await(t, "the target is up again", func() bool {
			m := u.master("target")
			return m != nil && m.State == "up" && c.Host("target").AcceptedLogins() == want
		})
	}
	logins(1)
	if m := u.master("target"); len(m.Held) != 1 || m.Held[0].What != "pinned" {
		t.Errorf("held by %+v", m.Held)
	}
	proxy.Reset()
	logins(2)
	c.Host("target").Kill()
	await(t, "status tells of it", func() bool {
		return strings.Contains(u.must("status"), "target, pinned: waiting")
	})
	c.Host("target").Restart()
	logins(3)
	u.must("down", "jump") // on purpose: it waits for somebody to ask
	if s := u.must("status"); !strings.Contains(s, "target, pinned: idle") {
		t.Errorf("status: %s", s)
	}
	u.must("target", "true")
	logins(4)
	proxy.Reset()
	logins(5)
	c.Host("jump").Kill()
	await(t, "the target is lost", func() bool { return u.master("target") == nil })
	if out := u.must("down", "target"); out != "target: closed\n" {
		t.Errorf("down while it is lost: %q", out)
	}
	if s := u.must("status"); strings.Contains(s, "pinned") {
		t.Errorf("status: %s", s)
	}
	c.Host("jump").Restart()
}
