package identity

import (
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// Agent messages that x/crypto/ssh/agent has no call for.
// draft-miller-ssh-agent §6.1
const (
	agentSuccess          = 6
	agentAddIDConstrained = 25
	agentExtension        = 27
	maxAgentReply         = 256 << 10
)

// BindSession binds an agent connection to an SSH session, so that the agent
// can tell for which host it signs. It is the first request on a connection:
// the agent keeps the binding as long as that is open. An agent that does not
// know the extension, or does not believe the signature, gives
// ErrAgentRefused; the connection can still be used. OpenSSH's PROTOCOL.agent §1
func BindSession(conn io.ReadWriter, hostKey ssh.PublicKey, sessionID, signature []byte, forwarding bool) error {
	if hostKey == nil {
		return fmt.Errorf("bind agent to session: no host key")
	}
	req := append([]byte{agentExtension}, ssh.Marshal(struct {
		Name                          string
		HostKey, SessionID, Signature []byte
		Forwarding                    bool
	}{"session-bind@openssh.com", hostKey.Marshal(), sessionID, signature, forwarding})...)
	if err := agentRequest(conn, req); err != nil {
		return fmt.Errorf("bind agent to session: %w", err)
	}
	return nil
}

// agentRequest sends a request whose answer is success or failure.
func agentRequest(conn io.ReadWriter, req []byte) error {
	msg := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(req)), uint32(len(req)))
	msg = append(msg, req...)
	defer clear(msg)
	if _, err := conn.Write(msg); err != nil {
		return err
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxAgentReply {
		return fmt.Errorf("agent's reply has %d bytes", n)
	}
	reply := make([]byte, n)
	if _, err := io.ReadFull(conn, reply); err != nil {
		return err
	}
	if reply[0] != agentSuccess {
		return ErrAgentRefused
	}
	return nil
}
