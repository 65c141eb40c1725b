package sshtest

// Auth is how a host wants users to authenticate.
type Auth int

const (
	// Key is an ed25519 key, not encrypted. It works without root.
	Key Auth = iota
	// EncryptedKey is an ed25519 key with a passphrase: Host.Passphrase.
	EncryptedKey
	// Password is the account's password: Host.Account.Password.
	Password
	// KeyboardInteractive asks in two rounds: the account's password, then a
	// one-time code: Host.Code. It uses PAM, under a service name of its own.
	KeyboardInteractive
	// KeyAndKeyboardInteractive is Key, then KeyboardInteractive.
	KeyAndKeyboardInteractive
)

func (a Auth) usesKey() bool {
	return a == Key || a == EncryptedKey || a == KeyAndKeyboardInteractive
}

func (a Auth) usesPAM() bool {
	return a == KeyboardInteractive || a == KeyAndKeyboardInteractive
}

// methods is the value of sshd's AuthenticationMethods.
func (a Auth) methods() string {
	switch a {
	case Password:
		return "password"
	case KeyboardInteractive:
		return "keyboard-interactive"
	case KeyAndKeyboardInteractive:
		return "publickey,keyboard-interactive"
	default:
		return "publickey"
	}
}

// HostConfig says how one host of a chain is to be. Only Name is needed.
type HostConfig struct {
	// Name is the alias in the ssh_config.
	Name string
	// Via is the name of the host to jump through. "" means the host before
	// this one in the list, "none" means no jump.
	Via string
	// Auth is how users log in. All but Key and EncryptedKey need root.
	Auth Auth
	// Account is who logs in. nil means the user who runs the test for Key and
	// EncryptedKey, and a new account for the others.
	Account *Account
	// ListenAddr is the IP address to listen on; "" means 127.0.0.1. "::1" and
	// other addresses of 127.0.0.0/8 work too. The port is free and stays the
	// host's own for the whole test.
	ListenAddr string
	// Through, when set, puts something in front of the host: it is given the
	// address of the host and returns the address that clients are to use.
	Through func(addr string) string
	// ExtraConfig are lines for sshd_config that win over ours. SetEnv is taken.
	ExtraConfig []string
	// ClientConfig are lines for the host's block in the ssh_config that win
	// over ours.
	ClientConfig []string
}
