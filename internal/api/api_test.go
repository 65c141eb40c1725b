package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/sshtest"
)

// TestOperations makes every request and gets its result.
func TestOperations(t *testing.T) {
	t.Parallel()
	quit := make(chan struct{})
	h := &handler{status: &Status{PID: 7}, quit: func() { close(quit) }}
	for _, tt := range []struct {
		request Request
		want    *Result
		err     string
	}{
		{request: Request{Op: OpUp, Key: "k"}, want: &Result{Key: "k"}},
		{request: Request{Op: OpDown, Key: "k"}, want: &Result{Closed: []string{"k"}}},
		{request: Request{Op: OpStatus}, want: &Result{Status: &Status{PID: 7}}},
		{request: Request{Op: OpCheck}, err: "not connected"},
		{request: Request{Op: OpAttach}, err: "nothing to attach to"},
		{request: Request{Op: OpLogs}, want: &Result{}},
		{request: Request{Op: OpQuit}, want: &Result{}},
		{request: Request{Op: "\x1b[2J"}, err: `unknown operation "\x1b[2J"`},
	} {
		client, server := pair(t)
		done := start(t, server, h, patient)
		got, err := Do(t.Context(), client, &tt.request, nil)
		if text(err) != tt.err || !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %+v, %v", tt.request.Op, got, err)
		}
		if err := end(t, done); err != nil {
			t.Errorf("%s: served: %v", tt.request.Op, err)
		}
	}
	select {
	case <-quit:
	default:
		t.Error("the daemon was not ended")
	}
}

// text is an error's, "" for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestErrorsKeepTheirCode also within others.
func TestErrorsKeepTheirCode(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	done := start(t, server, &handler{up: func(context.Context, *Request, *Asker) (*Result, error) {
		return nil, fmt.Errorf("up: %w", &Error{Code: CodeHop, Message: "m", Hop: "h", Stage: "s"})
	}}, patient)
	_, err := Do(t.Context(), client, &Request{Op: OpUp}, nil)
	var e *Error
	if !errors.As(err, &e) || *e != (Error{Code: CodeHop, Message: "m", Hop: "h", Stage: "s"}) {
		t.Errorf("%#v", err)
	}
	end(t, done)
}

// TestQuestions reach the person, in turn, with what was told between them.
func TestQuestions(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	done := start(t, server, &handler{up: func(ctx context.Context, r *Request, ask *Asker) (*Result, error) {
		ask.Tell(Notice{Hop: "jump", Kind: "banner", Text: "hello"})
		first, err1 := ask.Ask(ctx, Question{Text: "answer"})
		_, err2 := ask.Ask(ctx, Question{Text: "nobody"})
		_, err3 := ask.Ask(ctx, Question{Text: "cancel"})
		if first != "of answer" || err1 != nil || !errors.Is(err2, ErrNobody) || !errors.Is(err3, ErrCancelled) {
			return nil, fmt.Errorf("%q, %v, %v, %v", first, err1, err2, err3)
		}
		return &Result{Key: r.Env[0]}, nil
	}}, patient)
	who := &someone{answer: func(q Question) (string, error) {
		switch q.Text {
		case "nobody":
			return "", ErrNobody
		case "cancel":
			return "", errors.New("no")
		}
		return "of " + q.Text, nil
	}}
	got, err := Do(t.Context(), client, &Request{Op: OpUp, Env: []string{"A=b"}}, who)
	if err != nil || got.Key != "A=b" {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]Notice{{Hop: "jump", Kind: "banner", Text: "hello"}}, who.notices); diff != "" {
		t.Error(diff)
	}
	end(t, done)
}

// TestNobodyToAsk is what a request without a person says.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	done := start(t, server, &handler{up: func(ctx context.Context, _ *Request, ask *Asker) (*Result, error) {
		_, err := ask.Ask(ctx, Question{})
		return nil, err
	}}, patient)
	if _, err := Do(t.Context(), client, &Request{Op: OpUp}, nil); fmt.Sprint(err) != ErrNobody.Error() {
		t.Error(err)
	}
	end(t, done)
}

// echo is an Attachment that sends back what it gets, once.
type echo struct{ closed bool }

func (e *echo) Serve(_ context.Context, conn *net.UnixConn) error {
	_, err := io.Copy(conn, io.LimitReader(conn, 5))
	return err
}
func (e *echo) Close() { e.closed = true }

// TestAttach goes on in the next protocol, of which nothing was read before.
func TestAttach(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	done := start(t, server, &handler{attach: func(ctx context.Context, _ *Request, ask *Asker) (Attachment, error) {
		_, err := ask.Ask(ctx, Question{})
		return &echo{}, err
	}}, patient)
	who := &someone{answer: func(Question) (string, error) { return "yes", nil }}
	if _, err := Do(t.Context(), client, &Request{Op: OpAttach}, who); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if err := end(t, done); err != nil {
		t.Error(err)
	}
}

// TestDaemonGone is told as such, before and within an answer, and whether the
// daemon had said anything.
func TestDaemonGone(t *testing.T) {
	t.Parallel()
	notice := message(&event{Tell: &Notice{Text: "hello"}})
	for _, test := range []struct {
		said          string
		read, unheard bool // whether the request was, and whether another daemon may be asked
	}{
		{"", true, true}, {"", false, true},
		{"\x00\x00", true, true}, {"\x00\x00\x00\x09{\"res", true, true}, {"\x00\x00\x00\x09\x00", true, true},
		{notice, true, false}, {notice + "\x00\x00", true, false},
	} {
		client, server := pair(t)
		go func() {
			if test.read {
				_, _ = readRequest(server)
			} else {
				_, _ = server.Read(make([]byte, 1)) // a reset, not an end
			}
			_, _ = io.WriteString(server, test.said)
			server.Close()
		}()
		_, err := Do(t.Context(), client, &Request{Op: OpStatus}, nil)
		if !errors.Is(err, ErrDaemonGone) || errors.Is(err, ErrUnheard) != test.unheard || err.Error() != ErrDaemonGone.Error() {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// TestCommandGivesUp ends a request whose daemon does not answer.
func TestCommandGivesUp(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = readRequest(server)
		cancel()
	}()
	if _, err := Do(ctx, client, &Request{Op: OpStatus}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestLogs arrive in their order.
func TestLogs(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	done := start(t, server, &handler{logs: func(_ context.Context, _ *Request, emit func(Record) error) error {
		for i := range 100 {
			if err := emit(Record{Message: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	}}, patient)
	next := 0
	err := Logs(t.Context(), client, &Request{Op: OpLogs}, func(r Record) {
		if r.Message != fmt.Sprint(next) {
			t.Errorf("record %q, want %d", r.Message, next)
		}
		next++
	})
	if err != nil || next != 100 {
		t.Errorf("%d records, %v", next, err)
	}
	end(t, done)
}

// TestResultTooLong is an error that says so, not a connection that ends.
func TestResultTooLong(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	done := start(t, server, &handler{status: &Status{Version: strings.Repeat("x", maxMessage)}}, patient)
	_, err := Do(t.Context(), client, &Request{Op: OpStatus}, nil)
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "too long") {
		t.Errorf("%v", err)
	}
	end(t, done)
}

// TestMessageGolden pins the framing.
func TestMessageGolden(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writeMessage(&b, &answer{ID: 1, Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "\x00\x00\x00\x04\x02\x01x\x00"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLongMessages arrive whole, however they are cut.
func TestLongMessages(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, firstRead - 4, firstRead, firstRead + 1, 5*firstRead + 3, maxMessage - 10} {
		want, got := answer{Text: strings.Repeat("x", size)}, answer{}
		if err := readMessage(iotest.HalfReader(strings.NewReader(message(&want))), &got); err != nil || got != want {
			t.Errorf("%d bytes: %d, %v", size, len(got.Text), err)
		}
	}
	if err := writeMessage(io.Discard, &answer{Text: strings.Repeat("x", maxMessage)}); !errors.Is(err, errTooLong) {
		t.Errorf("too long: %v", err)
	}
}

// TestRequestTooLong is not sent at all.
func TestRequestTooLong(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	if _, err := Do(t.Context(), client, &Request{Dir: strings.Repeat("x", maxMessage)}, nil); !errors.Is(err, errTooLong) {
		t.Errorf("%v", err)
	}
	client.Close()
	if said, err := io.ReadAll(server); len(said) > 0 || err != nil {
		t.Errorf("%d bytes were sent, %v", len(said), err)
	}
}

// TestEveryField travels: nothing of a message is lost.
func TestEveryField(t *testing.T) {
	t.Parallel()
	for _, want := range []any{new(Request), new(answer), new(event)} {
		number := 0
		sshtest.Fill(reflect.ValueOf(want).Elem(), &number)
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if err := readMessage(strings.NewReader(message(want)), got); err != nil {
			t.Errorf("%T: %v", want, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T: %s", want, diff)
		}
	}
}

// TestManyZeros of each kind of list are not taken for an attack.
func TestManyZeros(t *testing.T) {
	t.Parallel()
	want := &event{Result: &Result{Closed: make([]string, 1000), Records: make([]Record, 1000), Forwards: make([]Forward, 1000),
		Status: &Status{Masters: make([]Master, 1000), Kept: make([]Kept, 1000)}}}
	want.Result.Status.Masters[0].Held = make([]Holder, 1000)
	e, err := readEvent(strings.NewReader(message(want)))
	if diff := cmp.Diff(want, &e); diff != "" || err != nil {
		t.Error(err, diff)
	}
	request, got := &Request{Forwards: make([]ForwardSpec, 1000), Env: make([]string, 1000), IDs: make([]string, 1000)}, &Request{}
	err = readMessage(strings.NewReader(message(request)), got)
	if diff := cmp.Diff(request, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}
