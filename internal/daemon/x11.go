package daemon

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/forward"
	"sallyport/internal/hop"
	"sallyport/internal/pool"
	"sallyport/internal/session"
	"sallyport/internal/sshconfig"
)

// x11Channel is what a server opens for each connection of an X client: RFC
// 4254 §6.3.2.
const x11Channel = "x11"

// The authentication protocol of X that is spoken to servers and displays, and
// the length of its cookies in bytes.
const (
	x11Protocol  = "MIT-MAGIC-COOKIE-1"
	x11CookieLen = 16
)

// Bounds of X11 forwarding.
const (
	xauthTimeout  = 10 * time.Second // for a run of xauth
	x11Greeting   = time.Minute      // for an X client's first message
	x11GraceAfter = time.Minute      // what an untrusted cookie outlives its use, as ssh(1) has it
	maxX11Clients = 256              // at a time, on a connection
)

// lentDisplays are the displays that sessions of a connection forward. Each
// session has a fake cookie of its own, which its X clients show: so every
// client's own display is found.
type lentDisplays struct {
	mu     sync.Mutex
	byFake map[[x11CookieLen]byte]*display
	open   int           // channels that the server has open
	idle   chan struct{} // closed when there are none; nil when nobody waits
}

// enter counts a channel that the server opens; false when no session forwards
// a display, or for one too many.
func (l *lentDisplays) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.byFake) == 0 || l.open >= maxX11Clients {
		return false
	}
	l.open++
	return true
}

func (l *lentDisplays) exit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open--; l.open == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// gone is closed when no channel is open.
func (l *lentDisplays) gone() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	if l.open == 0 {
		close(idle)
		l.idle = nil
	}
	return idle
}

// display is somebody's X server and what lets us in there.
type display struct {
	network, addr string
	screen        int
	cookie        []byte
}

// lend makes a fake cookie for a display, good until takeBack is called.
func (l *lentDisplays) lend(d *display) (fake string, takeBack func()) {
	var cookie [x11CookieLen]byte
	_, _ = rand.Read(cookie[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byFake == nil {
		l.byFake = map[[x11CookieLen]byte]*display{}
	}
	l.byFake[cookie] = d
	return hex.EncodeToString(cookie[:]), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.byFake, cookie)
	}
}

// find is the display of a fake cookie, nil for none.
func (l *lentDisplays) find(shown []byte) *display {
	l.mu.Lock()
	defer l.mu.Unlock()
	for fake, d := range l.byFake {
		if subtle.ConstantTimeCompare(fake[:], shown) == 1 {
			return d
		}
	}
	return nil
}

// lendDisplay lends the client's display to a session on conn; nil when there
// is none, which the client's user is told.
func (m *master) lendDisplay(ctx context.Context, conn pool.Conn, stderr *os.File) (takeBack func(), x *session.X11) {
	nothing := func() {}
	l := m.server.liveOf(conn)
	name := lookup(m.origin().Env, "DISPLAY")
	if l == nil || name == "" {
		return nothing, nil
	}
	var d *display
	err := conn.MayForward()
	if err == nil {
		d, err = openDisplay(name)
	}
	if err == nil {
		d.cookie, err = xauthCookie(ctx, name, m.route.Target().Options, m.origin())
	}
	if err != nil {
		sayTo(stderr, fmt.Errorf("X11 is not forwarded: %w", err))
		return nothing, nil
	}
	fake, takeBack := l.displays.lend(d)
	if o := m.route.Target().Options.Forward; !o.X11Trusted && o.X11Timeout > 0 {
		// ssh_config(5), ForwardX11Timeout: later connections are refused.
		late := time.AfterFunc(o.X11Timeout, takeBack)
		end := takeBack
		takeBack = func() { late.Stop(); end() }
	}
	return takeBack, &session.X11{Protocol: x11Protocol, Cookie: fake, Screen: d.screen}
}

// openDisplay reads a display's name: "[host]:number[.screen]", or the path of
// a socket (X(7), DISPLAY NAMES).
func openDisplay(name string) (*display, error) {
	at := strings.LastIndexByte(name, ':')
	if at < 0 {
		return nil, fmt.Errorf("DISPLAY %q names no display", name)
	}
	number, screen, _ := strings.Cut(name[at+1:], ".")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 59535 {
		return nil, fmt.Errorf("DISPLAY %q names no display", name)
	}
	d := &display{}
	d.screen, _ = strconv.Atoi(screen)
	switch host := name[:at]; {
	case strings.HasPrefix(host, "/"):
		d.network, d.addr = "unix", name
	case host == "" || host == "unix":
		d.network, d.addr = "unix", filepath.Join("/tmp/.X11-unix", "X"+number)
	default:
		d.network, d.addr = "tcp", net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(6000+n))
	}
	return d, nil
}

// xauthCookie asks xauth for what lets us into a display; with ForwardX11Trusted
// no it is a cookie made for clients that are not trusted. A display that
// knows of none may let us in all the same: then the cookie is random.
func xauthCookie(ctx context.Context, name string, o sshconfig.Options, origin hop.Origin) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, xauthTimeout)
	defer cancel()
	xauth := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, o.Session.XAuthLocation, args...)
		cmd.Env, cmd.Dir = origin.Env, origin.Dir
		out, err := cmd.Output()
		return string(out), err
	}
	if host, rest, _ := strings.Cut(name, ":"); host == "localhost" {
		name = "unix:" + rest // as xauth files it
	}
	var list string
	if o.Forward.X11Trusted {
		list, _ = xauth("list", name)
	} else {
		dir, err := os.MkdirTemp("", "sally-x11-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "xauth")
		generate := []string{"-f", file, "generate", name, x11Protocol, "untrusted"}
		if o.Forward.X11Timeout > 0 {
			generate = append(generate, "timeout", strconv.Itoa(int((o.Forward.X11Timeout+x11GraceAfter)/time.Second)))
		}
		if _, err := xauth(generate...); err != nil {
			return nil, fmt.Errorf("untrusted: xauth generate: %w", err)
		}
		if list, err = xauth("-f", file, "list", name); err != nil {
			return nil, fmt.Errorf("untrusted: xauth list: %w", err)
		}
	}
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != x11Protocol {
			continue
		}
		if cookie, err := hex.DecodeString(fields[2]); err == nil && len(cookie) == x11CookieLen {
			return cookie, nil
		}
	}
	if !o.Forward.X11Trusted {
		return nil, errors.New("untrusted: xauth made no cookie")
	}
	random := make([]byte, x11CookieLen)
	_, _ = rand.Read(random)
	return random, nil
}

// serveX11 joins a channel that the server opened to the display that its X
// client means. A refusal may wait for a server that does not read, as in
// serveAgent.
func (l *live) serveX11(nc ssh.NewChannel) {
	if !l.displays.enter() {
		_ = nc.Reject(ssh.Prohibited, "no display is forwarded, or too many clients")
		return
	}
	l.server.serving.Go(func() {
		defer l.displays.exit()
		ch, reqs, err := nc.Accept()
		if err != nil {
			return
		}
		go ssh.DiscardRequests(reqs)
		if err := l.joinDisplay(ch); err != nil {
			l.server.log.Warn("X11 forwarding", "hop", l.route.Target().Name, "err", err)
		}
		_ = ch.Close()
	})
}

// joinDisplay reads an X client's greeting and puts the true cookie in.
func (l *live) joinDisplay(ch ssh.Channel) error {
	late := time.AfterFunc(x11Greeting, func() { _ = ch.Close() })
	greeting, cookie, err := readX11Greeting(ch)
	if !late.Stop() && err == nil {
		err = errors.New("no greeting in time")
	}
	if err != nil {
		return err
	}
	d := l.displays.find(greeting[cookie : cookie+x11CookieLen])
	if d == nil {
		return errors.New("an X client with a cookie that is nobody's")
	}
	copy(greeting[cookie:], d.cookie)
	conn, err := net.DialTimeout(d.network, d.addr, xauthTimeout)
	if err != nil {
		return fmt.Errorf("reach the display: %w", err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-l.conn.Done():
		case <-stop:
		}
		_ = conn.Close()
	}()
	if _, err := conn.Write(greeting); err != nil {
		return fmt.Errorf("reach the display: %w", err)
	}
	_ = forward.Splice(ch, conn.(forward.Stream), nil)
	return nil
}

// readX11Greeting reads the first message of an X client (X protocol, §8,
// connection setup), and says where in it the cookie is.
func readX11Greeting(r io.Reader) (greeting []byte, cookie int, err error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, 0, fmt.Errorf("read an X client's greeting: %w", err)
	}
	number := func(b []byte) int { return int(b[0])<<8 | int(b[1]) }
	switch head[0] {
	case 'B':
	case 'l':
		number = func(b []byte) int { return int(b[1])<<8 | int(b[0]) }
	default:
		return nil, 0, fmt.Errorf("an X client began with %q", head[:1])
	}
	protocol, data := number(head[6:]), number(head[8:])
	padded := func(n int) int { return (n + 3) &^ 3 }
	if protocol != len(x11Protocol) || data != x11CookieLen {
		return nil, 0, errors.New("an X client with another way to authenticate")
	}
	greeting = append(head, make([]byte, padded(protocol)+padded(data))...)
	if _, err := io.ReadFull(r, greeting[len(head):]); err != nil {
		return nil, 0, fmt.Errorf("read an X client's greeting: %w", err)
	}
	if string(greeting[12:12+protocol]) != x11Protocol {
		return nil, 0, errors.New("an X client with another way to authenticate")
	}
	return greeting, len(head) + padded(protocol), nil
}
