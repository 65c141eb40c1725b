package hostkey

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// entry is a key that is listed for a name.
type entry struct {
	Line
	global  bool // from a GlobalKnownHostsFile
	command bool // from KnownHostsCommand
}

// lookup collects the entries for one name.
type lookup struct {
	name    string // "" looks for nothing
	entries []entry
}

// scan adds the lines of data that stand for a lookup's name.
func scan(data string, from entry, lookups ...*lookup) {
	eachLine(data, func(l rawLine) {
		var key ssh.PublicKey
		for _, lk := range lookups {
			if lk.name == "" || !matchNames(l.names, lk.name) {
				continue
			}
			if key == nil {
				var err error
				if key, err = l.parseKey(); err != nil {
					return // one odd line does not spoil the file
				}
			}
			e := from
			e.Line = l.line(from.File, key)
			lk.entries = append(lk.entries, e)
		}
	})
}

// scanFiles looks the names up in all files.
func (s *Store) scanFiles(lookups ...*lookup) {
	for i, files := range [][]string{s.cfg.UserFiles, s.cfg.GlobalFiles} {
		for _, path := range files {
			data, err := readFile(path)
			if err != nil {
				continue // as OpenSSH: nothing is known from there
			}
			scan(data, entry{Line: Line{File: path}, global: i == 1}, lookups...)
		}
	}
}

// scanCommand looks the names up in KnownHostsCommand's output.
func (s *Store) scanCommand(ctx context.Context, reason string, key ssh.PublicKey, lookups ...*lookup) error {
	if s.cfg.Command == nil {
		return nil
	}
	out, err := s.cfg.Command(ctx, reason, key)
	if err != nil {
		return fmt.Errorf("look up %s: %w", reason, err)
	}
	from := entry{Line: Line{File: commandTag + reason}, command: true}
	scan(string(out), from, lookups...)
	return nil
}

// names are the entries for all the names by which one host is looked up.
type names struct {
	host, addr         lookup
	bareHost, bareAddr lookup // without the port, where there is one
}

// load collects what is listed for h.
func (s *Store) load(ctx context.Context, h Host, key ssh.PublicKey) (*names, error) {
	n := &names{host: lookup{name: h.Lookup()}}
	if _, isCert := key.(*ssh.Certificate); !isCert {
		n.addr.name = h.AddrLookup()
	}
	s.scanFiles(&n.host, &n.addr)
	if err := s.scanCommand(ctx, ReasonHostName, key, &n.host); err != nil {
		return nil, err
	}
	if n.addr.name != "" {
		if err := s.scanCommand(ctx, ReasonAddress, key, &n.addr); err != nil {
			return nil, err
		}
	}
	for _, k := range []ssh.PublicKey{key, Plain(key)} {
		if status, _ := judge(n.host.entries, k); status == Unknown {
			s.loadBare(n, h)
			break
		}
	}
	return n, nil
}

// loadBare collects what is listed for h without its port. KnownHostsCommand
// is not asked for that.
func (s *Store) loadBare(n *names, h Host) {
	bare := asciiLower(h.Name)
	if bare == n.host.name {
		return
	}
	n.bareHost.name = bare
	if n.addr.name != "" {
		n.bareAddr.name = asciiLower(h.Addr)
	}
	s.scanFiles(&n.bareHost, &n.bareAddr)
}

// judge says what entries mean for a key, or for a certificate. A certificate
// is never Changed. hostfile.c: check_hostkeys_by_key_or_type.
func judge(entries []entry, key ssh.PublicKey) (Status, []entry) {
	cert, isCert := key.(*ssh.Certificate)
	var same, other, revoked []entry
	for _, e := range entries {
		switch {
		case e.Marker == MarkerRevoked:
			if samePublic(key, e.Key) || isCert && samePublic(cert.SignatureKey, e.Key) {
				revoked = append(revoked, e)
			}
		case e.Marker == MarkerCA:
			if isCert && samePublic(cert.SignatureKey, e.Key) {
				same = append(same, e)
			}
		case isCert:
		case sameKey(key, e.Key):
			same = append(same, e)
		default:
			other = append(other, e)
		}
	}
	switch {
	case revoked != nil:
		return Revoked, revoked
	case same != nil:
		return Known, same
	case other != nil:
		return Changed, other
	}
	return Unknown, nil
}

// Check says what is known of h and key, which may be a host certificate. An
// error means that no verdict can be given and the key must not be accepted:
// one of RevokedFiles or a KnownHostsCommand that fails, *KeyTooSmallError, or
// ErrBadCertificate. sshconnect.c: verify_host_key, check_host_key.
func (s *Store) Check(ctx context.Context, h Host, key ssh.PublicKey) (Verdict, error) {
	if bits := rsaBits(key); bits != 0 && bits < s.cfg.RequiredRSASize {
		return Verdict{}, &KeyTooSmallError{Bits: bits, Min: s.cfg.RequiredRSASize}
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		if err := verifySignature(cert); err != nil {
			return Verdict{}, err
		}
	}
	if v, err := s.checkRevokedFiles(key); err != nil || v.Status == Revoked {
		return v, err
	}
	n, err := s.load(ctx, h, key)
	if err != nil {
		return Verdict{}, err
	}
	v := s.verdict(h, n, key)
	s.setRecord(&v, h)
	return v, nil
}

// verdict judges a certificate first as one, and then as the key in it.
func (s *Store) verdict(h Host, n *names, key ssh.PublicKey) Verdict {
	var reason string
	if cert, ok := key.(*ssh.Certificate); ok {
		v, why := s.verdictCert(h, n, cert)
		if v.Status != 0 {
			return v
		}
		if reason = why; reason == "" {
			reason = "no authority is known for the host's certificate"
		}
		key = cert.Key
	}
	v := verdictPlain(n, key)
	if v.Reason == "" {
		v.Reason = reason
	}
	return v
}

// verdictCert is a verdict without Status and the reason for it when the
// certificate cannot be accepted as one.
func (s *Store) verdictCert(h Host, n *names, cert *ssh.Certificate) (Verdict, string) {
	v, reason := s.judgeCert(h, cert, n.host.entries)
	if v.Status != 0 || reason != "" || n.bareHost.name == "" {
		return v, reason
	}
	v, reason = s.judgeCert(h, cert, n.bareHost.entries)
	if v.Status == 0 {
		// The key in it is looked up without the port before it is with it.
		if status, found := judge(n.bareHost.entries, cert.Key); status == Known {
			v = Verdict{Status: Known, Matches: lines(found), Key: cert.Key, Reason: reason}
		}
	}
	v.WithoutPort = true
	return v, reason
}

// judgeCert judges a certificate by the entries for one name. Without a Status
// or a reason, no authority is known.
func (s *Store) judgeCert(h Host, cert *ssh.Certificate, entries []entry) (Verdict, string) {
	status, found := judge(entries, cert)
	switch status {
	case Revoked:
		return revokedVerdict(cert, found), ""
	case Known:
		if reason := s.certProblem(cert, h.Name); reason != "" {
			return Verdict{}, reason
		}
		return Verdict{Status: Known, Matches: lines(found), Key: cert, CA: true}, ""
	}
	return Verdict{}, ""
}

// verdictPlain judges a plain key, and the host's address with it.
func verdictPlain(n *names, key ssh.PublicKey) Verdict {
	status, found := judge(n.host.entries, key)
	v := Verdict{Status: status, Matches: lines(found), Key: key}
	if status == Unknown {
		// Differs from OpenSSH: a key that is revoked for the name without
		// its port is Revoked; OpenSSH warns and goes on as with a new one.
		bare, bareFound := judge(n.bareHost.entries, key)
		if bare == Known || bare == Revoked {
			v.Status, v.Matches, v.WithoutPort = bare, lines(bareFound), true
			found = bareFound
		}
	}
	if v.Status == Revoked {
		return revokedVerdict(key, found)
	}
	v.Updatable = v.Status == Known && !v.WithoutPort && !found[0].global && !found[0].command
	v.setAddress(n, key, found)
	return v
}

func revokedVerdict(key ssh.PublicKey, found []entry) Verdict {
	return Verdict{
		Status: Revoked, Matches: lines(found), Key: key,
		Reason: fmt.Sprintf("marked as revoked in %s:%d", found[0].File, found[0].Number),
	}
}

// setAddress adds what CheckHostIP finds.
func (v *Verdict) setAddress(n *names, key ssh.PublicKey, found []entry) {
	if n.addr.name == "" {
		return
	}
	status, addr := judge(n.addr.entries, key)
	if status == Unknown && v.WithoutPort {
		status, addr = judge(n.bareAddr.entries, key)
	}
	v.Address = Address{Status: status, Matches: lines(addr)}
	if v.Status == Changed {
		old := found[len(found)-1].Key
		v.Address.Differs = status != Changed || !sameKey(addr[len(addr)-1].Key, old)
	}
	if status == Known && addr[0].global {
		v.Updatable = false
	}
}

// setRecord decides what may be written once the key is accepted.
func (s *Store) setRecord(v *Verdict, h Host) {
	fromCommand := len(v.Matches) > 0 && strings.HasPrefix(v.Matches[0].File, commandTag)
	if len(s.cfg.UserFiles) == 0 || !h.recordable() || fromCommand || v.WithoutPort || v.CA {
		return
	}
	switch {
	case v.Status == Unknown:
		if v.Address.Status != Unknown {
			h.Addr = ""
		}
		v.Record = &h
	case v.Status == Known && v.Address.Status == Unknown:
		v.Record = &Host{Name: h.Addr, Port: h.Port}
	}
}

// commandTag begins Line.File for KnownHostsCommand; files are absolute.
const commandTag = "KnownHostsCommand-"

func lines(entries []entry) []Line {
	var ls []Line
	for _, e := range entries {
		ls = append(ls, e.Line)
	}
	return ls
}
