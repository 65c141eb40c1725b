package forward

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// pair is a TCP connection.
func pair(t testing.TB) (a, b Stream) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return dialled.(Stream), accepted.(Stream)
}

// spliced joins two connections and gives their outer ends.
func spliced(t testing.TB, count *Counters) (near, far Stream, done chan error) {
	t.Helper()
	near, a := pair(t)
	b, far := pair(t)
	done = make(chan error, 1)
	go func() { done <- Splice(a, b, count) }()
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far, done
}

func TestSpliceHalfCloses(t *testing.T) {
	sshtest.LeakCheck(t)
	for _, nearFirst := range []bool{true, false} {
		var count Counters
		near, far, done := spliced(t, &count)
		first, second := near, far
		if !nearFirst {
			first, second = far, near
		}
		send := func(dst, src Stream, text string) {
			t.Helper()
			if _, err := src.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := src.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(dst); string(got) != text || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		send(second, first, "question")
		// The first has seen no end yet and still gets the answer.
		send(first, second, "the answer")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if sum := count.Sent.Load() + count.Received.Load(); sum != 18 {
			t.Errorf("%d bytes counted", sum)
		}
	}
}

// TestSpliceBothWays sends much both ways at once.
func TestSpliceBothWays(t *testing.T) {
	sshtest.LeakCheck(t)
	near, far, done := spliced(t, nil)
	data := randomBytes(20 << 20)
	sum := sha256.Sum256(data)
	results := make(chan error, 2)
	for _, s := range []Stream{near, far} {
		go func() {
			s.Write(data)
			s.CloseWrite()
		}()
		go func() {
			h := sha256.New()
			_, err := io.Copy(h, s)
			if err == nil && !bytes.Equal(h.Sum(nil), sum[:]) {
				err = errors.New("wrong checksum")
			}
			results <- err
		}()
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestSpliceReset has one side abort: the other must not be left waiting.
func TestSpliceReset(t *testing.T) {
	sshtest.LeakCheck(t)
	near, far, done := spliced(t, nil)
	near.(*net.TCPConn).SetLinger(0)
	near.Close()
	if err := <-done; err == nil {
		t.Error("no error for a reset")
	}
	if got, _ := io.ReadAll(far); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// ended is a channel that its peer has closed: the library says io.EOF to who
// writes to it.
type ended struct{ Stream }

func (ended) Write([]byte) (int, error) { return 0, io.EOF }

// TestSpliceIntoEnded: that a peer takes nothing more is an end, and no error.
func TestSpliceIntoEnded(t *testing.T) {
	sshtest.LeakCheck(t)
	near, a := pair(t)
	b, far := pair(t)
	done := make(chan error, 1)
	go func() { done <- Splice(a, ended{b}, nil) }()
	if _, err := near.Write([]byte("more")); err != nil {
		t.Error(err)
	}
	far.Close()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
	near.Close()
}

// TestSpliceUploadBeforeReset keeps what was sent before an abrupt end: the
// sender does not read its answer, so that the kernel resets it.
func TestSpliceUploadBeforeReset(t *testing.T) {
	sshtest.LeakCheck(t)
	near, far, done := spliced(t, nil)
	if _, err := far.Write(randomBytes(1 << 20)); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("upload ", 1000)
	if _, err := near.Write([]byte(want)); err != nil {
		t.Fatal(err)
	}
	near.Close()
	got, err := io.ReadAll(far)
	if !strings.HasPrefix(want, string(got)) || len(got) != len(want) {
		t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
	}
	<-done
}

func TestPrefixed(t *testing.T) {
	sshtest.LeakCheck(t)
	near, a := pair(t)
	b, far := pair(t)
	done := make(chan error, 1)
	go func() { done <- Splice(&prefixed{Stream: a, head: []byte("head ")}, b, nil) }()
	near.Write([]byte("body"))
	near.CloseWrite()
	if got, err := io.ReadAll(far); string(got) != "head body" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	far.Close()
	near.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func BenchmarkSplice(b *testing.B) {
	near, far, done := spliced(b, nil)
	go func() { _, _ = io.Copy(io.Discard, far); far.Close() }()
	chunk := make([]byte, 64<<10)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := near.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	near.Close()
	<-done
}
