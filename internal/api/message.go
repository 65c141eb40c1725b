package api

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Version is the protocol's; client and daemon must agree.
const Version = 1

// maxMessage bounds a message, in bytes.
const maxMessage = 4 << 20

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
	Version int `json:"version"`
	Op      Op  `json:"op"`
	// Route is a resolved route, for up, attach and check.
	Route json.RawMessage `json:"route,omitempty"`
	// Key names a route for check and down where the whole is not needed.
	Key string `json:"key,omitempty"`
	// All is down's: every master.
	All bool `json:"all,omitempty"`
	// Drain is down's: who uses the master goes on, and it closes after that.
	Drain bool `json:"drain,omitempty"`
	// Watch is check's: the round trip does not count as use, so whoever only
	// looks on keeps no connection alive.
	Watch bool `json:"watch,omitempty"`
	// Pin is up's: keep it up until it is taken down.
	Pin bool `json:"pin,omitempty"`
	// Passphrase is lock's: ask for one, which unlock will ask for.
	Passphrase bool `json:"passphrase,omitempty"`
	// Env and Dir are the asking process's environment and working directory.
	Env []string `json:"env,omitempty"`
	Dir string   `json:"dir,omitempty"`
	// Debug asks for debugging notices up to this level, 0 for none.
	Debug int `json:"debug,omitempty"`
	// Hop limits logs to one hop; Follow goes on until the client leaves.
	Hop    string `json:"hop,omitempty"`
	Follow bool   `json:"follow,omitempty"`
	// Hangup is attach's: the signal, named without SIG, that a session's
	// program gets when the client goes away before it has ended; "" for none.
	Hangup string `json:"hangup,omitempty"`
	// What says what a lease is for, for status: "shell", "command", …
	What string `json:"what,omitempty"`
	// Detach is attach's: a stdio forward goes on when its client has left.
	Detach bool `json:"detach,omitempty"`
	// Forwards are attach's that must be able to listen before anything is
	// dialled; for forward-add they are those to add, with a Name for all of them; Now brings the
	// route up at once. IDs are the ids or names of those to remove (or All).
	Forwards []ForwardSpec `json:"forwards,omitempty"`
	Name     string        `json:"name,omitempty"`
	Now      bool          `json:"now,omitempty"`
	IDs      []string      `json:"ids,omitempty"`
}

// Question is something the person must answer.
type Question struct {
	ID    int    `json:"id"`
	Hop   string `json:"hop"`
	Kind  string `json:"kind"`
	Intro string `json:"intro,omitempty"`
	Text  string `json:"text"`
	Echo  bool   `json:"echo,omitempty"`
}

// Notice is something the person should see.
type Notice struct {
	Hop  string `json:"hop"`
	Kind string `json:"kind"` // "banner", "warning", "info" or "debug"
	Text string `json:"text"`
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
	Key   string `json:"key,omitempty"`   // up, attach
	Fresh bool   `json:"fresh,omitempty"` // up: dialled by this request
	// Control is up's: the route's ControlPath, when it is served there.
	Control string   `json:"control_path,omitempty"`
	Closed  []string `json:"closed,omitempty"`
	Status  *Status  `json:"status,omitempty"`
	RTT     float64  `json:"rtt_seconds,omitempty"`
	Records []Record `json:"records,omitempty"`
	// Forwards are those added, listed or removed.
	Forwards []Forward `json:"forwards,omitempty"`
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
	Key    string   `json:"key"`
	Parent string   `json:"parent,omitempty"`
	Hop    string   `json:"hop"`
	User   string   `json:"user"`
	Addr   string   `json:"addr"`
	Route  []string `json:"route"`
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
	// Forwards are those that listen now.
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
	ID   int    `json:"id"`
	Text string `json:"text,omitempty"`
	// Refused is "nobody" or "cancelled" when there is no text.
	Refused string `json:"refused,omitempty"`
}

// event is any message from the daemon; one field is set.
type event struct {
	Ask    *Question `json:"ask,omitempty"`
	Tell   *Notice   `json:"tell,omitempty"`
	Log    *Record   `json:"log,omitempty"`
	Result *Result   `json:"result,omitempty"`
	Error  *Error    `json:"error,omitempty"`
}

// errTooLong is about a message of more than maxMessage.
var errTooLong = errors.New("message is too long")

// writeMessage sends one message in one write.
func writeMessage(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(body) > maxMessage {
		return fmt.Errorf("%w: %d bytes", errTooLong, len(body))
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// readMessage reads exactly one message. Memory grows only with what arrives.
func readMessage(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage {
		return fmt.Errorf("%w: %d bytes", errTooLong, n)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return err
	}
	if len(body) < int(n) {
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}
