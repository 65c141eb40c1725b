package forward

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

const patience = 30 * time.Second

// server is a login on a real sshd.
type server struct {
	*sshtest.Host
	client   *ssh.Client
	incoming *Incoming
}

// login starts an sshd and logs in; everything ends with the test.
func login(t testing.TB, extra ...string) *server {
	t.Helper()
	chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "host", ExtraConfig: extra})
	h := chain.Host("host")
	pem, err := os.ReadFile(h.IdentityFile())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", h.Addr, &ssh.ClientConfig{
		User:            h.User(),
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(h.HostKey()),
		Timeout:         patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Host: h, client: client, incoming: NewIncoming(client)}
	routed := make(chan struct{}, 2)
	for _, kind := range ChannelTypes() {
		channels := client.HandleChannelOpen(kind)
		go func() {
			for nc := range channels {
				s.incoming.Handle(nc)
			}
			routed <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		client.Close()
		s.incoming.Close()
		for range ChannelTypes() {
			<-routed
		}
	})
	return s
}

// listenPeer runs serve for each connection to a new listener.
func listenPeer(t testing.TB, network, address string, serve func(Stream)) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c.(Stream))
			}()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln
}

// digest reads to the end and only then answers: the sum of what it got and
// the same number of bytes again. It works only where half-closes pass.
func digest(c Stream) {
	var got bytes.Buffer
	if _, err := io.Copy(&got, c); err != nil {
		return
	}
	sum := sha256.Sum256(got.Bytes())
	c.Write(append(sum[:], got.Bytes()...))
}

// talkToDigest sends data, half-closes, and checks digest's answer.
func talkToDigest(t testing.TB, c Stream, data []byte) {
	t.Helper()
	defer c.Close()
	if _, err := c.Write(data); err != nil {
		t.Errorf("send: %v", err)
		return
	}
	if err := c.CloseWrite(); err != nil {
		t.Errorf("half-close: %v", err)
	}
	got, err := io.ReadAll(c)
	sum := sha256.Sum256(data)
	if want := append(sum[:], data...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("answer of %d bytes, want %d; %v", len(got), len(want), err)
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	var seed [32]byte
	seed[0] = byte(n)
	rand.NewChaCha8(seed).Read(b)
	return b
}

func dialPeer(t testing.TB, address string) Stream {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	return c.(Stream)
}

// to is a specification that leads to address.
func to(address string) sshconfig.ForwardSpec {
	if strings.HasPrefix(address, "/") {
		return sshconfig.ForwardSpec{ConnectPath: address}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	return sshconfig.ForwardSpec{ConnectHost: host, ConnectPort: n}
}

// socketPath is a free path, short enough for a socket.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fwd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// listenLocal starts a forward that ends with the test.
func listenLocal(t testing.TB, o Opener, spec sshconfig.ForwardSpec, opts Options) *Listener {
	t.Helper()
	l, err := ListenLocal(t.Context(), o, spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// await polls until ok, as what is awaited has no event to wait for.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
