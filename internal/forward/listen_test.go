package forward

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

// nowhere is an Opener that must not be used.
type nowhere struct{ Opener }

func TestListenAddresses(t *testing.T) {
	for _, c := range []struct {
		host string
		opts Options
		want []string
	}{
		{"", Options{}, []string{"127.0.0.1", "::1"}},
		{"localhost", Options{}, []string{"127.0.0.1", "::1"}},
		{"localhost", Options{GatewayPorts: true}, []string{"127.0.0.1", "::1"}},
		{"", Options{GatewayPorts: true}, []string{"0.0.0.0", "::"}},
		{"*", Options{}, []string{"0.0.0.0", "::"}},
		{"127.0.0.1", Options{GatewayPorts: true}, []string{"127.0.0.1"}},
		{"127.0.0.7", Options{}, []string{"127.0.0.7"}},
		{"[::1]", Options{}, []string{"::1"}},
		{"::1", Options{}, []string{"::1"}},
		{"", Options{AddressFamily: "inet"}, []string{"127.0.0.1"}},
		{"", Options{AddressFamily: "inet6"}, []string{"::1"}},
		{"*", Options{AddressFamily: "inet"}, []string{"0.0.0.0"}},
	} {
		l := listenLocal(t, nowhere{}, sshconfig.ForwardSpec{ListenHost: c.host}, c.opts)
		var hosts, ports []string
		for _, addr := range l.State().Listen {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			hosts = append(hosts, host)
			ports = append(ports, port)
		}
		if !slices.Equal(hosts, c.want) {
			t.Errorf("%q %+v: %v, want %v", c.host, c.opts, hosts, c.want)
		}
		if ports = slices.Compact(ports); len(ports) != 1 || ports[0] != fmt.Sprint(l.Port()) {
			t.Errorf("%q: ports %v, Port() %d", c.host, ports, l.Port())
		}
	}
}

// TestListenTaken holds a port on one family only: going on with the other
// would send half the users elsewhere.
func TestListenTaken(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		holder, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer holder.Close()
		spec := sshconfig.ForwardSpec{ListenPort: holder.Addr().(*net.TCPAddr).Port, ConnectHost: "h", ConnectPort: 1}
		_, err = ListenLocal(t.Context(), nowhere{}, spec, Options{})
		var listen *ListenError
		if !errors.As(err, &listen) || !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: %v", addr, err)
		}
		if err != nil && !strings.Contains(err.Error(), holder.Addr().String()) {
			t.Errorf("%v does not name %v", err, holder.Addr())
		}
	}
}

func TestBadSpecs(t *testing.T) {
	long := "/tmp/" + strings.Repeat("x", 200)
	for _, c := range []struct {
		spec sshconfig.ForwardSpec
		want string
	}{
		{sshconfig.ForwardSpec{ListenPort: 65536}, "listen port 65536 is out of range"},
		{sshconfig.ForwardSpec{ListenPort: -2}, "listen port -2 is out of range"},
		{sshconfig.ForwardSpec{ConnectHost: "h", ConnectPort: 70000}, "connect port 70000 is out of range"},
		{sshconfig.ForwardSpec{ConnectHost: "h"}, "no port to connect to"},
		{sshconfig.ForwardSpec{ConnectHost: "h", ConnectPort: 1, ConnectPath: "/x"}, "both a host and a socket"},
		{sshconfig.ForwardSpec{ListenPath: long, ConnectHost: "h", ConnectPort: 1}, "socket path of 205 bytes"},
	} {
		_, err := ListenLocal(t.Context(), nowhere{}, c.spec, Options{})
		var spec *SpecError
		if !errors.As(err, &spec) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.spec, err)
		}
	}
	_, err := NewIncoming(nil).Listen(t.Context(), sshconfig.ForwardSpec{ConnectPath: long}, Options{})
	var spec *SpecError
	if !errors.As(err, &spec) {
		t.Errorf("remote: %v", err)
	}
	_, err = ListenLocal(t.Context(), nowhere{}, sshconfig.ForwardSpec{ListenHost: "no-such-name.invalid"}, Options{})
	var listen *ListenError
	if !errors.As(err, &listen) {
		t.Errorf("unknown listen host: %v", err)
	}
	_, err = ListenLocal(t.Context(), nowhere{}, sshconfig.ForwardSpec{ListenHost: "192.0.2.1"}, Options{})
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("foreign listen address: %v", err)
	}
}

func TestSocketMode(t *testing.T) {
	sshtest.LeakCheck(t)
	for _, c := range []struct {
		opts Options
		want fs.FileMode
	}{
		{Options{}, 0o600},
		{Options{SocketMode: 0o666}, 0o666},
		{Options{SocketMode: 0o777}, 0o777},
		{OptionsFrom(sshconfig.Forward{StreamLocalBindMask: 0o177}), 0o600},
		{OptionsFrom(sshconfig.Forward{StreamLocalBindMask: 0o117}), 0o660},
	} {
		path := socketPath(t)
		l := listenLocal(t, nowhere{}, sshconfig.ForwardSpec{ListenPath: path}, c.opts)
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != fs.ModeSocket|c.want {
			t.Errorf("%+v: %v, %v", c.opts, info.Mode(), err)
		}
		l.Close()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("socket is left: %v", err)
		}
	}
}

func TestSocketUnlink(t *testing.T) {
	sshtest.LeakCheck(t)
	path := socketPath(t)
	spec := sshconfig.ForwardSpec{ListenPath: path}
	first := listenLocal(t, nowhere{}, spec, Options{})
	if _, err := ListenLocal(t.Context(), nowhere{}, spec, Options{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener without unlink: %v", err)
	}
	second := listenLocal(t, nowhere{}, spec, Options{SocketUnlink: true})
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the first removed the second's socket: %v", err)
	}
	second.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenLocal(t.Context(), nowhere{}, spec, Options{SocketUnlink: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("file is %q, %v", text, err)
	}
}
