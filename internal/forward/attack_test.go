package forward

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshconfig"
)

// evilChannel is one that a server opens; it notes its refusal and does not
// let go of it before release is closed, as a server that does not read.
type evilChannel struct {
	port    uint32
	release chan struct{}
	refused func(ssh.RejectionReason)
}

func (c *evilChannel) Accept() (ssh.Channel, <-chan *ssh.Request, error) { panic("accepted") }
func (c *evilChannel) ChannelType() string                               { return forwardedTCP }

func (c *evilChannel) ExtraData() []byte {
	return ssh.Marshal(&tcpOpen{Host: "127.0.0.1", Port: c.port, Originator: "1.2.3.4", OriginPort: 1})
}

func (c *evilChannel) Reject(why ssh.RejectionReason, _ string) error {
	c.refused(why)
	if why != ssh.ResourceShortage {
		<-c.release
	}
	return nil
}

// TestEvilServerOpensUnknownForwards without reading our refusals.
func TestEvilServerOpensUnknownForwards(t *testing.T) {
	in := NewIncoming(&fakeServer{})
	release := make(chan struct{})
	var mu sync.Mutex
	refused := map[ssh.RejectionReason]int{}
	c := &evilChannel{port: 9, release: release, refused: func(why ssh.RejectionReason) {
		mu.Lock()
		defer mu.Unlock()
		refused[why]++
	}}
	for range 10 * maxUndecided {
		in.Handle(c)
	}
	mu.Lock()
	if n := refused[ssh.ResourceShortage]; n != 9*maxUndecided {
		t.Errorf("%d channels were refused at once", n)
	}
	mu.Unlock()
	close(release)
	in.Close()
	if n := refused[ssh.Prohibited]; n != maxUndecided {
		t.Errorf("%d channels were looked at", n)
	}
}

// TestGroupIsBounded, and takes more when there is room again.
func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	g := newGroup()
	g.max = 2
	stop, ended := make(chan struct{}), make(chan struct{})
	for i, want := range []bool{true, true, false, false} {
		if got := g.run(func() { <-stop; ended <- struct{}{} }); got != want {
			t.Errorf("run %d: %v", i, got)
		}
	}
	close(stop)
	<-ended
	await(t, "room for another one", func() bool { return g.run(func() {}) })
	<-ended
	g.close()
}

// TestEvilServersWordsAreBounded in errors.
func TestEvilServersWordsAreBounded(t *testing.T) {
	t.Parallel()
	err := &OpenError{Target: "h:1", Err: &ssh.OpenChannelError{Reason: ssh.Prohibited, Message: "\x1b[2J\n" + strings.Repeat("x", 1<<18)}}
	if text := err.Error(); len(text) > 1000 || strings.ContainsAny(text, "\x1b\n") {
		t.Errorf("%d bytes: %.100q", len(text), text)
	}
}

// TestMalloryPlantsAFile where a Unix socket is to be made: nothing but a
// socket is removed, and a link is not followed.
func TestMalloryPlantsAFile(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	victim := filepath.Join(t.TempDir(), "victim")
	l, err := net.Listen("unix", victim)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	got, err := ListenLocal(t.Context(), nil, sshconfig.ForwardSpec{ListenPath: path, ConnectHost: "h", ConnectPort: 1}, Options{})
	if err == nil {
		got.Close()
		t.Error("a link was replaced")
	}
	c, err := net.Dial("unix", victim)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
