package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/mux"
)

// Info is mux.Handler's: the texts of "ssh -O conninfo" and "-O channels".
func (m *master) Info(_ context.Context, _ mux.Peer, name string) (string, error) {
	if m.lease == nil {
		return "", errEnded
	}
	switch name {
	case "connection":
		return m.connectionInfo(), nil
	case "channels":
		return m.channelInfo(), nil
	}
	return "", fmt.Errorf("nothing is known about %q", name)
}

func (m *master) connectionInfo() string {
	var b strings.Builder
	target, info := m.route.Target(), m.lease.Conn().Info()
	in, out := m.lease.Conn().Bytes()
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-15s %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "connection to %s\n", target.Name)
	line("address", target.Addr())
	line("user", target.Options.User)
	line("route", m.route.String())
	line("since", m.lease.Since().Format(time.RFC3339))
	line("server version", info.ServerVersion)
	line("host key", info.HostKey)
	line("authentication", info.AuthMethod)
	line("key exchange", info.KeyExchange)
	line("cipher", info.Cipher)
	line("traffic", fmt.Sprintf("%d bytes in, %d bytes out", in, out))
	return b.String()
}

func (m *master) channelInfo() string {
	var b strings.Builder
	for _, s := range m.server.pool.Snapshot() {
		if s.Key != m.route.Key() {
			continue
		}
		for _, h := range s.Held {
			fmt.Fprintf(&b, "%s %s", h.Use, h.What)
			if h.PID > 0 {
				fmt.Fprintf(&b, " pid %d", h.PID)
			}
			fmt.Fprintf(&b, " for %s\n", time.Since(h.Since).Round(time.Second))
		}
	}
	if l := m.live(); l != nil {
		for _, f := range l.list() {
			fmt.Fprintf(&b, "forward %s\n", f)
		}
	}
	if b.Len() == 0 {
		return "no channels are open\n"
	}
	return b.String()
}
