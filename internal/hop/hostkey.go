package hop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// HostKeyError says why a hop's host key was not accepted.
type HostKeyError struct {
	Name        string // the name it was looked up under
	Status      hostkey.Status
	Type        string         // of the key the server showed
	Fingerprint string         // of that key
	Known       []hostkey.Line // what is recorded, with file and line
	Reason      string         // in addition
}

func (e *HostKeyError) Error() string {
	shown := e.Type + " " + e.Fingerprint
	switch e.Status {
	case hostkey.Changed:
		return fmt.Sprintf("the key has changed: %s shows %s, but %s", e.Name, shown, describe(e.Known))
	case hostkey.Revoked:
		return fmt.Sprintf("the key is revoked: %s shows %s; %s", e.Name, shown, e.Reason)
	}
	if e.Reason != "" {
		return fmt.Sprintf("%s shows %s: %s", e.Name, shown, e.Reason)
	}
	return fmt.Sprintf("no key is known for %s, which shows %s", e.Name, shown)
}

// describe names where the known keys are recorded.
func describe(lines []hostkey.Line) string {
	parts := make([]string, len(lines))
	for i, l := range lines {
		parts[i] = fmt.Sprintf("%s:%d has %s %s", l.File, l.Number, l.Type, l.Fingerprint)
	}
	return strings.Join(parts, ", ")
}

// keyChecker decides about one hop's host key and remembers the verdict,
// since the library flattens errors of its callback.
type keyChecker struct {
	ctx   context.Context
	hop   route.Hop
	store *hostkey.Store
	host  hostkey.Host
	ask   Asker
	err   error         // why it was not accepted
	key   ssh.PublicKey // the accepted key
}

// newStore translates the options for package hostkey.
func newStore(o sshconfig.HostKey, command knownHostsCommand) *hostkey.Store {
	return hostkey.New(hostkey.Config{
		UserFiles: o.UserFiles, GlobalFiles: o.GlobalFiles,
		RevokedFile:           o.RevokedHostKeys,
		Command:               command,
		Hash:                  o.HashKnownHosts,
		CASignatureAlgorithms: o.CASignatureAlgorithms,
		RequiredRSASize:       o.RequiredRSASize,
	})
}

// lookupHost is the name under which h's key is filed. The address is checked
// too (CheckHostIP) only for hops that are connected to directly.
func lookupHost(h route.Hop, remote net.Addr) hostkey.Host {
	host := hostkey.Host{Name: strings.ToLower(h.KnownAs()), Port: h.Options.Port}
	if h.Options.HostKey.Alias != "" {
		host.Port = 0
		return host
	}
	if tcp, ok := remote.(*net.TCPAddr); ok && h.Options.HostKey.CheckHostIP {
		host.Addr = tcp.IP.String()
	}
	return host
}

// check is the ssh.HostKeyCallback.
func (c *keyChecker) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	c.err = c.decide(remote, key)
	if c.err == nil {
		c.key = key
	}
	return c.err
}

func (c *keyChecker) decide(remote net.Addr, key ssh.PublicKey) error {
	o := c.hop.Options.HostKey
	if c.key != nil { // a later key exchange of the same connection
		if bytes.Equal(c.key.Marshal(), key.Marshal()) {
			return nil
		}
		return errors.New("the server changed its host key within the connection")
	}
	if tcp, ok := remote.(*net.TCPAddr); ok && o.NoHostAuthenticationForLocalhost && tcp.IP.IsLoopback() {
		return nil
	}
	verdict, err := c.store.Check(c.ctx, c.host, key)
	if err != nil {
		return err
	}
	failure := &HostKeyError{
		Name: c.host.Name, Status: verdict.Status, Type: key.Type(),
		Fingerprint: hostkey.Fingerprint(key, o.FingerprintHash),
		Known:       verdict.Matches, Reason: verdict.Reason,
	}
	switch verdict.Status {
	case hostkey.Known:
		if o.VisualHostKey {
			c.ask.Tell(Notice{c.hop.Name, NoticeInfo, "Host key fingerprint is " + failure.Fingerprint + "\n" + hostkey.RandomArt(key, o.FingerprintHash)})
		}
		return nil
	case hostkey.Unknown:
		return c.meet(key, failure)
	}
	return failure
}

// meet handles a key of a host that is not known yet.
func (c *keyChecker) meet(key ssh.PublicKey, failure *HostKeyError) error {
	switch c.hop.Options.HostKey.StrictHostKeyChecking {
	case "yes":
		failure.Reason = "StrictHostKeyChecking is yes and no key is known for it"
		return failure
	case "ask":
		if err := c.askPerson(key, failure); err != nil {
			return err
		}
	}
	return c.remember(key)
}

// remember files the key. A file that cannot be written is told about and
// does not stop the connection, as in ssh(1).
func (c *keyChecker) remember(key ssh.PublicKey) error {
	if len(c.hop.Options.HostKey.UserFiles) == 0 {
		return nil
	}
	file, err := c.store.Add(c.host, key)
	if err != nil {
		c.ask.Tell(Notice{c.hop.Name, NoticeWarning, fmt.Sprintf("the host key of %s was not recorded: %v", c.host.Name, err)})
		return nil
	}
	c.ask.Tell(Notice{c.hop.Name, NoticeWarning, fmt.Sprintf("permanently added %s (%s) to %s", c.host.Name, key.Type(), file)})
	return nil
}

// askPerson asks whether the key is the right one: yes, no, or the
// fingerprint typed or pasted from somewhere trusted.
func (c *keyChecker) askPerson(key ssh.PublicKey, failure *HostKeyError) error {
	o := c.hop.Options.HostKey
	intro := fmt.Sprintf("The authenticity of host %s can't be established.\n%s key fingerprint is %s.\n",
		c.hop, keyTypeName(key.Type()), failure.Fingerprint)
	if o.VisualHostKey {
		intro += hostkey.RandomArt(key, o.FingerprintHash) + "\n"
	}
	text := "Are you sure you want to continue connecting to " + c.hop.Name + " (yes/no/[fingerprint])? "
	for {
		answer, err := c.ask.Ask(c.ctx, Question{Hop: c.hop.Name, Kind: KindHostKey, Intro: intro, Text: text, Echo: true})
		if err != nil {
			failure.Reason = "no key is known for it and nobody confirmed this one: " + err.Error()
			return failure
		}
		switch answer = strings.TrimSpace(answer); {
		case strings.EqualFold(answer, "yes"), answer == failure.Fingerprint:
			return nil
		case strings.EqualFold(answer, "no"):
			failure.Reason = "its key was not accepted"
			return failure
		}
		intro, text = "", "Please type 'yes', 'no' or the fingerprint: "
	}
}

// keyTypeName is how people call a key type: "ED25519", "RSA", "ECDSA".
func keyTypeName(format string) string {
	format = strings.TrimSuffix(format, "-cert-v01@openssh.com")
	format = strings.TrimSuffix(format, "@openssh.com")
	sk := strings.HasPrefix(format, "sk-")
	format = strings.TrimPrefix(strings.TrimPrefix(format, "sk-"), "ssh-")
	if strings.HasPrefix(format, "ecdsa-") {
		format = "ecdsa"
	}
	if sk {
		format += "-SK"
	}
	return strings.ToUpper(format)
}
