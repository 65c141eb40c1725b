package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// Config says where identities come from. The zero value has none.
type Config struct {
	// Files are the IdentityFile paths, absolute. FilesSet is false when they
	// are the default ones: a default file that is missing is not mentioned.
	Files    []string
	FilesSet bool
	// CertificateFiles are the CertificateFile paths, absolute. When there is
	// one, no certificate is looked for beside a key (ssh_config(5)).
	CertificateFiles []string
	// IdentitiesOnly leaves out agent keys that are not among Files.
	IdentitiesOnly bool
	// Agent is the path of the agent's socket, "" for none; a first byte "@"
	// stands for Linux's abstract name space.
	Agent string
	// AcceptedAlgorithms is PubkeyAcceptedAlgorithms, without prefixes and
	// patterns. It filters keys and certificates and orders an RSA key's
	// signature algorithms. Empty accepts all but SHA-1 signatures.
	AcceptedAlgorithms []string
	// RequiredRSASize is in bits; less than 1024 is never accepted.
	RequiredRSASize int
	// SecurityKeyProvider is "internal", the path of a middleware library, or
	// "" (or "none"), which ignores security keys that are not in the agent.
	SecurityKeyProvider string
	// SecurityKeyHelper is the helper program that talks to security keys. ""
	// stands for $SSH_SK_HELPER, and that for where OpenSSH installs it.
	SecurityKeyHelper string
	// AddKeysToAgent is "no" (or ""), "yes", "ask" or "confirm";
	// AddKeysLifetime bounds the key's life in the agent, 0 for no bound.
	AddKeysToAgent  string
	AddKeysLifetime time.Duration
	// PassphraseTries is how often a passphrase is asked for, 0 for 3; never
	// if it is negative.
	PassphraseTries int
	// Bind, when set, binds the agent connection to a session before its keys
	// are listed, for keys that are restricted to destinations.
	Bind *Binding
}

// Binding is what binds an agent connection to an SSH session.
type Binding struct {
	HostKey ssh.PublicKey
	// SessionID is the exchange hash of the first key exchange, Signature the
	// host key's signature of it, encoded (RFC 4253 §8).
	SessionID, Signature []byte
	// Forwarding is true for a connection that is forwarded over the session.
	Forwarding bool
}

// Asker asks the person we act for. A nil Asker stands for nobody: encrypted
// keys are then not used.
type Asker interface {
	// Passphrase asks for a key file's passphrase. attempt counts from 1. An
	// empty answer means that the key shall not be used. The caller wipes
	// what is returned.
	Passphrase(ctx context.Context, file string, attempt int) ([]byte, error)
	// Confirm asks a yes or no question.
	Confirm(ctx context.Context, question string) (bool, error)
	// Notice tells something that the person should know or do now.
	Notice(text string)
}

// PINAsker may be implemented by an Asker to ask for a security key's PIN
// with words of its own; else Passphrase is called.
type PINAsker interface {
	// PIN asks for the PIN of the authenticator that holds the key of the
	// given type ("ED25519-SK" or "ECDSA-SK") in file. The caller wipes what
	// is returned.
	PIN(ctx context.Context, keyType, file string) ([]byte, error)
}

// Reasons for which a key is not used. They are found in a KeyError.
var (
	ErrNoPassphrase       = errors.New("no passphrase given")
	ErrWrongPassphrase    = errors.New("incorrect passphrase supplied to decrypt private key")
	ErrBadPermissions     = errors.New("bad permissions")
	ErrInvalidFormat      = errors.New("invalid format")
	ErrPublicMismatch     = errors.New("private half does not belong to the public one")
	ErrNoPrivateHalf      = errors.New("public key only, and the agent does not hold its private half")
	ErrNotAccepted        = errors.New("corresponding algorithm not in PubkeyAcceptedAlgorithms")
	ErrShortRSA           = errors.New("RSA key is shorter than RequiredRSASize")
	ErrNoSecurityProvider = errors.New("security key, but no SecurityKeyProvider is set")
	ErrAgentRefused       = errors.New("agent refused operation")
	ErrClosed             = errors.New("identity set is closed")
)

// KeyError says which key could not be used, and why.
type KeyError struct {
	// Key is the file's path, or the agent key's comment.
	Key string
	Err error
}

func (e *KeyError) Error() string { return fmt.Sprintf("load key %q: %v", e.Key, e.Err) }

// Unwrap returns the reason.
func (e *KeyError) Unwrap() error { return e.Err }
