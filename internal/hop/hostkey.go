package hop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
		text := fmt.Sprintf("the key has changed: %s shows %s, but %s", e.Name, shown, describe(e.Known))
		if e.Reason != "" {
			text += "; " + e.Reason
		}
		return text
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
// since the library flattens errors of its callback. What is accepted under
// which StrictHostKeyChecking follows sshconnect.c: check_host_key.
type keyChecker struct {
	ctx   context.Context
	hop   route.Hop
	store *hostkey.Store
	host  hostkey.Host
	ask   Asker
	log   *slog.Logger

	alternate bool // it is met at an AlternateAddress
	readOnly  bool // nothing is recorded
	consents  *Consents

	err     error         // why it was not accepted
	key     ssh.PublicKey // the accepted key
	trusted bool          // known from a user's file or confirmed: UpdateHostKeys may follow
	unsafe  error         // why it was accepted although it is not the known one
}

// newStore translates the options for package hostkey.
func newStore(o sshconfig.HostKey, command func(context.Context, string, ssh.PublicKey) ([]byte, error)) *hostkey.Store {
	return hostkey.New(hostkey.Config{
		UserFiles: o.UserFiles, GlobalFiles: o.GlobalFiles,
		RevokedFiles:          o.RevokedHostKeys,
		Command:               command,
		Hash:                  o.HashKnownHosts,
		CASignatureAlgorithms: o.CASignatureAlgorithms,
		RequiredRSASize:       o.RequiredRSASize,
	})
}

// lookupHost is the name under which h's key is filed. The address is checked
// too (CheckHostIP) only for hops that are connected to directly and are not
// this machine.
func lookupHost(h route.Hop, remote net.Addr) hostkey.Host {
	host := hostkey.Host{Name: strings.ToLower(h.KnownAs()), Port: h.Options.Port}
	if h.Options.HostKey.Alias != "" {
		host.Port = 0
		return host
	}
	if tcp, ok := remote.(*net.TCPAddr); ok && h.Options.HostKey.CheckHostIP && !tcp.IP.IsLoopback() {
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
	if tcp, ok := remote.(*net.TCPAddr); ok && o.NoHostAuthenticationForLocalhost && o.Alias == "" && tcp.IP.IsLoopback() && !c.alternate {
		c.log.Debug("forcing accepting of host key for loopback/localhost")
		return nil
	}
	verdict, err := c.store.Check(c.ctx, c.host, key)
	if err != nil {
		return err
	}
	if verdict.Key != nil {
		key = verdict.Key
	}
	if traced(c.ctx) {
		emit(c.ctx, Event{What: KeyChecked, HostKey: c.checkedKey(key, verdict)})
	}
	failure := &HostKeyError{
		Name: c.host.Lookup(), Status: verdict.Status, Type: key.Type(),
		Fingerprint: hostkey.Fingerprint(key, o.FingerprintHash),
		Known:       verdict.Matches, Reason: verdict.Reason,
	}
	switch verdict.Status {
	case hostkey.Known:
		err = c.known(key, verdict, failure)
	case hostkey.Unknown:
		err = c.meet(key, verdict, failure)
	default:
		err = c.mismatch(verdict, failure)
	}
	if err != nil {
		return err
	}
	return c.address(verdict, failure)
}

func (c *keyChecker) tell(kind NoticeKind, format string, args ...any) {
	c.ask.Tell(Notice{c.hop.Name, kind, fmt.Sprintf(format, args...)})
}

// known accepts a key that is filed under the host's name.
func (c *keyChecker) known(key ssh.PublicKey, v hostkey.Verdict, found *HostKeyError) error {
	c.trusted = v.Updatable
	for _, l := range v.Matches {
		c.log.Debug(fmt.Sprintf("host key found in %s:%d", l.File, l.Number))
	}
	if v.WithoutPort {
		c.log.Debug("host key is known for the standard port")
	}
	o := c.hop.Options.HostKey
	if v.Record != nil { // its address is new
		c.remember(key, v.Record)
	} else if o.VisualHostKey {
		c.tell(NoticeInfo, "Host key fingerprint is %s\n%s", found.Fingerprint, hostkey.RandomArt(key, o.FingerprintHash))
	}
	return nil
}

// meet handles a key of a host that is not known yet.
func (c *keyChecker) meet(key ssh.PublicKey, v hostkey.Verdict, failure *HostKeyError) error {
	if v.Record == nil {
		failure.Reason = joinReasons(failure.Reason, "no key is known for it, and none can be recorded under this name or without a UserKnownHostsFile")
		return failure
	}
	switch c.hop.Options.HostKey.StrictHostKeyChecking {
	case "yes":
		failure.Reason = joinReasons(failure.Reason, "no key is known for it and StrictHostKeyChecking is yes")
		return failure
	case "ask":
		if err := c.shared(key, func() error { return c.acquaint(key, v.Record, failure) }); err != nil {
			failure.Reason = joinReasons(failure.Reason, err.Error())
			return failure
		}
		c.trusted = true
		return nil
	}
	c.remember(key, v.Record)
	return nil
}

func joinReasons(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// mismatch handles a key that was revoked, or is not the known one. Only
// StrictHostKeyChecking no goes on then, without everything that an impostor
// could turn against the user.
func (c *keyChecker) mismatch(v hostkey.Verdict, failure *HostKeyError) error {
	if v.Address.Differs {
		failure.Reason = joinReasons(failure.Reason, fmt.Sprintf("its address %s has another key too: possibly DNS is spoofed", c.host.Addr))
	}
	if c.hop.Options.HostKey.StrictHostKeyChecking != "no" || v.RevokedByFile {
		return failure
	}
	c.unsafe = failure
	c.tell(NoticeWarning, "WARNING: %v\nGoing on since StrictHostKeyChecking is no. Password and keyboard-interactive authentication and "+
		"forwarding are disabled: it may be an impostor.", failure)
	return nil
}

// address handles an address whose key is not the name's (CheckHostIP).
func (c *keyChecker) address(v hostkey.Verdict, found *HostKeyError) error {
	if v.Status == hostkey.Changed || v.Address.Status != hostkey.Changed {
		return nil
	}
	text := fmt.Sprintf("the key of %s differs from the one known for its address %s: %s", found.Name, c.host.Addr, describe(v.Address.Matches))
	switch c.hop.Options.HostKey.StrictHostKeyChecking {
	case "no":
		c.tell(NoticeWarning, "Warning: %s", text)
		return nil
	case "ask":
		err := c.confirm(Question{Hop: c.hop.Name, Kind: KindConfirm, Echo: true, Intro: "Warning: " + text + "\n",
			Text: "Are you sure you want to continue connecting to " + c.hop.Name + " (yes/no)? "}, "")
		if err == nil {
			return nil
		}
		text += "; " + err.Error()
	}
	return &HostKeyError{Name: found.Name, Type: found.Type, Fingerprint: found.Fingerprint, Reason: text}
}

// remember files the key. A file that cannot be written is told about and
// does not stop the connection, as in ssh(1).
func (c *keyChecker) remember(key ssh.PublicKey, as *hostkey.Host) {
	if c.readOnly {
		return
	}
	name := as.Lookup()
	if as.Name == "" {
		name = as.AddrLookup()
	}
	file, err := c.store.Add(*as, key)
	if err != nil {
		c.tell(NoticeWarning, "the host key of %s was not recorded: %v", name, err)
		return
	}
	c.tell(NoticeWarning, "Warning: Permanently added '%s' (%s) to %s", name, hostkey.TypeName(key), file)
}

// askPerson asks whether the key is the right one: yes, no, or the
// fingerprint typed or pasted from somewhere trusted.
func (c *keyChecker) askPerson(key ssh.PublicKey, failure *HostKeyError) error {
	return c.confirm(Question{Hop: c.hop.Name, Kind: KindHostKey, Echo: true, Intro: c.introduce(key, failure),
		Text: "Are you sure you want to continue connecting to " + c.hop.Name + " (yes/no/[fingerprint])? "}, failure.Fingerprint)
}

// introduce says what is known of a new host's key.
func (c *keyChecker) introduce(key ssh.PublicKey, failure *HostKeyError) string {
	o := c.hop.Options.HostKey
	var b strings.Builder
	fmt.Fprintf(&b, "The authenticity of host %s can't be established.\n%s key fingerprint is %s.\n",
		c.hop, hostkey.TypeName(key), failure.Fingerprint)
	if o.VisualHostKey {
		b.WriteString(hostkey.RandomArt(key, o.FingerprintHash) + "\n")
	}
	if others := c.store.OtherNames(c.host, key); len(others) > 0 {
		b.WriteString("This host key is known by the following other names:\n")
		for _, l := range others[:min(len(others), maxOtherNames)] {
			fmt.Fprintf(&b, "    %s:%d: %s\n", l.File, l.Number, Clean(l.Names))
		}
		if more := len(others) - maxOtherNames; more > 0 {
			fmt.Fprintf(&b, "    (%d more)\n", more)
		}
	} else {
		b.WriteString("This key is not known by any other names.\n")
	}
	return b.String()
}

// maxOtherNames bounds how many names a key is shown to be known by.
const maxOtherNames = 8

var errNotConfirmed = errors.New("its key was not accepted")

// maxConfirms bounds how often one question is asked: a program that answers
// (SSH_ASKPASS) would say the same for ever.
const maxConfirms = 10

// confirm asks until the answer is yes, the fingerprint, or no.
func (c *keyChecker) confirm(q Question, fingerprint string) error {
	for range maxConfirms {
		answer, err := c.ask.Ask(c.ctx, q)
		if err != nil {
			return fmt.Errorf("nobody confirmed its key: %w", err)
		}
		switch answer = strings.TrimSpace(answer); {
		case strings.EqualFold(answer, "yes"), fingerprint != "" && answer == fingerprint:
			return nil
		case strings.EqualFold(answer, "no"):
			return errNotConfirmed
		}
		q.Intro, q.Text = "", "Please type 'yes' or 'no': "
		if fingerprint != "" {
			q.Text = "Please type 'yes', 'no' or the fingerprint: "
		}
	}
	return errNotConfirmed
}
