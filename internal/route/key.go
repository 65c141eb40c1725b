package route

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"sallyport/internal/sshconfig"
)

// Key identifies a route: two requests share a master only when their keys
// are equal. It is safe as a file name.
type Key string

// identity is what makes two hops different connections: where it goes, how
// it gets there, whom we take it to be, and what we prove ourselves with.
// Timeouts, keepalives, sessions and forwards do not: they shape use, not
// the connection.
type identity struct {
	User, HostName string
	Port           int
	ProxyCommand   string
	AddressFamily  string
	BindAddress    string
	BindInterface  string
	Transport      sshconfig.Transport
	HostKey        trust
	Auth           authIdentity
}

// trust is whom we take the hop to be. How a new key is met does not matter
// once it was, but a connection made without checking serves only those who
// ask for none.
type trust struct {
	Alias                  string
	UserFiles, GlobalFiles []string
	Revoked                []string
	Command                string
	Unchecked              bool
	LoopbackUnchecked      bool
}

// authIdentity leaves out the agent of the environment: which of several
// agents happened to hold the key does not change who we are logged in as,
// while a configured IdentityAgent is the user's choice.
type authIdentity struct {
	Agent            string
	IdentityFiles    []string
	CertificateFiles []string
	IdentitiesOnly   bool
	Preferred        []string
	Accepted         []string
	Publickey        bool
	Password         bool
	KbdInteractive   bool
}

// Key is computed from every hop, in order.
func (r Route) Key() Key {
	ids := make([]identity, len(r.Hops))
	for i, h := range r.Hops {
		ids[i] = identify(h.Options, i == 0)
	}
	encoded, err := json.Marshal(ids)
	if err != nil {
		panic("route: options are not plain data: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return Key(base64.RawURLEncoding.EncodeToString(sum[:15]))
}

// identify picks what identifies one hop. Only the first hop is dialled from
// here, so only its local address and command count.
func identify(o sshconfig.Options, first bool) identity {
	id := identity{
		User: o.User, HostName: o.HostName, Port: o.Port,
		Transport: o.Transport, HostKey: trustOf(o.HostKey),
		Auth: authIdentity{
			IdentityFiles: o.Auth.IdentityFiles, CertificateFiles: o.Auth.CertificateFiles,
			IdentitiesOnly: o.Auth.IdentitiesOnly, Preferred: o.Auth.PreferredAuthentications,
			Accepted: o.Auth.PubkeyAcceptedAlgorithms, Publickey: o.Auth.Publickey,
			Password: o.Auth.Password, KbdInteractive: o.Auth.KbdInteractive,
		},
	}
	if o.Auth.AgentSet {
		id.Auth.Agent = o.Auth.Agent
	}
	if first {
		id.ProxyCommand = o.Proxy.Command
		id.AddressFamily = o.Connect.AddressFamily
		id.BindAddress, id.BindInterface = o.Connect.BindAddress, o.Connect.BindInterface
	}
	return id
}

func trustOf(o sshconfig.HostKey) trust {
	return trust{
		Alias: o.Alias, UserFiles: o.UserFiles, GlobalFiles: o.GlobalFiles,
		Revoked: o.RevokedHostKeys, Command: o.KnownHostsCommand,
		Unchecked:         o.StrictHostKeyChecking == "no",
		LoopbackUnchecked: o.NoHostAuthenticationForLocalhost,
	}
}
