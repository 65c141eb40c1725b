package identity

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/crypto/ssh"
)

// The conversation with ssh-sk-helper: one request on its standard input, one
// reply on its standard output, each u32 length, u8 version, u32 type, body.
// OpenSSH's ssh-sk.h, ssh-sk-client.c, ssherr.h
const (
	helperDefault = "/usr/lib/openssh/ssh-sk-helper"
	helperVersion = 5
	helperError   = 0
	helperSign    = 1
	helperLog     = 2 // error messages only

	maxHelperReply = 256 << 10
)

// helperErrors are the error numbers that a person can do something about.
var helperErrors = map[uint32]error{
	4:  ErrInvalidFormat,
	43: errPIN,
	59: errors.New("operation not supported by the security key"),
	60: errors.New("device not found"),
}

// helper is a program that talks to security keys through a provider.
type helper struct {
	path, provider string
}

// helperPath is the configured helper, or the one that the environment names,
// or where OpenSSH installs it.
func helperPath(configured string) string {
	if configured != "" {
		return configured
	}
	if env := os.Getenv("SSH_SK_HELPER"); env != "" {
		return env
	}
	for _, path := range []string{helperDefault, "/usr/libexec/openssh/ssh-sk-helper", "/usr/libexec/ssh-sk-helper"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return helperDefault
}

// sign has the security key sign data.
func (h helper) sign(ctx context.Context, key *securityKey, data, pin []byte) (*ssh.Signature, error) {
	req := ssh.Marshal(struct {
		Type        uint32
		LogOnStderr bool
		LogLevel    uint32
		Key         []byte
		Provider    string
		Data        []byte
		Algorithm   string
		Compat      uint32
		PIN         []byte
	}{helperSign, true, helperLog, key.fields, h.provider, data, "", 0, pin})
	defer clear(req)
	body, err := h.converse(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("security key: %w", err)
	}
	blob, rest, ok := cutString(body)
	var sig ssh.Signature
	if !ok || len(rest) > 0 || ssh.Unmarshal(blob, &sig) != nil {
		return nil, fmt.Errorf("security key: malformed signature from %s", h.path)
	}
	return &sig, nil
}

// converse runs the helper for one request. The helper is gone when it returns.
func (h helper) converse(ctx context.Context, req []byte) ([]byte, error) {
	msg := binary.BigEndian.AppendUint32(make([]byte, 0, len(req)+5), uint32(len(req)+1))
	msg = append(append(msg, helperVersion), req...)
	defer clear(msg)
	var complaint tail
	cmd := exec.CommandContext(ctx, h.path)
	cmd.Stdin = bytes.NewReader(msg)
	cmd.Stderr = &complaint
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	reply, readErr := readHelper(out)
	waitErr := cmd.Wait()
	if err := errors.Join(readErr, waitErr); err != nil {
		return nil, complaint.explain(fmt.Errorf("%s: %w", h.path, err))
	}
	return parseHelper(reply, &complaint)
}

// readHelper reads a reply, without its length.
func readHelper(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxHelperReply {
		return nil, fmt.Errorf("reply of %d bytes", n)
	}
	reply := make([]byte, n)
	_, err := io.ReadFull(r, reply)
	return reply, err
}

// parseHelper returns the body of a reply to a signature request.
func parseHelper(reply []byte, complaint *tail) ([]byte, error) {
	var m struct {
		Version byte
		Type    uint32
		Body    []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(reply, &m); err != nil {
		return nil, fmt.Errorf("malformed reply: %v", err)
	}
	switch {
	case m.Version != helperVersion:
		return nil, fmt.Errorf("helper speaks version %d, not %d", m.Version, helperVersion)
	case m.Type == helperSign:
		return m.Body, nil
	case m.Type != helperError || len(m.Body) < 4:
		return nil, fmt.Errorf("helper's reply has the type %d", m.Type)
	}
	n := binary.BigEndian.Uint32(m.Body)
	if err, ok := helperErrors[n]; ok {
		return nil, complaint.explain(err)
	}
	return nil, complaint.explain(fmt.Errorf("helper's error %d", n))
}

// tail keeps the end of what a program complains about.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const limit = 512
	t.text = append(t.text, p...)
	if over := len(t.text) - limit; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

// explain adds the last line of the complaint to an error.
func (t *tail) explain(err error) error {
	lines := bytes.Split(bytes.TrimSpace(t.text), []byte("\n"))
	if last := bytes.TrimSpace(lines[len(lines)-1]); len(last) > 0 {
		return fmt.Errorf("%w (%q)", err, last)
	}
	return err
}
