package hop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/identity"
	"sallyport/internal/route"
)

// authenticator chooses one authentication method after another for one hop,
// as the server allows and the options prefer (RFC 4252).
type authenticator struct {
	ctx context.Context
	hop route.Hop
	ask Asker
	log *slog.Logger

	identities func() ([]*identity.Identity, error) // opened at the first need
	opened     bool
	left       []*identity.Identity // not offered yet
	offered    []string             // what was offered, for messages
	tried      []string             // methods in order, for messages
	allowed    []string             // the server's last list
	done       []string             // what succeeded and was not enough
	last       *identity.Identity   // offered last
	mark       int64                // written, when it was offered
	declined   []string             // methods that the server wants and we lack
	passwords  int                  // password prompts left
	rounds     int                  // keyboard-interactive attempts left
	asked      int                  // keyboard-interactive rounds so far
	answered   bool                 // a secret was sent: the server may take its time
	signed     bool                 // the server accepted a key so far as to have it sign
	giveUp     error
	unasked    bool // the server has refused keyboard-interactive without a question, or will ask one
	guarded    bool // nothing may be sent that an impostor could use

	written func() int64 // the bytes sent so far; nil in tests
}

func newAuthenticator(ctx context.Context, h route.Hop, ask Asker, log *slog.Logger, open func() ([]*identity.Identity, error)) *authenticator {
	tries := h.Options.Auth.NumberOfPasswordPrompts
	return &authenticator{ctx: ctx, hop: h, ask: ask, log: log, identities: open, passwords: tries, rounds: tries}
}

// AuthError says that a hop accepted none of what we had.
type AuthError struct {
	User    string
	Allowed []string // methods the server would accept
	Tried   []string // methods tried, in order
	Offered []string // keys offered, in order
	// Declined are the methods that the options allow and this program lacks.
	Declined []string
	// Done are methods that succeeded and were not enough.
	Done []string
	// Signed is true when the server was given what it could check: a
	// signature, which it had asked for, or a secret.
	Signed bool
	Err    error // what ended it, if not the lack of methods
}

func (e *AuthError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "permission denied for user %q", e.User)
	if len(e.Allowed) > 0 {
		fmt.Fprintf(&b, ": server accepts only %s", inOneLine(strings.Join(e.Allowed, ", ")))
	}
	if len(e.Tried) > 0 {
		fmt.Fprintf(&b, "; tried %s", strings.Join(e.Tried, ", "))
	} else {
		b.WriteString("; nothing to try")
	}
	if len(e.Offered) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(e.Offered, ", "))
	}
	if len(e.Declined) > 0 {
		fmt.Fprintf(&b, "; not supported here: %s", strings.Join(e.Declined, ", "))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, "; %v", e.Err)
	}
	return b.String()
}

func (e *AuthError) Unwrap() error { return e.Err }

// wantsKeys tells a server that would take a key when none was offered.
func (e *AuthError) wantsKeys() bool {
	return len(e.Offered) == 0 && slices.Contains(e.Allowed, "publickey")
}

// failure is the error to report once the library has ended with err.
func (a *authenticator) failure(err error) *AuthError {
	e := &AuthError{User: a.hop.Options.User, Allowed: a.allowed, Tried: slices.Compact(slices.Clone(a.tried)),
		Offered: a.offered, Declined: a.declined,
		Done: a.done, Signed: a.signed || a.answered, Err: a.giveUp}
	switch {
	case e.Err != nil || err == nil:
	case strings.Contains(err.Error(), noMethodsLeft):
	case strings.Contains(err.Error(), refusedUnasked) && a.unasked:
	case strings.Contains(err.Error(), passwordExpired) && a.lastMethod() == "password":
		e.Err = ErrPasswordExpired
	default:
		e.Err = libraryError(err)
	}
	return e
}

// The library has no types for these ends of an authentication.
const (
	noMethodsLeft   = "no supported methods remain"
	refusedUnasked  = "unexpected message type 51 " // SSH_MSG_USERAUTH_FAILURE instead of a question
	passwordExpired = "unexpected message type 60 " // SSH_MSG_USERAUTH_PASSWD_CHANGEREQ, RFC 4252 §8
)

// ErrPasswordExpired says that the server wants a new password, which this
// program cannot give.
var ErrPasswordExpired = errors.New("the password has expired and must be changed, which is not supported here: change it with another client")

// lastMethod is the method that was tried last, "none" if none was.
func (a *authenticator) lastMethod() string {
	if len(a.tried) == 0 {
		return "none"
	}
	return a.tried[len(a.tried)-1]
}

// next is the ssh.ClientAuthCallback. Without a method left it returns none:
// the library then ends with the error of the last one, if it had any.
func (a *authenticator) next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if err := a.ctx.Err(); err != nil {
		return nil, err
	}
	a.allowed, a.done = c.AllowedMethods, c.PartialSuccessMethods
	emit(a.ctx, Event{What: Offered, Methods: c.AllowedMethods, Done: c.PartialSuccessMethods})
	a.log.Debug("server accepts authentication methods", "methods", strings.Join(c.AllowedMethods, ","), "partial", len(c.PartialSuccessMethods) > 0)
	if a.giveUp != nil {
		return nil, a.giveUp
	}
	for _, method := range a.hop.Options.Auth.PreferredAuthentications {
		if !slices.Contains(c.AllowedMethods, method) {
			continue
		}
		m, err := a.method(method)
		if err != nil {
			return nil, err
		}
		if m != nil {
			a.log.Debug("next authentication method", "method", method)
			a.tried = append(a.tried, method)
			emit(a.ctx, Event{What: Trying, Method: method, Key: a.offering(method)})
			return m, nil
		}
	}
	return nil, nil
}

// offering is the key that a method goes on with, "" for none.
func (a *authenticator) offering(method string) string {
	if method != "publickey" || len(a.offered) == 0 {
		return ""
	}
	return a.offered[len(a.offered)-1]
}

// method prepares one attempt with a method; nil when it is switched off,
// unknown or used up.
func (a *authenticator) method(name string) (ssh.AuthMethod, error) {
	o := a.hop.Options.Auth
	secrets := !o.BatchMode && !a.guarded
	switch {
	case name == "publickey" && o.Publickey:
		return a.publickey()
	case name == "password" && o.Password && secrets && a.passwords > 0:
		return a.password(), nil
	case name == "keyboard-interactive" && o.KbdInteractive && secrets && a.rounds > 0 && !a.unasked: // sshconnect2.c: userauth_kbdint
		return a.keyboardInteractive(), nil
	case name == "gssapi-with-mic" && o.GSSAPI, name == "hostbased" && o.Hostbased:
		a.decline(name)
	}
	return nil, nil
}

// decline notes a method that we lack, once.
func (a *authenticator) decline(method string) {
	if !slices.Contains(a.declined, method) {
		a.declined = append(a.declined, method)
		a.log.Debug("authentication method is not supported", "method", method)
	}
}

// publickey offers the next identity. One at a time keeps the server's limit
// on attempts, the log and the message exact.
func (a *authenticator) publickey() (ssh.AuthMethod, error) {
	if !a.opened {
		a.opened = true
		ids, err := a.identities()
		if err != nil {
			return nil, err
		}
		a.left = ids
	}
	if again := a.insist(); again != nil {
		return again, nil
	}
	for len(a.left) > 0 {
		id := a.left[0]
		a.left = a.left[1:]
		if err := id.Prepare(); err != nil {
			a.log.Debug("skipping key", "key", id.String(), "err", err)
			continue
		}
		a.offered = append(a.offered, id.String())
		a.log.Debug("offering public key", "key", id.String())
		a.last = id
		if a.written != nil {
			a.mark = a.written()
		}
		return ssh.PublicKeys(noticed{id, a}), nil
	}
	return nil, nil
}

// noticed is an identity that notes whether it was asked to sign.
type noticed struct {
	*identity.Identity
	auth *authenticator
}

// SignWithAlgorithm is ssh.AlgorithmSigner's.
func (n noticed) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	n.auth.signed = true
	return n.Identity.SignWithAlgorithm(rand, data, algorithm)
}

// insist offers the last key again when the library did not send it at all:
// an RSA key for a server that does not say which signatures it knows (no
// server-sig-algs, RFC 8308 §3.1), where the library stays with SHA-1 and our
// options do not allow that. SHA-2 works with most such servers.
func (a *authenticator) insist() ssh.AuthMethod {
	id := a.last
	a.last = nil
	if id == nil || a.written == nil || a.written() != a.mark || id.PublicKey().Type() != ssh.KeyAlgoRSA {
		return nil
	}
	for _, algorithm := range id.Algorithms() {
		if forced := id.Forced(algorithm); forced != nil {
			a.log.Debug("offering public key", "key", id.String(), "algorithm", algorithm)
			return ssh.PublicKeys(forced)
		}
	}
	return nil
}

func (a *authenticator) password() ssh.AuthMethod {
	first := a.passwords == a.hop.Options.Auth.NumberOfPasswordPrompts
	a.passwords--
	return ssh.PasswordCallback(func() (string, error) {
		intro := ""
		if !first {
			intro = "Permission denied, please try again.\n"
		}
		answer, err := a.ask.Ask(a.ctx, Question{
			Hop: a.hop.Name, Kind: KindPassword, Intro: intro,
			Text: fmt.Sprintf("%s@%s's password: ", a.hop.Options.User, a.hop.Name),
		})
		return a.answer(answer, err)
	})
}

// answer notes what a prompt brought. An asker without anybody to ask ends
// the method; one that refused ends the authentication.
func (a *authenticator) answer(text string, err error) (string, error) {
	switch {
	case err == nil:
		a.answered = true
	case errors.Is(err, ErrNobody):
		a.passwords, a.rounds = 0, 0
		a.giveUp = err
	default:
		a.giveUp = err
	}
	return text, err
}

func (a *authenticator) keyboardInteractive() ssh.AuthMethod {
	a.rounds--
	a.unasked = true
	return ssh.KeyboardInteractive(func(name, instruction string, prompts []string, echos []bool) ([]string, error) {
		a.unasked = false
		intro := introduction(cut(name, maxPrompt), cut(instruction, maxPrompt))
		if a.asked++; a.asked > maxRounds || len(prompts) > maxPrompts {
			a.giveUp = errTooManyRounds
			return nil, a.giveUp
		}
		if len(prompts) == 0 && intro != "" {
			a.ask.Tell(Notice{a.hop.Name, NoticeInfo, intro})
		}
		answers := make([]string, len(prompts))
		for i, prompt := range prompts {
			text, err := a.answer(a.ask.Ask(a.ctx, Question{
				Hop: a.hop.Name, Kind: KindKeyboardInteractive, Intro: intro, Echo: echos[i],
				Text: fmt.Sprintf("(%s@%s) %s", a.hop.Options.User, a.hop.Name, Clean(cut(prompt, maxPrompt))),
			}))
			if err != nil {
				return nil, err
			}
			answers[i], intro = text, ""
		}
		return answers, nil
	})
}

// introduction joins what a keyboard-interactive round says before its
// prompts (RFC 4256 §3.2).
func introduction(name, instruction string) string {
	parts := slices.DeleteFunc([]string{Clean(name), Clean(instruction)}, func(s string) bool { return strings.TrimSpace(s) == "" })
	if len(parts) == 0 {
		return ""
	}
	return strings.TrimRight(strings.Join(parts, "\n"), "\n") + "\n"
}

// identityAsker lets package identity ask through the hop's asker.
type identityAsker struct {
	hop route.Hop
	ask Asker
}

func (a identityAsker) Passphrase(ctx context.Context, file string, attempt int) ([]byte, error) {
	if a.hop.Options.Auth.BatchMode {
		return nil, nil
	}
	intro := ""
	if attempt > 1 {
		intro = "Bad passphrase, try again.\n"
	}
	text, err := a.ask.Ask(ctx, Question{Hop: a.hop.Name, Kind: KindPassphrase, Intro: intro,
		Text: fmt.Sprintf("Enter passphrase for key '%s' (for %s): ", Clean(file), a.hop.Name)})
	return []byte(text), err
}

func (a identityAsker) Confirm(ctx context.Context, question string) (bool, error) {
	text, err := a.ask.Ask(ctx, Question{Hop: a.hop.Name, Kind: KindConfirm, Text: question, Echo: true})
	return strings.EqualFold(strings.TrimSpace(text), "yes"), err
}

func (a identityAsker) Notice(text string) {
	a.ask.Tell(Notice{a.hop.Name, NoticeInfo, text})
}
