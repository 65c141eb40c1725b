package identity

import (
	"context"
	"fmt"
	"io"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentConn is one connection to an agent.
type agentConn struct {
	net.Conn
	client agent.ExtendedAgent
}

// dialAgent connects to the agent's socket.
func dialAgent(ctx context.Context, path string) (*agentConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return wrapAgent(conn), nil
}

func wrapAgent(conn net.Conn) *agentConn {
	// Without Close to be seen, the client runs no goroutine of its own.
	hidden := struct{ io.ReadWriter }{conn}
	return &agentConn{Conn: conn, client: agent.NewClient(hidden)}
}

// agentSigner signs with a key that the agent holds.
type agentSigner struct {
	conn *agentConn
	pub  ssh.PublicKey
}

// signWith has the agent sign data. algo is without a certificate's suffix.
func (a *agentSigner) signWith(data []byte, algo string) (*ssh.Signature, error) {
	var flags agent.SignatureFlags
	switch algo {
	case ssh.KeyAlgoRSASHA256:
		flags = agent.SignatureFlagRsaSha256
	case ssh.KeyAlgoRSASHA512:
		flags = agent.SignatureFlagRsaSha512
	}
	sig, err := a.conn.client.SignWithFlags(a.pub, data, flags)
	if err != nil {
		return nil, err
	}
	if sig.Format != algo {
		return nil, fmt.Errorf("agent signed with %q instead of %q", sig.Format, algo)
	}
	return sig, nil
}
