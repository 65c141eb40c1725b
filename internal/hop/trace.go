package hop

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/identity"
)

// Trace hears of a dial's steps as they happen. It is called by the dial's
// goroutines, several at once where addresses race, and must not block. A nil
// Trace costs nothing.
type Trace func(Event)

// What names a step of a dial.
type What string

// The steps, in the order in which they come.
const (
	Resolving     What = "resolving"     // Host is being looked up
	Resolved      What = "resolved"      // to Addrs, or Err
	Connecting    What = "connecting"    // by TCP, to Addr
	Connected     What = "connected"     // to Addr, or Err
	Commanding    What = "commanding"    // the ProxyCommand was started
	Opening       What = "opening"       // a channel to Addr through the hop before
	Opened        What = "opened"        // it, or Err
	Identified    What = "identified"    // the server as Version
	KeyChecked    What = "key checked"   // HostKey was looked up
	KeyAccepted   What = "key accepted"  // the host's key is taken for good
	Exchanged     What = "exchanged"     // keys, with Algorithms
	Offered       What = "offered"       // the server goes on with one of Methods, after those Done
	Gathered      What = "gathered"      // Keys to offer, AgentKeys of which the agent holds; Notes says what was left out
	Trying        What = "trying"        // Method, with Key
	Authenticated What = "authenticated" // by Method, after those Done
)

// Event is one step of a dial. Which fields are set depends on What.
type Event struct {
	At         time.Time
	What       What
	Host       string
	Addrs      []netip.Addr
	Addr       string
	Version    string
	HostKey    *CheckedKey
	Algorithms *Agreed
	Methods    []string
	Done       []string // methods that succeeded and were not enough
	Method     string
	Key        string // the identity offered, as messages name it
	Keys       []string
	AgentKeys  int
	Notes      []string
	Err        error
}

// CheckedKey is a host's key and what is known of it.
type CheckedKey struct {
	Name        string // it was looked up under
	Status      hostkey.Status
	Type        string
	Fingerprint string
	Line        string // the key as known_hosts has it, without the name
	CA          bool   // known by an authority that signed it
	Known       []hostkey.Line
}

// Agreed are the algorithms of a connection.
type Agreed struct {
	KeyExchange, HostKey, CipherOut, CipherIn, MACOut, MACIn string
}

type traceKey struct{}

// withTrace has what is done under the context heard of.
func withTrace(ctx context.Context, t Trace) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, t)
}

// emit lets the context's trace, if it has one, hear of a step.
func emit(ctx context.Context, e Event) {
	if t, ok := ctx.Value(traceKey{}).(Trace); ok {
		e.At = time.Now()
		t(e)
	}
}

// traced tells whether the context has a trace, where an event costs more than
// its fields.
func traced(ctx context.Context) bool { return ctx.Value(traceKey{}) != nil }

// identification is the server's version string, once it is whole.
func identification(said []byte) (string, bool) {
	for line := range bytes.Lines(said) {
		if bytes.HasPrefix(line, []byte("SSH-")) {
			return inOneLine(string(bytes.TrimRight(line, "\r\n"))), bytes.HasSuffix(line, []byte("\n"))
		}
	}
	return "", false
}

// gathered describes the identities that are to be offered.
func gathered(set *identity.Set) Event {
	e := Event{What: Gathered, Notes: set.Notes()}
	for _, id := range set.Identities() {
		e.Keys = append(e.Keys, id.String())
		if strings.HasPrefix(id.Source, "agent") {
			e.AgentKeys++
		}
	}
	return e
}

// checkedKey describes a verdict on a key for a trace.
func (c *keyChecker) checkedKey(key ssh.PublicKey, v hostkey.Verdict) *CheckedKey {
	return &CheckedKey{
		Name: c.host.Lookup(), Status: v.Status, Type: key.Type(), CA: v.CA, Known: v.Matches,
		Fingerprint: hostkey.Fingerprint(key, c.hop.Options.HostKey.FingerprintHash),
		Line:        string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(hostkey.Plain(key)))),
	}
}
