package main_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// listenFor serves every connection with f until the test ends.
func listenFor(t testing.TB, f func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			running.Go(func() {
				defer func() {
					conn.Close()
					mu.Lock()
					delete(open, conn)
					mu.Unlock()
				}()
				f(conn.(*net.TCPConn))
			})
		}
	})
	return l.Addr().String()
}

// checksums answers what a connection sends with a checksum of it, at its end;
// what begins with "e" comes back itself, while it is sent.
func checksums(c *net.TCPConn) {
	head := make([]byte, 1)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	if head[0] == 'e' {
		io.Copy(c, c)
		c.CloseWrite()
		return
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, c); err == nil {
		c.Write(sum.Sum(nil))
	}
}

// visit makes one connection of a kind and checks what it brings.
func visit(addr string, kind int, data []byte) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	c := conn.(*net.TCPConn)
	defer c.Close()
	c.SetDeadline(time.Now().Add(3 * time.Minute))
	var want []byte
	switch sum := sha256.Sum256(data); kind {
	case 0: // goes away in the middle
		c.Write([]byte("e"))
		c.Write(data[:len(data)/2])
		return nil
	case 1: // reads while it sends, and half-closes
		want = data
		go func() {
			c.Write(append([]byte("e"), data...))
			c.CloseWrite()
		}()
	default: // sends, half-closes, and then reads
		want = sum[:]
		if _, err := c.Write(append([]byte("s"), data...)); err != nil {
			return err
		}
		if err := c.CloseWrite(); err != nil {
			return err
		}
	}
	got, err := io.ReadAll(c)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes came back, want %d", len(got), len(want))
	}
	return err
}

// rss is a process's memory in kB.
func rss(t testing.TB, pid int) (kB int) {
	t.Helper()
	for line := range strings.Lines(readFile(t, fmt.Sprintf("/proc/%d/status", pid))) {
		fmt.Sscanf(line, "VmRSS: %d kB", &kB)
	}
	return kB
}

// TestManyThroughOneForward: random sizes and ends, every checksum right, none
// stuck, and nothing left.
func TestManyThroughOneForward(t *testing.T) {
	t.Parallel()
	u := newUser(t, twoJumps(t))
	from := listenEnds(t)[0]
	u.pin("target", "-L", from.flag+":"+listenFor(t, checksums))
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	total, atOnce := 200*loadFactor, 20*loadFactor
	round := func(seed uint64) {
		slots := make(chan struct{}, atOnce)
		var all sync.WaitGroup
		var failures atomic.Int64
		for i := range total {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				random := rand.New(rand.NewPCG(uint64(i), seed))
				size := random.IntN(1 << (1 + random.IntN(20)))
				if err := visit(from.addr, random.IntN(5), data[:size]); err != nil && failures.Add(1) < 5 {
					t.Errorf("connection %d of %d bytes: %v", i, size, err)
				}
			})
		}
		all.Wait()
	}
	pid := 0
	var memory []int
	start := time.Now()
	for seed := range uint64(3) {
		round(seed)
		await(t, "all connections have ended", func() bool { return u.forwards()[0].Connections == 0 })
		pid = u.status().PID
		memory = append(memory, rss(t, pid))
	}
	descriptors, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	f := u.forwards()[0]
	t.Logf("%d connections, %d at a time, %d MB sent in %v; daemon's memory after each third: %v kB; %d descriptors",
		f.Total, atOnce, f.BytesOut>>20, time.Since(start).Round(time.Millisecond), memory, len(descriptors))
	if f.Total != int64(3*total) || f.Failed != 0 || len(descriptors) > 40 {
		t.Errorf("%+v, %d descriptors", f, len(descriptors))
	}
	if memory[2] > memory[1]+memory[1]/4+8<<10 && !raceDetector {
		t.Errorf("memory grows: %v kB", memory)
	}
}

// swarm is many receivers of endless streams through one forward.
type swarm struct {
	moved   []atomic.Int64 // what each has read
	stalled sync.Mutex     // held while the first must not read
	conns   []net.Conn
	readers sync.WaitGroup
}

const endlessText = "0123456789abcdef"

// newSwarm connects n receivers.
func newSwarm(t testing.TB, u *user, n int) *swarm {
	t.Helper()
	chunk := []byte(strings.Repeat(endlessText, 2<<10))
	endless := listenFor(t, func(c *net.TCPConn) {
		for {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	from := listenEnds(t)[2]
	u.pin("target", "-L", from.flag+":"+endless)
	s := &swarm{moved: make([]atomic.Int64, n)}
	for i := range n {
		c := dial(t, from.network, from.addr)
		c.SetDeadline(time.Now().Add(3 * time.Minute))
		s.conns = append(s.conns, c)
		s.readers.Go(func() {
			if err := s.read(c, i); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	await(t, "all are served", func() bool { return u.forwards()[0].Connections == int64(n) })
	return s
}

// read reads until the end, and wants everything in its place.
func (s *swarm) read(c net.Conn, number int) error {
	buf := make([]byte, 32<<10)
	for at := 0; ; {
		if number == 0 {
			s.stalled.Lock()
			s.stalled.Unlock() //lint:ignore SA2001 it only waits
		}
		n, err := c.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		for i := range n {
			if buf[i] != endlessText[(at+i)%len(endlessText)] {
				return fmt.Errorf("byte %d is wrong", at+i)
			}
		}
		at += n
		s.moved[number].Store(int64(at))
	}
}

// awaitAll waits until each receiver but the first has got that much more.
func (s *swarm) awaitAll(t testing.TB, more int64) {
	t.Helper()
	others := s.moved[1:]
	goals := make([]int64, len(others))
	for i := range others {
		goals[i] = others[i].Load() + more
	}
	for i := range others {
		await(t, fmt.Sprintf("receiver %d goes on", i+1), func() bool { return others[i].Load() >= goals[i] })
	}
}

func (s *swarm) close() {
	for _, c := range s.conns {
		c.Close()
	}
	s.readers.Wait()
}

// TestOneStalledReceiver: one of 50 receivers stops reading; each of the others
// gets more than all buffers on the way hold, and it has lost nothing when it
// goes on. How quickly the others move is TestPaceBesideAStalledReceiver's.
func TestOneStalledReceiver(t *testing.T) {
	t.Parallel()
	s := newSwarm(t, newUser(t, twoJumps(t)), 50)
	s.stalled.Lock()
	const beyondBuffers = 3 << 20 // a channel's window is 2 MB
	s.awaitAll(t, beyondBuffers)
	s.stalled.Unlock()
	before := s.moved[0].Load()
	await(t, "the stalled one goes on", func() bool { return s.moved[0].Load() > before+beyondBuffers })
	s.close()
}
