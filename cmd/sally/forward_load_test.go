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

// TestOneStalledReceiver: one of many receivers stops reading; the others keep
// their pace, and it has lost nothing when it goes on.
func TestOneStalledReceiver(t *testing.T) {
	t.Parallel()
	u := newUser(t, twoJumps(t))
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 2<<10)
	endless := listenFor(t, func(c *net.TCPConn) {
		for {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	from := listenEnds(t)[0]
	u.pin("target", "-L", from.flag+":"+endless)
	const n = 50
	var moved atomic.Int64 // by all but the first
	var stalled sync.Mutex // held while the first must not read
	var conns []net.Conn
	var readers sync.WaitGroup
	for i := range n {
		c := dial(t, "tcp", from.addr)
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		conns = append(conns, c)
		readers.Go(func() {
			buf := make([]byte, len(chunk))
			for at := 0; ; {
				if i == 0 {
					stalled.Lock()
					stalled.Unlock() //lint:ignore SA2001 it only waits
				}
				got, err := c.Read(buf)
				if err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("connection %d: %v", i, err)
					}
					return
				}
				for k := range got { // in order, nothing lost
					if buf[k] != "0123456789abcdef"[(at+k)%16] {
						t.Errorf("connection %d: byte %d is wrong", i, at+k)
						return
					}
				}
				if at += got; i > 0 {
					moved.Add(int64(got))
				}
			}
		})
	}
	await(t, "all are served", func() bool { return u.forwards()[0].Connections == n })
	pace := func(d time.Duration) int64 {
		before := moved.Load()
		time.Sleep(d)
		return moved.Load() - before
	}
	var free, held int64
	slice := time.Duration(loadFactor) * 100 * time.Millisecond
	pace(slice)
	for range 5 { // in turns: other load on the machine is the same for both
		free += pace(slice)
		stalled.Lock()
		pace(slice / 2) // its buffers fill
		held += pace(slice)
		stalled.Unlock()
	}
	ratio := float64(held) / float64(free)
	t.Logf("the others move %d MB/s, and %d MB/s while one stands still: %.0f %%", free/5/int64(slice/time.Millisecond)/1000, held/5/int64(slice/time.Millisecond)/1000, 100*ratio)
	least := 0.8
	if loadFactor == 1 { // half a second is not much to measure by
		least = 0.4
	}
	if ratio < least {
		t.Errorf("the others move at %.0f %% of their pace", 100*ratio)
	}
	for _, c := range conns {
		c.Close()
	}
	readers.Wait()
}
