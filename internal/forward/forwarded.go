package forward

import (
	"fmt"
	"net"
	"strconv"

	"golang.org/x/crypto/ssh"
)

// forwardedKey says which listener a channel belongs to.
type forwardedKey struct {
	host string
	port int
	path string
	peer string
}

func parseForwarded(nc ssh.NewChannel) (key forwardedKey, err error) {
	switch nc.ChannelType() {
	case forwardedTCP:
		var m tcpOpen
		err = ssh.Unmarshal(nc.ExtraData(), &m)
		if err == nil && m.Port > 65535 {
			err = fmt.Errorf("port %d", m.Port)
		}
		peer := net.JoinHostPort(m.Originator, strconv.FormatUint(uint64(m.OriginPort), 10))
		return forwardedKey{host: m.Host, port: int(m.Port), peer: peer}, err
	case forwardedUnix:
		var m forwardedUnixOpen
		err = ssh.Unmarshal(nc.ExtraData(), &m)
		return forwardedKey{path: m.Path}, err
	}
	return key, fmt.Errorf("channel type %q", nc.ChannelType())
}
