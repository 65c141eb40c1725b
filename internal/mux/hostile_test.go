package mux

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const goldenClientHello = "00000008 00000001 00000004"

// quick makes a server give up on half-sent things soon.
var quick = ServerConfig{PartTimeout: 30 * time.Millisecond, WriteTimeout: 30 * time.Millisecond}

func TestHostileBytes(t *testing.T) {
	for name, send := range map[string]string{
		"length of 4 GiB":       goldenClientHello + " ffffffff 10000004 00000000",
		"length just too much":  goldenClientHello + " 00040001",
		"empty packet":          goldenClientHello + " 00000000",
		"type only":             goldenClientHello + " 00000004 10000004",
		"half a length":         goldenClientHello + " 0000",
		"half a packet":         goldenClientHello + " 00000008 1000",
		"no greeting":           "00000008 10000004 00000000",
		"half a greeting":       "00000008 0000",
		"greeting of version 3": "00000008 00000001 00000003",
		"two greetings":         goldenClientHello + " " + goldenClientHello,
		"greeting cut short":    "0000000c 00000001 00000004 00000009",
		"session cut short":     goldenClientHello + " 00000010 10000002 00000007 00000000 00000001",
		"string beyond the end": goldenClientHello + " 0000000c 20000001 00000000 7fffffff",
		"NUL in a string":       goldenClientHello + " 0000000f 20000001 00000000 00000003 610062",
		"forward cut short":     goldenClientHello + " 0000000c 10000006 00000000 00000001",
		"nothing at all":        "",
	} {
		conn, wait := serve(t, &shellHandler{}, quick)
		if _, err := conn.Write(unhex(t, send)); err != nil {
			t.Fatal(err)
		}
		expect(t, conn, name, unhex(t, goldenHelloInfo))
		expectEnd(t, conn, name)
		var bad *ProtocolError
		if err := wait(); !errors.As(err, &bad) {
			t.Errorf("%s: Serve returned %v", name, err)
		}
	}
}

func TestHostileUnknownExtension(t *testing.T) {
	conn, _ := serve(t, &shellHandler{}, quick)
	hello := "00000014 00000001 00000004 00000002 'xx' 00000002 'yy'"
	if _, err := conn.Write(unhex(t, hello+" 00000008 10000009 00000001")); err != nil {
		t.Fatal(err)
	}
	expect(t, conn, "stop", unhex(t, goldenHelloInfo+" 00000008 80000001 00000001"))
}

const goldenNoDescriptors = "0000002c 80000003 00000007 00000020" +
	" 'did' 20 'not' 20 'receive' 20 'file' 20 'descriptors'"

// descriptors counts what is open in this process.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	return len(entries)
}

func TestHostileDescriptors(t *testing.T) {
	null := int(openNull(t).Fd())
	many := func(n int) []byte {
		fds := make([]int, n)
		for i := range fds {
			fds[i] = null
		}
		return unix.UnixRights(fds...)
	}
	for name, messages := range map[string][][]byte{
		"none sent":          {},
		"one of three":       {many(1)},
		"bytes without":      {nil, nil, nil},
		"two on one message": {many(2)},
		"253 on one message": {many(1), many(253)},
	} {
		before := descriptors(t)
		h := &shellHandler{}
		conn, wait := serve(t, h, quick)
		greet(t, conn)
		if _, err := conn.Write(unhex(t, goldenRequests[0].bytes)); err != nil {
			t.Fatal(err)
		}
		for _, oob := range messages {
			_, _, err := conn.WriteMsgUnix([]byte{0}, oob, nil)
			if err != nil && !hasLeft(err) { // it may have had enough already
				t.Fatal(name, err)
			}
		}
		expect(t, conn, name, unhex(t, goldenNoDescriptors))
		expectEnd(t, conn, name)
		if err := wait(); err == nil {
			t.Errorf("%s: no error", name)
		}
		conn.Close()
		if after := descriptors(t); after != before {
			t.Errorf("%s: %d descriptors before, %d after", name, before, after)
		}
		if len(h.sessions) != 0 {
			t.Errorf("%s: a session was opened", name)
		}
	}
}

func openNull(t testing.TB) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Descriptors that ride on a packet are dropped by the kernel, not kept.
func TestHostileDescriptorsOnPacket(t *testing.T) {
	before := descriptors(t)
	conn, wait := serve(t, &shellHandler{}, quick)
	greet(t, conn)
	oob := unix.UnixRights(int(openNull(t).Fd()))
	if _, _, err := conn.WriteMsgUnix(unhex(t, "00000008 10000009 00000001"), oob, nil); err != nil {
		t.Fatal(err)
	}
	expect(t, conn, "stop", unhex(t, "00000008 80000001 00000001"))
	conn.Close()
	_ = wait()
	if after := descriptors(t); after != before+1 { // our own /dev/null
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestHostileSecondSession(t *testing.T) {
	running := make(chan struct{})
	h := &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(ctx context.Context, _ func()) (Exit, error) {
			defer closeFiles(fds[:])
			<-running
			return Exit{Known: true}, nil
		}), nil
	}}
	conn, _ := serve(t, h, ServerConfig{})
	greet(t, conn)
	sendSession(t, conn, 3)
	expect(t, conn, "first session", unhex(t, "0000000c 80000006 00000007 00000000"))
	before := descriptors(t)
	for range 3 {
		sendSession(t, conn, 3)
		expect(t, conn, "second session", unhex(t, "0000002b 80000003 00000007 0000001f"+
			" 'Multiple' 20 'sessions' 20 'not' 20 'supported'"))
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	close(running)
	expect(t, conn, "exit", unhex(t, "0000000c 80000004 00000000 00000000"))
	expectEnd(t, conn, "exit")
}

// A client that asks and never reads is dropped; another is not disturbed.
func TestHostileClientStopsReading(t *testing.T) {
	h := &shellHandler{}
	conn, wait := serve(t, h, quick)
	greet(t, conn)
	info := newEncoder(reqInfo).uint32(0).string(strings.Repeat("x", 1000)).packet()
	for {
		if _, err := conn.Write(info); err != nil {
			break // dropped
		}
	}
	if err := wait(); err == nil {
		t.Error("no error")
	}
	other, _ := serve(t, h, quick)
	greet(t, other)
}

// The client vanishes while its session is being opened.
func TestVanishWhileOpening(t *testing.T) {
	before := descriptors(t)
	opening := make(chan struct{})
	h := &shellHandler{openSession: func(ctx context.Context, _ *SessionRequest, _ [3]*os.File) (Session, error) {
		close(opening)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	conn, wait := serve(t, h, ServerConfig{})
	greet(t, conn)
	sendSession(t, conn, 3)
	<-opening
	conn.Close()
	if err := wait(); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// The end of the serving ends a session, and Serve waits for it.
func TestServeEndsWithContext(t *testing.T) {
	ours, theirs := socketPair(t)
	ended := false
	h := &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(ctx context.Context, _ func()) (Exit, error) {
			defer closeFiles(fds[:])
			<-ctx.Done()
			ended = true
			return Exit{}, ctx.Err()
		}), nil
	}}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- Serve(ctx, ours, h, ServerConfig{}) }()
	greet(t, theirs)
	sendSession(t, theirs, 3)
	expect(t, theirs, "session", unhex(t, "0000000c 80000006 00000007 00000000"))
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || !ended {
		t.Errorf("Serve = %v, session ended: %v", err, ended)
	}
	expectEnd(t, theirs, "after the end")
}

func TestDescriptorsAreClosedOnExec(t *testing.T) {
	checked := make(chan error, 1)
	h := &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		for _, f := range fds {
			flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
			if err == nil && flags&unix.FD_CLOEXEC == 0 {
				err = errors.New("not closed on exec")
			}
			if err != nil {
				checked <- err
			}
		}
		close(checked)
		return nil, errors.New("enough")
	}}
	conn, _ := serve(t, h, ServerConfig{})
	greet(t, conn)
	sendSession(t, conn, 3)
	if err := <-checked; err != nil {
		t.Error(err)
	}
}

// After 500 sessions, 20 at a time, nothing is left.
func TestNoLeaks(t *testing.T) {
	path := listenAndServe(t, &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(context.Context, func()) (Exit, error) {
			defer closeFiles(fds[:])
			return Exit{Known: true, Status: 1}, nil
		}), nil
	}})
	null := openNull(t)
	batch := func() {
		done := make(chan error)
		for range 20 {
			go func() { done <- oneSession(path, null) }()
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	batch()
	files, goroutines := settled(t)
	for range 25 {
		batch()
	}
	var files2, goroutines2 int
	for end := time.Now().Add(testTimeout); time.Now().Before(end); {
		if files2, goroutines2 = settled(t); files2 <= files && goroutines2 <= goroutines {
			return
		}
	}
	t.Errorf("descriptors %d -> %d, goroutines %d -> %d", files, files2, goroutines, goroutines2)
}

// settled counts when the counts have stopped falling.
func settled(t testing.TB) (files, goroutines int) {
	files, goroutines = 1<<30, 1<<30
	for same := 0; same < 20; {
		f, g := descriptors(t), runtime.NumGoroutine()
		if f < files || g < goroutines {
			files, goroutines, same = min(f, files), min(g, goroutines), 0
		} else {
			same++
		}
		time.Sleep(2 * time.Millisecond)
	}
	return files, goroutines
}

func oneSession(path string, null *os.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	c, err := NewClient(ctx, conn)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Session(ctx, &SessionRequest{}, [3]*os.File{null, null, null})
	if err != nil {
		return err
	}
	exit, err := s.Wait(ctx, nil)
	if err == nil && exit != (Exit{Known: true, Status: 1}) {
		err = errors.New("wrong exit status")
	}
	return err
}

// A reason is not waited for when the client's standard error is full.
func TestRefusalWithFullStderr(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd := int(w.Fd()) // which makes it blocking
	for free := 1; free == 1; {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if free, err = unix.Poll(fds, 0); err == nil && free == 1 {
			_, err = unix.Write(fd, make([]byte, 4096))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	path := listenAndServe(t, &shellHandler{openSession: func(context.Context, *SessionRequest, [3]*os.File) (Session, error) {
		return nil, Refused{"no"}
	}})
	ctx := testContext(t)
	s, err := attach(t, path).Session(ctx, &SessionRequest{}, [3]*os.File{openNull(t), openNull(t), w})
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := s.Wait(ctx, nil); err != nil || exit != (Exit{Known: true, Status: 255}) {
		t.Errorf("%v, %v", exit, err)
	}
}

// The client's side of bad bytes.
func TestHostileMaster(t *testing.T) {
	for name, send := range map[string]string{
		"version 5":      "00000008 00000001 00000005",
		"4 GiB":          "ffffffff",
		"no greeting":    "00000008 80000001 00000000",
		"closed at once": "",
	} {
		ours, theirs := socketPair(t)
		_, _ = theirs.Write(unhex(t, send))
		_ = theirs.CloseWrite()
		if _, err := NewClient(testContext(t), ours); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, send := range map[string]string{
		"wrong id":   "0000000c 80000005 00000063 00000001",
		"wrong type": "0000000c 8000000a 00000000 00000001",
		"too short":  "00000008 80000005 00000000",
		"lost":       "",
	} {
		ours, theirs := socketPair(t)
		_, _ = theirs.Write(unhex(t, goldenHelloInfo+" "+send))
		c, err := NewClient(testContext(t), ours)
		if err != nil {
			t.Fatal(err)
		}
		_ = theirs.CloseWrite()
		if _, err := c.Alive(testContext(t)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A master that says nothing is left when the context ends.
func TestSilentMaster(t *testing.T) {
	ours, _ := socketPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := NewClient(ctx, ours); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A request that no master would read is not sent.
func TestRequestTooLong(t *testing.T) {
	c := attach(t, listenAndServe(t, &shellHandler{}))
	null := openNull(t)
	r := &SessionRequest{Command: strings.Repeat("x", maxPacket)}
	_, err := c.Session(testContext(t), r, [3]*os.File{null, null, null})
	var bad *ProtocolError
	if !errors.As(err, &bad) || errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Alive(testContext(t)); err != nil {
		t.Error("after that:", err)
	}
}

// The client's shell shares the descriptors: whatever their flags, they stay.
func TestFlagsStay(t *testing.T) {
	for _, refuse := range []error{nil, errors.New("no"), Refused{"no"}} {
		path := listenAndServe(t, &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
			return funcSession(func(context.Context, func()) (Exit, error) {
				closeFiles(fds[:])
				return Exit{}, nil
			}), refuse
		}})
		for _, nonblock := range []bool{false, true} {
			var p [2]int
			if err := unix.Pipe(p[:]); err != nil {
				t.Fatal(err)
			}
			if err := unix.SetNonblock(p[1], nonblock); err != nil {
				t.Fatal(err)
			}
			before, _ := unix.FcntlInt(uintptr(p[1]), unix.F_GETFL, 0)
			w := os.NewFile(uintptr(p[1]), "shared")
			s, err := attach(t, path).Session(testContext(t), &SessionRequest{}, [3]*os.File{w, w, w})
			if err == nil {
				_, _ = s.Wait(testContext(t), nil)
			}
			if after, _ := unix.FcntlInt(uintptr(p[1]), unix.F_GETFL, 0); after != before {
				t.Errorf("%v: flags %#x became %#x", refuse, before, after)
			}
			w.Close()
			_ = unix.Close(p[0])
		}
	}
}
