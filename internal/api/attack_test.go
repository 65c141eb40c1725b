package api

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/plain"
)

// frame is a message of any bytes.
func frame(body string) string { return string(appendFrame(nil, body)) }

// message is one that v points to.
func message(v any) string { return frame(string(plain.Append(nil, v))) }

// request is all that a client sends at first.
func request(r Request) string { return frame(ourHello()) + message(&r) }

// hostile is what a client should not send as its request, and what Serve says.
var hostile = map[string]struct{ bytes, err string }{
	"nothing":          {"", "EOF"},
	"half a length":    {"\x00\x00", "unexpected EOF"},
	"half a hello":     {"\x00\x00\x00\x20{\"version\":1", "unexpected EOF"},
	"4 GiB announced":  {"\xff\xff\xff\xff{}", "too long"},
	"a byte too much":  {"\x00\x40\x00\x01", "too long"},
	"no hello":         {frame("GET / HTTP/1.1\r\n"), "decode message"},
	"an empty hello":   {frame(""), "decode message"},
	"an array":         {frame("[]"), "decode message"},
	"wrong types":      {frame(`{"version":"one","layout":{}}`), "decode message"},
	"too deep":         {frame(`{"version":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`), "decode message"},
	"a huge number":    {frame(`{"version":1e999}`), "decode message"},
	"two hellos":       {frame(ourHello() + ourHello()), "decode message"},
	"a hello alone":    {frame(ourHello()), "EOF"},
	"half a request":   {request(Request{Op: OpUp})[:60], "unexpected EOF"},
	"an empty request": {frame(ourHello()) + frame(""), "malformed"},
	"JSON":             {frame(ourHello()) + frame(`{"version":2,"op":"up"}`), "malformed"},
	"a long request":   {frame(ourHello()) + frame(string(plain.Append(nil, &Request{}))+"\x00"), "malformed"},
	"a length of 2^64": {frame(ourHello()) + frame(strings.Repeat("\xff", 9)+"\x01"), "malformed"},
}

// TestHostileRequests reach no handler.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	for name, attack := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := pair(t)
			h := &handler{}
			done := start(t, server, h, patient)
			if _, err := io.WriteString(client, attack.bytes); err != nil {
				t.Fatal(err)
			}
			client.CloseWrite()
			if err := end(t, done); err == nil || !strings.Contains(err.Error(), attack.err) {
				t.Errorf("%v, want %q", err, attack.err)
			}
			if len(h.calls) > 0 {
				t.Errorf("performed %v", h.calls)
			}
		})
	}
}

// TestSlowClient dribbles its request.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "\x00\x00", "\x00\x00\x00\x20{", frame(ourHello()), request(Request{Op: OpStatus})[:60]} {
		client, server := pair(t)
		done := start(t, server, &handler{}, impatient)
		if _, err := io.WriteString(client, said); err != nil {
			t.Fatal(err)
		}
		if err := end(t, done); !isTimeout(err) {
			t.Errorf("after %q: %v", said, err)
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestStoppedClient does not read, as one that was suspended: the dial that it
// waits for with others must be held up once at most, not by every notice.
func TestStoppedClient(t *testing.T) {
	t.Parallel()
	_, server := pair2(t, request(Request{Op: OpUp}))
	wait := patience{request: soon, send: 200 * time.Millisecond}
	took := make(chan time.Duration, 1)
	done := start(t, server, &handler{up: func(ctx context.Context, _ *Request, ask *Asker) (*Result, error) {
		begin := time.Now()
		for range 100 {
			ask.Tell(Notice{Kind: "banner", Text: strings.Repeat("x", 64<<10)})
		}
		took <- time.Since(begin)
		<-ctx.Done()
		_, err := ask.Ask(context.Background(), Question{}) // must not wait for him either
		return nil, err
	}}, wait)
	if err := end(t, done); !isTimeout(err) {
		t.Errorf("%v", err)
	}
	if d := <-took; d > 50*wait.send {
		t.Errorf("100 notices held the dial up for %v", d)
	}
}

// pair2 is a pair on which the client has sent something.
func pair2(t testing.TB, said string) (client, server *net.UnixConn) {
	t.Helper()
	client, server = pair(t)
	if _, err := io.WriteString(client, said); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// TestClientLeaves ends its request, with all its questions.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	client, server := pair2(t, request(Request{Op: OpUp}))
	asking := make(chan struct{}, 100)
	done := start(t, server, &handler{up: func(ctx context.Context, _ *Request, ask *Asker) (*Result, error) {
		var all sync.WaitGroup
		for range cap(asking) {
			all.Go(func() {
				asking <- struct{}{}
				if _, err := ask.Ask(ctx, Question{}); err == nil {
					t.Error("somebody answered")
				}
			})
		}
		all.Wait()
		return nil, ctx.Err()
	}}, patient)
	for range cap(asking) {
		<-asking
	}
	client.Close()
	end(t, done)
}

// TestForgedAnswers are for questions that were never asked, or come twice.
func TestForgedAnswers(t *testing.T) {
	t.Parallel()
	client, server := pair2(t, request(Request{Op: OpUp})+
		message(&answer{ID: -1, Text: "forged"})+message(&answer{Text: "forged"})+message(&answer{ID: 2, Text: "forged"})+message(&answer{}))
	done := start(t, server, &handler{up: func(ctx context.Context, _ *Request, ask *Asker) (*Result, error) {
		text, err := ask.Ask(ctx, Question{Text: "?"})
		return &Result{Key: text}, err
	}}, patient)
	e, err := readEvent(client)
	if err != nil || e.Ask == nil {
		t.Fatalf("%+v, %v", e, err)
	}
	right := message(&answer{ID: e.Ask.ID, Text: "right"})
	if _, err := io.WriteString(client, right+right+right); err != nil {
		t.Fatal(err)
	}
	if e, err = readEvent(client); err != nil || e.Result == nil || e.Result.Key != "right" {
		t.Errorf("%+v, %v", e.Result, err)
	}
	end(t, done)
}

// TestGarbageInsteadOfAnAnswer ends the request.
func TestGarbageInsteadOfAnAnswer(t *testing.T) {
	t.Parallel()
	_, server := pair2(t, request(Request{Op: OpUp})+"\xff\xff\xff\xff")
	done := start(t, server, &handler{up: func(ctx context.Context, _ *Request, ask *Asker) (*Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, patient)
	end(t, done)
}

// TestCrowd is a thousand clients of which each stops somewhere in its request.
func TestCrowd(t *testing.T) {
	t.Parallel()
	request := request(Request{Op: OpStatus})
	var crowd sync.WaitGroup
	for i := range 1000 {
		client, server := pair2(t, request[:i%len(request)])
		done := start(t, server, &handler{}, patient)
		crowd.Go(func() { client.Close(); end(t, done) })
	}
	crowd.Wait()
}

// TestMemoryFollowsWhatArrives: a length is only a promise.
func TestMemoryFollowsWhatArrives(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		var r Request
		if err := readMessage(strings.NewReader("\x00\x40\x00\x00\x00"), &r); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes for 100 messages of one byte", grown)
	}
}

// TestEvilDaemon sends what a command should not believe.
func TestEvilDaemon(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]string{
		"4 GiB": "\xff\xff\xff\xff", "garbage": frame("garbage"), "wrong types": frame(`{"error":7}`),
		"too deep": frame(`{"error":` + strings.Repeat("[", 100_000) + `}`), "an empty message": frame(""),
		"an event and more": frame(string(plain.Append(nil, &event{Result: &Result{}})) + "\x00"),
	} {
		client, server := pair2(t, "")
		go func() {
			_, _ = readRequest(server)
			_, _ = io.WriteString(server, attack)
		}()
		if _, err := Do(t.Context(), client, &Request{Op: OpUp}, nil); err == nil {
			t.Errorf("%s: believed", name)
		}
	}
}
