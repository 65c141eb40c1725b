package api

import "time"

// ForwardSpec is a forward that is asked for. Of the listening end either the
// path or the port is given; of the other either, or none for SOCKS.
type ForwardSpec struct {
	Kind        string `json:"kind"` // "local", "remote" or "dynamic"
	ListenHost  string `json:"listen_host,omitempty"`
	ListenPort  int    `json:"listen_port,omitempty"`
	ListenPath  string `json:"listen_path,omitempty"`
	ConnectHost string `json:"connect_host,omitempty"`
	ConnectPort int    `json:"connect_port,omitempty"`
	ConnectPath string `json:"connect_path,omitempty"`
}

// The kinds of a ForwardSpec and a Forward.
const (
	ForwardLocal   = "local"
	ForwardRemote  = "remote"
	ForwardDynamic = "dynamic"
)

// Forward is a forward that is there: a command's, or one that is pinned to
// the daemon.
type Forward struct {
	// ID names a pinned forward, "" for any other; Name is what its user calls it.
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	Kind string `json:"kind"` // "local", "remote" or "dynamic"
	// Listen is a port, host:port or a socket's path, here or, for a remote
	// forward, there.
	Listen string `json:"listen"`
	// Target is where connections go, "" when each says so itself (SOCKS).
	Target string `json:"target,omitempty"`
	// Addresses are those that accept connections now.
	Addresses []string `json:"addresses,omitempty"`
	// Host is the alias it goes to, Key its route's.
	Host string `json:"host,omitempty"`
	Key  string `json:"key,omitempty"`
	// Pinned is true when it belongs to the daemon. Else PID and Command are
	// the process it belongs to, or none when it belongs to the connection.
	Pinned  bool   `json:"pinned"`
	PID     int    `json:"pid,omitempty"`
	Command string `json:"command,omitempty"`
	// State is that of a pinned forward's connection: "idle" (it is dialled
	// when needed), "dialling", "up", "waiting" (for the next try) or "refused".
	State string    `json:"state,omitempty"`
	Since time.Time `json:"since"`
	// Connections are open now; Total were taken; Failed of those did not
	// reach their target.
	Connections int64 `json:"connections"`
	Total       int64 `json:"connections_total"`
	Failed      int64 `json:"connections_failed"`
	// BytesOut went to the target, BytesIn came from it.
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	// LastError is the newest reason why a connection failed, in the server's
	// words where it gave some, or why there is no listener or no connection.
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}
