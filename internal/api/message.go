package api

import "time"

// Op is what a request asks for.
type Op string

// The operations.
const (
	OpUp     Op = "up"     // bring a route up
	OpAttach Op = "attach" // bring it up and go on in the mux protocol
	OpDown   Op = "down"   // close masters
	OpStatus Op = "status" // describe the daemon and its masters
	OpCheck  Op = "check"  // make a round trip on a live master
	OpLogs   Op = "logs"   // read the daemon's log
	OpQuit   Op = "quit"   // end the daemon
	OpLock   Op = "lock"   // refuse what is new
	OpUnlock Op = "unlock" // end that

	OpForwardAdd    Op = "forward-add"    // pin forwards to the daemon
	OpForwards      Op = "forwards"       // list all forwards
	OpForwardRemove Op = "forward-remove" // end pinned forwards
)

// Request is the first message on a connection.
type Request struct {
	Op Op
	// Route is a resolved route, encoded, for up, attach and forward-add.
	Route []byte
	// Key names a route for check and down where the whole is not needed.
	Key string
	// All is down's: every master.
	All bool
	// Drain is down's: who uses the master goes on, and it closes after that.
	Drain bool
	// Watch is check's: the round trip does not count as use, so whoever only
	// looks on keeps no connection alive.
	Watch bool
	// Pin is up's: keep it up until it is taken down.
	Pin bool
	// Passphrase is lock's: ask for one, which unlock will ask for.
	Passphrase bool
	// Env and Dir are the asking process's environment and working directory.
	Env []string
	Dir string
	// Debug asks for debugging notices up to this level, 0 for none.
	Debug int
	// Hop limits logs to one hop; Follow goes on until the client leaves.
	Hop    string
	Follow bool
	// Hangup is attach's: the signal, named without SIG, that a session's
	// program gets when the client goes away before it has ended; "" for none.
	Hangup string
	// What says what a lease is for, for status: "shell", "command", …
	What string
	// Detach is attach's: a stdio forward goes on when its client has left.
	Detach bool
	// Forwards are attach's that must be able to listen before anything is
	// dialled; for forward-add they are those to add, with a Name for all of them; Now brings the
	// route up at once. IDs are the ids or names of those to remove (or All).
	Forwards []ForwardSpec
	Name     string
	Now      bool
	IDs      []string
}

// Question is something the person must answer.
type Question struct {
	ID    int
	Hop   string
	Kind  string
	Intro string
	Text  string
	Echo  bool
}

// Notice is something the person should see.
type Notice struct {
	Hop  string
	Kind string // "banner", "warning", "info" or "debug"
	Text string
}

// Record is one line of the daemon's log.
type Record struct {
	Time    time.Time         `json:"time"`
	Level   string            `json:"level"`
	Hop     string            `json:"hop,omitempty"`
	Message string            `json:"message"`
	Attrs   map[string]string `json:"attrs,omitempty"`
}

// Result is the last message of the daemon; which fields are set depends on
// the operation.
type Result struct {
	Key   string // up, attach
	Fresh bool   // up: dialled by this request
	// Control is up's: the route's ControlPath, when it is served there.
	Control string
	Closed  []string
	Status  *Status
	RTT     float64
	Records []Record
	// Forwards are those added, listed or removed.
	Forwards []Forward
	// Unsaved is of those added or removed: the file of the pinned forwards that
	// could not be written, and why; "" when it was.
	Unsaved string
}

// Status describes the daemon.
type Status struct {
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Socket  string    `json:"socket"`
	Masters []Master  `json:"masters"` // parents before children
	// Kept are the hosts whose connection is kept up.
	Kept []Kept `json:"kept,omitempty"`
	// Locked is set while nothing new is allowed.
	Locked *Locked `json:"locked,omitempty"`
	// Goroutines is how many the daemon runs, to look for what it leaves behind.
	Goroutines int `json:"goroutines,omitempty"`
	// Pinned are the forwards that belong to the daemon, those of live
	// connections included.
	Pinned []Forward `json:"pinned_forwards,omitempty"`
}

// Kept is a connection that is kept up.
type Kept struct {
	Host string `json:"host"`
	Key  string `json:"key"`
	// State is "up", "dialling", "waiting", "refused" or "idle".
	State     string `json:"state"`
	LastError string `json:"last_error,omitempty"`
}

// Locked describes a daemon that refuses what is new.
type Locked struct {
	Since time.Time `json:"since"`
	// Passphrase is true when one is needed to unlock.
	Passphrase bool `json:"passphrase"`
}

// Master describes one live connection.
type Master struct {
	Key    string `json:"key"`
	Parent string `json:"parent,omitempty"`
	// Number is this connection's; one that is being replaced has its key in
	// common with the next. Through is the number of the connection that it
	// runs through, 0 for none.
	Number  int      `json:"number"`
	Through int      `json:"through,omitempty"`
	Hop     string   `json:"hop"`
	User    string   `json:"user"`
	Addr    string   `json:"addr"`
	Route   []string `json:"route"`
	// Address is where the hop was reached, "" for a ProxyCommand;
	// AlternateAddress is true when its HostName does not lead there.
	// SeveralAddresses is true when others were to choose from. Ways is how
	// many ways in there are and Way, from 1, the one in use.
	Address          string    `json:"address,omitempty"`
	AlternateAddress bool      `json:"alternate_address,omitempty"`
	SeveralAddresses bool      `json:"several_addresses,omitempty"`
	Ways             int       `json:"ways"`
	Way              int       `json:"way"`
	State            string    `json:"state"`
	Since            time.Time `json:"since"`
	Sessions         int       `json:"sessions"`
	// SessionLimit is how many sessions the server allows on one connection,
	// 0 while that is not known; Sibling is true for a second connection that
	// was opened because of it.
	SessionLimit int  `json:"session_limit,omitempty"`
	Sibling      bool `json:"sibling,omitempty"`
	// Control is the control socket that other ssh clients find, "" for none.
	Control string   `json:"control_path,omitempty"`
	Held    []Holder `json:"held"`
	// Forwards are its own, and those pinned over its route unless another one
	// replaces it.
	Forwards []Forward `json:"forwards"`
	Idle     *int64    `json:"idle_seconds,omitempty"`
	Expires  *int64    `json:"expires_in_seconds,omitempty"`
	BytesIn  int64     `json:"bytes_in"`
	BytesOut int64     `json:"bytes_out"`
	Server   string    `json:"server_version,omitempty"`
	HostKey  string    `json:"host_key,omitempty"`
	Auth     string    `json:"auth_method,omitempty"`
	Cipher   string    `json:"cipher,omitempty"`
	Kex      string    `json:"key_exchange,omitempty"`
}

// Holder is somebody's hold on a master.
type Holder struct {
	Use   string    `json:"use"`
	What  string    `json:"what,omitempty"`
	PID   int       `json:"pid,omitempty"`
	Since time.Time `json:"since"`
}

// Error is a failed request. Hop and what follows are set when a hop failed.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hop     string `json:"hop,omitempty"`
	Addr    string `json:"addr,omitempty"`
	Via     string `json:"via,omitempty"` // the hop it was dialled through
	Stage   string `json:"stage,omitempty"`
	Cause   string `json:"cause,omitempty"` // the likely one, a hop.Cause
	// Methods are those that a server which refused us would accept, by commas.
	Methods string `json:"methods,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// The codes of an Error.
const (
	CodeFailed   = "failed"    // Message says why
	CodeHop      = "hop"       // a hop failed, in Stage
	CodeNoMaster = "no-master" // check, down: nothing is up for the route
	CodeLocked   = "locked"    // nothing new is allowed now
	CodeVersion  = "version"   // client and daemon do not match
	CodeBad      = "bad"       // the request cannot be understood
)

// answer is the client's reply to a Question.
type answer struct {
	ID   int
	Text string
	// Refused is "nobody" or "cancelled" when there is no text.
	Refused string
}

// event is any message from the daemon; one field is set.
type event struct {
	Ask    *Question
	Tell   *Notice
	Log    *Record
	Result *Result
	Error  *Error
}
