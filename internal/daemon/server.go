package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/forward"
	"sallyport/internal/hop"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// Defaults for what ssh_config(5) says nothing about.
const (
	defaultPersist = time.Hour
	defaultMaxAge  = 8 * time.Hour
	// controlPoll is how often control sockets are looked for.
	controlPoll = 2 * time.Second
)

// Config is what a Server needs. Its zero value works.
type Config struct {
	// Version is reported by status.
	Version string
	// Socket is reported by status.
	Socket string
	// LogFile receives the log, as JSON lines; nil for none.
	LogFile io.Writer
	// PinFile is where pinned forwards are kept for the next daemon; "" for
	// nowhere.
	PinFile string
	// Private makes masters end with their last lease: a command that runs
	// the server in its own process.
	Private bool
	// Tell gets the notices and the log of a private server; nil keeps the
	// log in the server, and notices go to whoever waits for a dial.
	Tell func(hop.Notice)
	// Say prints an error of a session in the voice of the process that a
	// private server runs in; nil writes it to the client's standard error.
	Say func(error)
	// Louder changes the LogLevel of the process that a private server runs
	// in, one up or down, and returns its name; nil where that means nothing.
	Louder func(up bool) string
	// Background, when set, is told that the session of the process that a
	// private server runs in goes on without its terminal (~&); AwaitBackground
	// waits for the end. nil says that it cannot.
	Background func()
	// Through, when set, is a master to ride on in proxy mode: nothing is
	// dialled.
	Through *mux.Client
}

// Server performs requests on one pool. Close it.
type Server struct {
	// config: not changed after New
	config Config
	pool   *pool.Pool
	book   *logbook
	log    *slog.Logger
	since  time.Time

	padlock  *padlock
	kept     keptMasters
	sessions *sessionTable
	quit     chan struct{} // closed when a client asked for the end
	quitOnce sync.Once
	serving  sync.WaitGroup
	left     sync.WaitGroup // sessions in the background
	mu       sync.Mutex
	lives    map[pool.Conn]*live
	riders   int           // live connections, control sockets and their clients
	changed  chan struct{} // closed when riders changes
	controls controls
	pins     *pins
	spots    spots
	consents hop.Consents
	carries  *forward.Limit  // connections of all forwards
	ctx      context.Context // ends with the server; every connection's parent
	cancel   context.CancelFunc
}

// New makes a server without connections.
func New(c Config) *Server {
	s := &Server{config: c, since: time.Now(), quit: make(chan struct{}), sessions: newSessionTable(), padlock: newPadlock(), kept: keptMasters{byKey: map[route.Key]*keptMaster{}},
		lives: map[pool.Conn]*live{}, changed: make(chan struct{}), controls: controls{byPath: map[string]*control{}}}
	s.book = newLogbook(c.LogFile)
	s.log = slog.New(logHandler{book: s.book})
	if c.Tell != nil {
		s.log = slog.New(fanout{logHandler{book: s.book}, debugHandler{tell: c.Tell}})
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.pool = pool.New(pool.Config{Dial: s.dial, Policy: s.policy, Log: s.log})
	s.carries = forward.SystemLimit()
	s.pins = &pins{server: s, file: c.PinFile}
	return s
}

// Close ends every connection and waits until nothing runs any more.
func (s *Server) Close() {
	s.pins.close()
	s.cancel()
	s.left.Wait()
	s.pool.Close()
	s.serving.Wait()
}

// busy reports whether there is a reason to stay.
func (s *Server) busy() bool {
	return s.padlock.check() != nil || len(s.keptList()) > 0 || !s.pool.Idle() || s.pins.some()
}

// Quit is closed when a client asked the daemon to end.
func (s *Server) Quit() <-chan struct{} { return s.quit }

// Serve performs the request that arrives on conn and closes it.
func (s *Server) Serve(conn *net.UnixConn) {
	s.serving.Go(func() {
		defer conn.Close()
		peer, err := mux.PeerOf(conn)
		if err != nil || !peer.Trusted() {
			s.log.Warn("refused a client", "uid", peer.UID, "pid", peer.PID, "err", err)
			return
		}
		if err := api.Serve(s.ctx, conn, client{s, peer}); err != nil && !errors.Is(err, io.EOF) {
			s.log.Debug("request ended", "err", err)
		}
	})
}

// pathsChanged looks whether the connections are still there, and has those made
// that could not be made before.
func (s *Server) pathsChanged(why string) {
	s.pool.Suspect(why)
	s.pool.WakeKeepers()
}

// policy is how long a route's master is kept.
func (s *Server) policy(rt route.Route) pool.Policy {
	c := rt.Target().Options.Control
	p := pool.Policy{Persist: defaultPersist, MaxAge: defaultMaxAge}
	switch {
	case s.config.Private && (c.Path == "" || !c.PersistSet):
		return pool.Policy{}
	case c.PersistForever:
		p.Persist = -1
	case c.PersistSet:
		p.Persist = c.Persist
	}
	if c.MaxAge > 0 {
		p.MaxAge = c.MaxAge
	}
	return p
}

// dialLog is the log of one dial and of the connection that comes of it. Those
// who wait for the dial may see it; a private server's command sees all of it.
func (s *Server) dialLog(ask hop.Asker) *slog.Logger {
	if s.config.Tell != nil {
		return s.log
	}
	return slog.New(fanout{logHandler{book: s.book}, debugHandler{tell: ask.Tell}})
}

// dial is the pool's Dialer.
func (s *Server) dial(ctx context.Context, rt route.Route, via hop.Opener, ask hop.Asker) (pool.Conn, error) {
	if s.config.Through != nil {
		conn, err := ride(ctx, s.config.Through)
		if err != nil {
			return nil, err
		}
		s.track(rt, conn)
		return conn, nil
	}
	if err := s.padlock.check(); err != nil {
		return nil, err
	}
	cfg := hop.Config{
		MayOpen: s.padlock.check,
		Hop:     rt.Target(), Via: via, Asker: ask,
		Log: s.dialLog(ask), Prefer: s.spots.recall(rt), Consents: &s.consents,
	}
	if parent, ok := rt.Parent(); ok {
		cfg.ViaName = parent.Target().Name
	}
	conn, err := hop.Dial(ctx, cfg)
	if err != nil {
		s.log.Warn("connection failed", "hop", rt.Target().Name, "err", err)
		return nil, err
	}
	s.spots.keep(rt, conn.Spot())
	s.track(rt, conn)
	return conn, nil
}
