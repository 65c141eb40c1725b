package hop

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"sallyport/internal/race"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

// hangingResolver never answers.
func hangingResolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
}

// file writes a known_hosts file with one line.
func file(t *testing.T, h route.Hop, name string, key ssh.PublicKey) {
	t.Helper()
	line := knownhosts.Line([]string{name}, key) + "\n"
	if err := os.WriteFile(h.Options.HostKey.UserFiles[0], []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A resolver that does not answer is bounded as connecting is, for the host's
// name and for BindAddress, and another address is tried meanwhile.
func TestHangingResolver(t *testing.T) {
	sshtest.LeakCheck(t)
	s := newServer(t, nil)
	h := s.hop(t)
	h.Options.HostKey.Alias = "somewhere.test"
	file(t, h, "somewhere.test", s.key.PublicKey())
	h.Options.HostName = "somewhere.test"
	h.Options.Connect.Timeout = 500 * time.Millisecond
	start := time.Now()
	_, err := Dial(t.Context(), Config{Hop: h, Resolver: hangingResolver()})
	wantStage(t, err, StageResolve, "no answer from the resolver for 500ms")
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}

	bound := s.hop(t)
	bound.Options.Connect.Timeout = 500 * time.Millisecond
	bound.Options.Connect.BindAddress = "here.test"
	_, err = Dial(t.Context(), Config{Hop: bound, Resolver: hangingResolver()})
	wantStage(t, err, StageConnect, "no answer from the resolver for 500ms")

	h.Options.Connect.Timeout = time.Minute
	h.Options.Connect.Alternates = []sshconfig.Address{{Host: s.addr.IP.String(), Port: s.addr.Port}}
	start = time.Now()
	conn, err := Dial(t.Context(), Config{Hop: h, Resolver: hangingResolver()})
	if took := time.Since(start); err != nil || took < race.HeadStart || took > 30*time.Second {
		t.Fatalf("by the other address: %v after %v", err, took)
	}
	conn.Close()
	conn.Wait()
}

// elsewhere is a connection that says it leads to a public address.
type elsewhere struct {
	net.Conn
	remote *net.TCPAddr
}

func (e elsewhere) RemoteAddr() net.Addr { return e.remote }

// With CheckHostIP the address of HostName is filed with the host's key, and
// compared. That of an AlternateAddress is neither: another host may be known
// by it, and it may be another host's tomorrow.
func TestAddressOfAnAlternateIsNotFiled(t *testing.T) {
	remote := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 22}
	for _, test := range []struct {
		alternate, taken bool // the address is another host's in known_hosts
		filed            bool
		fails            bool
	}{{false, false, true, false}, {true, false, false, false}, {false, true, false, true}, {true, true, false, false}} {
		s := newServer(t, nil)
		h := testHop(t, s.addr)
		h.Options.HostName, h.Options.Port = "somewhere.test", 22
		h.Options.HostKey.StrictHostKeyChecking, h.Options.HostKey.CheckHostIP = "ask", true
		known := h.Options.HostKey.UserFiles[0]
		if test.taken {
			file(t, h, remote.IP.String(), newSigner(t, 'x').PublicKey())
		}
		nc, err := net.Dial("tcp", s.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		a := attempt{dial: newDial(Config{Hop: h, Asker: answers("yes", "no")}), pace: alone{}, to: address{host: "x", alternate: test.alternate}, start: time.Now()}
		conn, stage, err := a.handshake(t.Context(), elsewhere{nc, remote}, 20*time.Second)
		if err == nil {
			conn.Close()
			conn.Wait()
		}
		if failed := err != nil; failed != test.fails || failed && stage != StageHostKey {
			t.Errorf("%+v: %v: %v", test, stage, err)
		}
		text, _ := os.ReadFile(known)
		if filed := strings.Contains(string(text), "somewhere.test,192.0.2.7 "); filed != test.filed || !strings.Contains(string(text), "somewhere.test") {
			t.Errorf("%+v: known_hosts is\n%s", test, text)
		}
	}
}
