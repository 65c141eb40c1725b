package api

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"sallyport/internal/plain"
)

// Version is the protocol's; client and daemon must agree.
const Version = 2

// What tells that the ends do not match is JSON in every version, since only
// those who match can read anything else: the hello, which comes before the
// request, and the refusal. Version 1 was JSON altogether: to its daemons a
// hello is a request of another version, and its requests are hellos to us.

// hello is what a client says first.
type hello struct {
	Version int `json:"version"`
	// Layout is that of the messages: builds of one version may differ in it.
	Layout string `json:"layout"`
}

// refusal is the answer to a hello of another version.
type refusal struct {
	Error *Error `json:"error"`
}

// ourHello is the hello of this build, as it is sent. It is written without
// encoding/json, which needs longer to get ready than all else here together.
var ourHello = sync.OnceValue(func() string {
	return fmt.Sprintf(`{"version":%d,"layout":"%s"}`, Version, plain.Layout(Request{}, answer{}, event{}))
})

// checkHello returns an error with CodeVersion for a hello that is not ours.
func checkHello(said []byte) error {
	ours := ourHello()
	if string(said) == ours {
		return nil
	}
	var theirs hello
	if err := json.Unmarshal(said, &theirs); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	text := fmt.Sprintf("the daemon speaks version %d of the control protocol and this command version %d", Version, theirs.Version)
	if theirs.Version == Version {
		text = fmt.Sprintf("the daemon is of another build than this command, with other messages in version %d of the control protocol", Version)
	}
	return &Error{Code: CodeVersion, Message: text + "; end the daemon with \"sally quit\""}
}

// appendFrame appends a message that is text already.
func appendFrame(b []byte, text string) []byte {
	n := len(text)
	return append(append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), text...)
}

// writeRefusal tells a client that the ends do not match.
func writeRefusal(w io.Writer, e *Error) error {
	text, err := json.Marshal(refusal{e})
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	_, err = w.Write(appendFrame(nil, string(text)))
	return err
}

// readEvent reads what the daemon says, which may be a refusal: an event never
// begins with a brace.
func readEvent(r io.Reader) (event, error) {
	body, err := readBody(r)
	if err != nil {
		return event{}, err
	}
	if len(body) == 0 || body[0] != '{' {
		var e event
		return e, decode(body, &e)
	}
	var no refusal
	if err := json.Unmarshal(body, &no); err != nil || no.Error == nil {
		return event{}, fmt.Errorf("decode message: no error in %q: %w", body, err)
	}
	return event{Error: no.Error}, nil
}
