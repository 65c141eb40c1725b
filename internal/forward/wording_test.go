package forward

import (
	"net"
	"strconv"
	"testing"

	"sallyport/internal/sshconfig"
)

// TestListenErrorsSayItOnce: what, where to, and the system's reason.
func TestListenErrorsSayItOnce(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for want, spec := range map[string]sshconfig.ForwardSpec{
		"forward 127.0.0.1:" + strconv.Itoa(port) + " to x:1: address already in use":  {ListenPort: port, ConnectHost: "x", ConnectPort: 1},
		"forward 127.0.0.1:" + strconv.Itoa(port) + " (SOCKS): address already in use": {ListenHost: "127.0.0.1", ListenPort: port},
		"forward 192.0.2.1:7 to /run/db: cannot assign requested address":              {ListenHost: "192.0.2.1", ListenPort: 7, ConnectPath: "/run/db"},
		"forward /nonexistent/s to x:1: no such file or directory":                     {ListenPath: "/nonexistent/s", ConnectHost: "x", ConnectPort: 1},
		"forward 7 to x:70000: connect port 70000 is out of range":                     {ListenPort: 7, ConnectHost: "x", ConnectPort: 70000},
	} {
		_, err := ListenLocal(t.Context(), nil, spec, Options{})
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
