package hostkey

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// The reasons with which Config.Command is called: %I of KnownHostsCommand in
// ssh_config(5).
const (
	ReasonOrder    = "ORDER"    // to order the algorithms, before a key is seen
	ReasonHostName = "HOSTNAME" // to check a key against the host's name
	ReasonAddress  = "ADDRESS"  // to check a key against the host's address
)

// Config says where a Store looks and what it accepts. The zero value knows
// no host.
type Config struct {
	// UserFiles and GlobalFiles are the known_hosts files, absolute, in order.
	// One that cannot be read counts as empty, as in OpenSSH.
	UserFiles, GlobalFiles []string
	// RevokedFiles are those of RevokedHostKeys: public keys one a line, or a
	// KRL. When one of them cannot be read, every check fails.
	RevokedFiles []string
	// Command runs KnownHostsCommand for one of the Reason constants and
	// returns what it printed; nil for none. key is nil for ReasonOrder. An
	// error (also an exit status that is not 0) makes the check fail.
	Command func(ctx context.Context, reason string, key ssh.PublicKey) ([]byte, error)
	// Hash is HashKnownHosts: names are hashed when they are written.
	Hash bool
	// CASignatureAlgorithms are the signature algorithms that a host
	// certificate may be signed with; empty for any.
	CASignatureAlgorithms []string
	// RequiredRSASize is the least size of an RSA host key in bits. Below
	// 1024 none is accepted, whatever it says.
	RequiredRSASize int
	// Now is the clock for certificates; nil for time.Now.
	Now func() time.Time
}

// Host is a host as it is looked up.
type Host struct {
	// Name is HostKeyAlias, else the host name in lower case. A certificate
	// has to list it exactly so.
	Name string
	// Port makes the name "[name]:port" when it is neither 0 nor 22. With a
	// HostKeyAlias it is 0.
	Port int
	// Addr is the IP address for CheckHostIP, "" when it is not checked
	// (CheckHostIP no, a proxy, a loopback address).
	Addr string
}

// Lookup is the name that known_hosts lines are matched against.
func (h Host) Lookup() string { return withPort(asciiLower(h.Name), h.Port) }

// AddrLookup is the address that known_hosts lines are matched against, "" when
// it is not checked (there is none, or it is the name itself).
func (h Host) AddrLookup() string {
	if h.Addr == "" || asciiLower(h.Addr) == asciiLower(h.Name) {
		return ""
	}
	return withPort(asciiLower(h.Addr), h.Port)
}

func withPort(name string, port int) string {
	if port == 0 || port == 22 {
		return name
	}
	return "[" + name + "]:" + strconv.Itoa(port)
}

// recordable reports whether the name may be written to known_hosts: nothing
// in it is a pattern or a separator there.
// sshconnect.c: check_host_key, "invalid hostname".
func (h Host) recordable() bool {
	return plainName(h.Name) && (h.Addr == "" || plainName(h.Addr))
}

func plainName(name string) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] == 0x7f {
			return false
		}
	}
	return name != "" && !strings.ContainsAny(name, "@?*#[]|'\"\\,!")
}

// Status is the verdict on a host key. The zero value is none of them.
type Status int

const (
	// Known: the key, or the authority that signed it, is listed for the host.
	Known Status = iota + 1
	// Unknown: no key is listed for the host; it is new.
	Unknown
	// Changed: other keys are listed for the host, and not this one. As in
	// OpenSSH a key of another type counts as another key.
	Changed
	// Revoked: the key or its authority is marked as revoked.
	Revoked
)

// String is the status as a word for messages.
func (s Status) String() string {
	switch s {
	case Known:
		return "known"
	case Unknown:
		return "new"
	case Changed:
		return "changed"
	case Revoked:
		return "revoked"
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}

// Line is where a key was found.
type Line struct {
	// File is the file's path, or "KnownHostsCommand-" and the reason.
	File string
	// Number counts lines from 1; it is 0 in a KRL.
	Number int
	// Marker is "", MarkerCA or MarkerRevoked.
	Marker string
	// Names is the host names field as it is written, "[hashed name]" when it
	// is hashed.
	Names string
	// Type is the key's type in the form that messages use, e.g. "ED25519".
	Type string
	// Fingerprint is the key's SHA256 fingerprint.
	Fingerprint string
	// Key is the listed key, nil for a KRL.
	Key ssh.PublicKey
}

// Verdict is what a check found.
type Verdict struct {
	Status Status
	// Matches are, for Known: the lines that hold the key or its authority
	// (the first is the one OpenSSH names); for Changed: the lines that hold
	// the host's other keys (OpenSSH names the last); for Revoked: the lines
	// that revoke it.
	Matches []Line
	// Key is the key that the verdict is about: the one that was given, or
	// the plain key of a certificate that was not accepted.
	Key ssh.PublicKey
	// CA is true when Known is due to a certificate's authority.
	CA bool
	// Reason says why a certificate was not accepted (the verdict is then
	// about the plain key) or what revokes a key.
	Reason string
	// RevokedByFile is true when RevokedHostKeys revokes the key. Such a host
	// is refused even with StrictHostKeyChecking no.
	RevokedByFile bool
	// WithoutPort is true when the key is known for the host's name at the
	// standard port only. OpenSSH accepts that and records nothing.
	WithoutPort bool
	// Record is what Add is to be given, with Key, once the key is accepted:
	// the host, its address, or both; nil when nothing is to be recorded. An
	// Unknown key without Record is one that cannot be recorded, which
	// OpenSSH refuses without asking.
	Record *Host
	// Updatable is true when UpdateHostKeys may follow: the key is known from
	// a user's file, and not by a certificate. For Unknown it is false; OpenSSH
	// updates then only if the user has confirmed the key.
	Updatable bool
	// Address is the verdict on the host's address (CheckHostIP).
	Address Address
}

// Address is what CheckHostIP found.
type Address struct {
	// Status is 0 when the address was not checked.
	Status Status
	// Matches as in Verdict.
	Matches []Line
	// Differs is true when the name's key has changed and the address does
	// not share the name's old key: possible DNS spoofing.
	Differs bool
}

// ErrBadCertificate reports a host certificate whose own signature is wrong.
var ErrBadCertificate = errors.New("host certificate signature does not verify")

// KeyTooSmallError reports an RSA host key below RequiredRSASize.
type KeyTooSmallError struct {
	Bits, Min int
}

func (e *KeyTooSmallError) Error() string {
	return fmt.Sprintf("host key: RSA key of %d bits is smaller than the required %d", e.Bits, e.Min)
}

// Store answers for a set of known_hosts files. It keeps nothing in memory:
// each call reads the files anew. It may be used concurrently.
type Store struct {
	// config: not changed after New
	cfg Config
}

// New returns a Store.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.RequiredRSASize = max(cfg.RequiredRSASize, minRSABits)
	return &Store{cfg: cfg}
}
