package route

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"sallyport/internal/plain"
	"sallyport/internal/sshconfig"
)

// Key identifies a route: two requests share a master only when their keys
// are equal. It is safe as a file name.
type Key string

// identity is what makes two hops different connections: where it goes, how
// it gets there, whom we take it to be, and what we prove ourselves with.
// Timeouts, keepalives, sessions and forwards do not: they shape use, not
// the connection. Of several ways it does not matter which is tried first, or
// which one led there.
type identity struct {
	User, HostName string
	Port           int
	Alternates     []sshconfig.Address
	Transport      sshconfig.Transport
	HostKey        trust
	Auth           authIdentity
	Ways           []string // digests of a local or of another identity, sorted
}

// local is a way from here: only then the address on this side, and the
// command, count.
type local struct {
	ProxyCommand  string
	AddressFamily string
	BindAddress   string
	BindInterface string
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

// Key is computed from every hop, in order, and all their ways.
func (r Route) Key() Key { return Key(r.digest()) }

func (r Route) digest() string {
	target := r.Target()
	id := identify(target.Options)
	ways := append([]Way{{Hops: r.Hops[:len(r.Hops)-1], Command: target.Options.Proxy.Command}}, target.Ways...)
	for _, w := range ways {
		id.Ways = append(id.Ways, w.digest(target.Options.Connect))
	}
	slices.Sort(id.Ways)
	return digest("hop", &id)
}

// digest identifies a way; o is of the hop that it leads to.
func (w Way) digest(o sshconfig.Connect) string {
	if len(w.Hops) > 0 {
		return Route{Hops: w.Hops}.digest()
	}
	return digest("local", &local{w.Command, o.AddressFamily, o.BindAddress, o.BindInterface})
}

// digest is of what v points to, an identity of that kind.
func digest(kind string, v any) string {
	sum := sha256.Sum256(plain.Append([]byte(kind), v))
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

// identify picks what identifies one hop, but for its ways.
func identify(o sshconfig.Options) identity {
	id := identity{
		User: o.User, HostName: o.HostName, Port: o.Port, Alternates: o.Connect.Alternates,
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
