package probe

import (
	"sallyport/internal/hop"
)

// Report is what a test of a route found.
type Report struct {
	Target string   `json:"target"`
	Route  []string `json:"route"`
	OK     bool     `json:"ok"`
	// Seconds is how long it all took, without the time that answers to
	// questions took.
	Seconds float64 `json:"seconds"`
	Hops    []*Hop  `json:"hops"`
}

// Hop is what was found of one hop. A hop behind one that failed has Tested
// false and nothing but its names.
type Hop struct {
	Name  string `json:"name"`
	User  string `json:"user"`
	Addr  string `json:"addr"`
	Via   string `json:"via,omitempty"` // the hop it is reached through
	Proxy string `json:"proxy_command,omitempty"`
	// OtherWays are the ways in that are tried elsewhere when this one fails
	// (AlternateProxyJump), and that are not tested: the hops before, by names.
	OtherWays [][]string `json:"other_ways,omitempty"`
	Tested    bool       `json:"tested"`
	OK        bool       `json:"ok"`
	Steps     []Step     `json:"steps,omitempty"`
	// Addresses are those that the name resolved to, or that a channel was
	// opened to, in the order in which they were tried.
	Addresses  []Address   `json:"addresses,omitempty"`
	Server     string      `json:"server_version,omitempty"`
	Algorithms *Algorithms `json:"algorithms,omitempty"`
	Banners    []string    `json:"banners,omitempty"` // shown before the login
	HostKey    *HostKey    `json:"host_key,omitempty"`
	Auth       *Auth       `json:"authentication,omitempty"`
	RTT        float64     `json:"rtt_seconds,omitempty"`
	Failure    *Failure    `json:"failure,omitempty"`
}

// Stages that are this package's own, beside those of package hop.
const (
	StageSession = "session"    // a session channel is opened on the target
	StagePing    = "round trip" // a request is answered
)

// Step is one stage of a hop.
type Step struct {
	Stage   string  `json:"stage"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
}

// Address is one address of a hop.
type Address struct {
	Addr    string  `json:"addr"`
	OK      bool    `json:"ok"`
	Used    bool    `json:"used"` // by the connection
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// Algorithms were agreed on. A MAC is "" where the cipher has its own.
type Algorithms struct {
	KeyExchange string `json:"key_exchange"`
	HostKey     string `json:"host_key"`
	CipherOut   string `json:"cipher_out"`
	CipherIn    string `json:"cipher_in"`
	MACOut      string `json:"mac_out,omitempty"`
	MACIn       string `json:"mac_in,omitempty"`
}

// HostKey is a hop's key and what is known of it.
type HostKey struct {
	Name        string  `json:"name"`   // it is filed under
	Status      string  `json:"status"` // "known", "new", "changed" or "revoked"
	Type        string  `json:"type"`
	Fingerprint string  `json:"fingerprint"`
	CA          bool    `json:"by_authority,omitempty"`
	Known       []Place `json:"known,omitempty"`
	// Record is the line that would make a new key known, File where it
	// belongs.
	Record string `json:"record,omitempty"`
	File   string `json:"record_file,omitempty"`
}

// Place is a line of a file.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// Auth is how the login went.
type Auth struct {
	Offered []string  `json:"offered"` // methods that the server would accept, first seen
	Tried   []Attempt `json:"tried"`
	Worked  []string  `json:"worked,omitempty"` // in order; more than one where the server wants several
	// Keys are those that there were to offer, AgentKeys how many of them the
	// agent holds, Notes what was left out and why.
	Keys      []string `json:"keys"`
	AgentKeys int      `json:"agent_keys"`
	Agent     string   `json:"agent,omitempty"` // its socket, "" for none
	Notes     []string `json:"notes,omitempty"`
}

// Attempt is one method that was tried, with one key.
type Attempt struct {
	Method string `json:"method"`
	Key    string `json:"key,omitempty"`
}

// Failure is why a hop could not be used.
type Failure struct {
	Stage   string    `json:"stage"`
	Cause   hop.Cause `json:"cause,omitempty"`
	Message string    `json:"message"`
	// Why and Advice are the caller's words for the cause.
	Why    string `json:"why,omitempty"`
	Advice string `json:"advice,omitempty"`
}
