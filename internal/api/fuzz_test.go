package api

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func FuzzReadMessage(f *testing.F) {
	for _, attack := range hostile {
		f.Add(attack.bytes)
	}
	f.Add(message(&Request{Op: OpUp, Env: []string{"A=b"}, Dir: "/", Route: []byte("route")}))
	f.Fuzz(func(t *testing.T, said string) {
		in := strings.NewReader(said)
		var r Request
		if err := readMessage(in, &r); err != nil {
			return
		}
		size := int(said[1])<<16 | int(said[2])<<8 | int(said[3])
		if left := len(said) - 4 - size; in.Len() != left {
			t.Errorf("%d bytes left, want %d", in.Len(), left)
		}
	})
}

// FuzzServe takes all that a client sends; whatever it is, the server ends
// when the client has left.
func FuzzServe(f *testing.F) {
	for _, attack := range hostile {
		f.Add(attack.bytes)
	}
	for _, op := range []Op{OpUp, OpAttach, OpDown, OpStatus, OpCheck, OpLogs, OpQuit} {
		f.Add(request(Request{Op: op}) + message(&answer{ID: 1, Text: "x"}) + "more")
	}
	f.Fuzz(func(t *testing.T, said string) {
		client, server := pair(t)
		ask := func(ctx context.Context, a *Asker) error {
			_, err := a.Ask(ctx, Question{Text: "?"})
			return err
		}
		done := start(t, server, &handler{
			up: func(ctx context.Context, _ *Request, a *Asker) (*Result, error) { return nil, ask(ctx, a) },
			attach: func(ctx context.Context, _ *Request, a *Asker) (Attachment, error) {
				return &echo{}, ask(ctx, a)
			},
			quit: func() {},
		}, patience{request: soon, send: time.Second})
		go func() { _, _ = io.WriteString(client, said); client.CloseWrite() }()
		_, _ = io.Copy(io.Discard, client)
		end(t, done)
	})
}

// FuzzReadEvent takes all that a daemon says.
func FuzzReadEvent(f *testing.F) {
	f.Add(message(&event{Ask: &Question{ID: 1, Text: "?"}}))
	f.Add(message(&event{Result: &Result{Status: &Status{Masters: []Master{{Route: []string{"a"}}}}}}))
	f.Add(frame(`{"error":{"code":"version"}}`))
	f.Fuzz(func(t *testing.T, said string) { _, _ = readEvent(strings.NewReader(said)) })
}
