package main_test

import (
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestCommandOnSilentPath: a connection that has fallen silent is left for a
// new one by the next command, long before keepalives give it up.
func TestCommandOnSilentPath(t *testing.T) {
	t.Parallel()
	for _, frozen := range []string{"target", "jump"} {
		t.Run(frozen, func(t *testing.T) {
			t.Parallel()
			c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
			u := newUser(t, c)
			u.must("target", "true")
			c.Host(frozen).Freeze()
			defer c.Host(frozen).Thaw()
			r := u.sally("target", "echo", "back")
			if r.code != 0 || r.out != "back\n" || r.took > 15*time.Second {
				t.Errorf("%+v", r)
			}
		})
	}
}
