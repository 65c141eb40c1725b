package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestHelloGolden: builds of every version read its version.
func TestHelloGolden(t *testing.T) {
	t.Parallel()
	var h hello
	if err := json.Unmarshal([]byte(ourHello()), &h); err != nil || h.Version != Version || len(h.Layout) != 16 {
		t.Errorf("%s: %+v, %v", ourHello(), h, err)
	}
	if want := fmt.Sprintf(`{"version":2,"layout":"%s"}`, h.Layout); ourHello() != want {
		t.Errorf("%s, want %s", ourHello(), want)
	}
}

// TestOtherCommand is one that is older, newer or of another build: it is told
// so in JSON, and its request reaches no handler.
func TestOtherCommand(t *testing.T) {
	t.Parallel()
	request := message(&Request{Op: OpQuit})
	for name, tt := range map[string]struct{ said, told string }{
		"version 1":           {frame(`{"version":1,"op":"quit","route":{"Hops":[{"Name":"a"}]},"env":["A=b"]}`), "version 2 of the control protocol and this command version 1;"},
		"none at all":         {frame(`{}`), "this command version 0;"},
		"newer":               {frame(`{"version":99,"layout":"0123456789abcdef","more":[]}`) + request, "this command version 99;"},
		"another build":       {frame(`{"version":2,"layout":"0123456789abcdef"}`) + request, "of another build than this command"},
		"with more":           {frame(strings.TrimSuffix(ourHello(), "}")+`,"more":1}`) + request, "of another build than this command"},
		"and it is talkative": {frame(`{"version":3}`) + strings.Repeat(request, 2000), "this command version 3;"},
	} {
		client, server := pair(t)
		h := &handler{}
		done := start(t, server, h, patient)
		go func() { _, _ = io.WriteString(client, tt.said) }()
		body, err := readBody(client)
		var got map[string]Error
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		e := got["error"]
		if err != nil || len(got) != 1 || e.Code != CodeVersion || !strings.Contains(e.Message, tt.told) || !strings.HasSuffix(e.Message, `"sally quit"`) {
			t.Errorf("%s: %s, %v", name, body, err)
		}
		if err := end(t, done); err != nil {
			t.Errorf("%s: served: %v", name, err)
		}
		if len(h.calls) > 0 {
			t.Errorf("%s: performed %v", name, h.calls)
		}
	}
}

// TestOtherDaemon takes the hello for a request of another version and says
// so, with or without reading more; a command of any size believes it.
func TestOtherDaemon(t *testing.T) {
	t.Parallel()
	const said = `{"error":{"code":"version","message":"version 1 here, 2 there"}}`
	for _, size := range []int{1, 1 << 20} {
		for _, reads := range []bool{false, true} {
			client, server := pair(t)
			go func() {
				defer server.Close()
				body, err := readBody(server)
				var request struct {
					Version int    `json:"version"`
					Op      string `json:"op"`
				}
				if err == nil {
					err = json.Unmarshal(body, &request)
				}
				if err != nil || request.Version != 2 || request.Op != "" {
					t.Errorf("version 1 reads %s, %v", body, err)
				}
				_, _ = io.WriteString(server, frame(said))
				if reads {
					_, _ = readBody(server)
				}
			}()
			_, err := Do(t.Context(), client, &Request{Op: OpUp, Dir: strings.Repeat("x", size)}, nil)
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeVersion || e.Message != "version 1 here, 2 there" {
				t.Errorf("%d bytes, of which it reads all: %v: %v", size, reads, err)
			}
		}
	}
}

// TestEmptyRefusal is not taken for a success.
func TestEmptyRefusal(t *testing.T) {
	t.Parallel()
	for _, said := range []string{`{}`, `{"error":null}`, `{"result":{}}`} {
		client, server := pair(t)
		go func() {
			_, _ = readRequest(server)
			_, _ = io.WriteString(server, frame(said))
			server.Close()
		}()
		if result, err := Do(t.Context(), client, &Request{Op: OpUp}, nil); err == nil {
			t.Errorf("%s: %+v", said, result)
		}
	}
}

// TestEventsAreNoRefusals: what an event begins with is not a brace.
func TestEventsAreNoRefusals(t *testing.T) {
	t.Parallel()
	for _, e := range []event{{}, {Ask: &Question{}}, {Result: &Result{}}, {Error: &Error{}}} {
		if body := message(&e)[4:]; body[0] == '{' {
			t.Errorf("%+v is %q", e, body)
		}
	}
}
