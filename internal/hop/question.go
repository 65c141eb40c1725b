package hop

import (
	"context"
	"errors"
	"strings"
	"unicode"
)

// Kind is what a Question asks for.
type Kind string

// The kinds of questions.
const (
	KindPassword            Kind = "password"             // RFC 4252 §8
	KindPassphrase          Kind = "passphrase"           // of a key file
	KindKeyboardInteractive Kind = "keyboard-interactive" // RFC 4256
	KindHostKey             Kind = "host-key"             // yes, no or a fingerprint
	KindConfirm             Kind = "confirm"              // yes or no
)

// Question is something a person must answer before a hop can be used.
type Question struct {
	Hop  string // alias of the hop that asks
	Kind Kind
	// Intro is shown before the first prompt: the name and the instruction of
	// a keyboard-interactive round, or what is known of a host key.
	Intro string
	Text  string // the prompt itself, naming its hop
	Echo  bool   // whether the answer may be shown while it is typed
}

// Notice is something a person should see and need not answer.
type Notice struct {
	Hop  string
	Kind NoticeKind
	Text string
}

// NoticeKind says how a Notice is meant.
type NoticeKind string

// The kinds of notices.
const (
	NoticeBanner  NoticeKind = "banner"  // the server's, shown as it is (RFC 4252 §5.4)
	NoticeWarning NoticeKind = "warning" // something is not as it should be
	NoticeInfo    NoticeKind = "info"
	NoticeError   NoticeKind = "error" // something was lost
	NoticeDebug   NoticeKind = "debug" // for -v; the Text begins with its level, "debug1: "
)

// Asker is whoever asked for the connection.
type Asker interface {
	// Ask returns the person's answer. It returns ErrNobody when nobody can
	// answer, and ctx's error when the asker has gone.
	Ask(ctx context.Context, q Question) (string, error)
	// Tell shows a notice.
	Tell(n Notice)
	// Origin is the asking process's surroundings.
	Origin() Origin
}

// Origin is what commands of the configuration (ProxyCommand,
// KnownHostsCommand) run in: the asking process's environment and working
// directory.
type Origin struct {
	Env []string // NAME=VALUE
	Dir string
}

// ErrNobody is returned by an Asker that has nobody to ask.
var ErrNobody = errors.New("nobody to ask: no terminal and no SSH_ASKPASS")

// ErrCancelled is returned by an Asker whose person refused to answer.
var ErrCancelled = errors.New("cancelled")

// Clean makes a peer's text fit for a terminal: control characters but
// newline and tab, and characters that change the direction of text, are
// dropped.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}
