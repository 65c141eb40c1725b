package cli

import (
	"os"
	"testing"

	"sallyport/internal/route"
	"sallyport/internal/sshargs"
	"sallyport/internal/sshconfig"
)

// TestQoS: bulk is for a connection of one session without a terminal only.
func TestQoS(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, test := range []struct {
		name    string
		private bool
		session sshconfig.Session
		stdio   *sshconfig.ForwardSpec
		want    int
	}{
		{"a command", true, sshconfig.Session{SessionType: "default", RequestTTY: "auto"}, nil, 8},
		{"with -tt", true, sshconfig.Session{SessionType: "default", RequestTTY: "force"}, nil, 16},
		{"-N", true, sshconfig.Session{SessionType: "none", RequestTTY: "no"}, nil, 16},
		{"-W", true, sshconfig.Session{SessionType: "default", RequestTTY: "no"}, &sshconfig.ForwardSpec{}, 16},
		{"shared", false, sshconfig.Session{SessionType: "default", RequestTTY: "auto"}, nil, 16},
	} {
		options := sshconfig.Options{Session: test.session, Connect: sshconfig.Connect{IPQoSInteractive: 16, IPQoSBulk: 8}}
		c := &sshCommand{
			App: &App{Stdin: null}, private: test.private, options: options,
			inv:   &sshargs.Invocation{Command: []string{"true"}, StdioForward: test.stdio},
			route: route.Route{Hops: []route.Hop{{Options: options}}},
		}
		c.settleQoS()
		if got := c.route.Hops[0].Options.Connect.IPQoSInteractive; got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}
