package hop

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/route"
	"sallyport/internal/sshtest"
)

// dialTraced dials with a trace and changes nothing.
func dialTraced(t *testing.T, h route.Hop, ask Asker) ([]Event, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var mu sync.Mutex
	var events []Event
	c, err := Dial(ctx, Config{Hop: h, Asker: ask, ReadOnly: true, Trace: func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
	}})
	if c != nil {
		c.Close()
		c.Wait()
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(events), err
}

func steps(events []Event) string {
	var names []string
	for _, e := range events {
		names = append(names, string(e.What))
	}
	return strings.Join(names, ", ")
}

func TestTrace(t *testing.T) {
	sshtest.LeakCheck(t)
	s := newServer(t, &ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if string(password) != "right" {
			return nil, errors.New("no")
		}
		return nil, nil
	}})
	h := testHop(t, s.addr)
	h.Options.HostKey.StrictHostKeyChecking = "accept-new"
	events, err := dialTraced(t, h, answers("wrong", "right"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "resolving, resolved, connecting, connected, identified, key checked, key accepted, exchanged, " +
		"offered, trying, offered, trying, authenticated"
	if got := steps(events); got != want {
		t.Errorf("steps are\n%s, want\n%s", got, want)
	}
	for i, e := range events {
		if i > 0 && e.At.Before(events[i-1].At) {
			t.Errorf("%s comes before %s", e.What, events[i-1].What)
		}
		switch e.What {
		case KeyChecked:
			if k := e.HostKey; k.Status != hostkey.Unknown || k.Fingerprint != hostkey.Fingerprint(s.key.PublicKey(), "sha256") || !strings.HasPrefix(k.Line, "ssh-ed25519 AAAA") {
				t.Errorf("key checked: %+v", k)
			}
		case Exchanged:
			if e.Algorithms.KeyExchange == "" || e.Algorithms.CipherOut == "" || e.Algorithms.HostKey != "ssh-ed25519" {
				t.Errorf("exchanged: %+v", e.Algorithms)
			}
		case Identified:
			if !strings.HasPrefix(e.Version, "SSH-2.0-") {
				t.Errorf("identified as %q", e.Version)
			}
		case Authenticated:
			if e.Method != "password" {
				t.Errorf("authenticated by %q", e.Method)
			}
		}
	}
	if _, err := os.Stat(h.Options.HostKey.UserFiles[0]); !os.IsNotExist(err) {
		t.Errorf("known_hosts: %v, want that a dial that changes nothing does not write it", err)
	}
}

func TestTraceOfFailures(t *testing.T) {
	sshtest.LeakCheck(t)
	refused, silent := sshtest.RefusedPort(t), sshtest.SilentPeer(t).Addr
	for _, test := range []struct{ addr, want string }{
		{refused, "resolving, resolved, connecting, connected"},
		{silent, "resolving, resolved, connecting, connected"},
	} {
		h := testHop(t, addrOf(t, test.addr))
		h.Options.Connect.Timeout = time.Second
		events, err := dialTraced(t, h, nil)
		if err == nil {
			t.Fatal("no error")
		}
		if got := steps(events); got != test.want {
			t.Errorf("steps are %s, want %s", got, test.want)
		}
		last := events[len(events)-1]
		if (last.Err != nil) != (test.addr == refused) || last.Addr != net.JoinHostPort(h.Options.HostName, strings.Split(test.addr, ":")[1]) {
			t.Errorf("last: %+v", last)
		}
	}
}
