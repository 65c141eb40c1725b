package daemon

import (
	"context"
	"fmt"
	"net"

	"sallyport/internal/mux"
)

// Dial connects to the daemon of dir. It refuses an unsafe directory and a
// daemon that is somebody else's.
func (d Dir) Dial(ctx context.Context) (*net.UnixConn, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", d.Socket())
	if err != nil {
		return nil, err
	}
	unix := conn.(*net.UnixConn)
	peer, err := mux.PeerOf(unix)
	if err == nil && !peer.Trusted() {
		err = fmt.Errorf("the daemon at %s runs as user %d", d.Socket(), peer.UID)
	}
	if err != nil {
		unix.Close()
		return nil, err
	}
	return unix, nil
}
