package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/route"
	"sallyport/internal/secret"
)

// answerer answers prompts in the place of a person: by PasswordCommand and
// OTPCommand, keywords of ours, and with stored passwords. Each is tried once
// for a hop in the life of a command; after that the person is asked.
type answerer struct {
	store *secret.Store

	// state: guarded by mu
	mu    sync.Mutex
	hops  map[string]*answering // by alias
	given map[string]bool       // by alias and want
}

// answering is a hop that may ask; two of one alias that are not the same are
// answered nothing.
type answering struct {
	hop       route.Hop
	ambiguous bool
}

func newAnswerer(store *secret.Store) *answerer {
	return &answerer{store: store, hops: map[string]*answering{}, given: map[string]bool{}}
}

// know notes the hops of a route that will be asked for.
func (a *answerer) know(rt route.Route) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range rt.Hops {
		if old := a.hops[h.Name]; old != nil {
			o, n := old.hop.Options.Auth, h.Options.Auth
			old.ambiguous = old.ambiguous || accountOf(old.hop) != accountOf(h) || o.PasswordCommand != n.PasswordCommand || o.OTPCommand != n.OTPCommand
			continue
		}
		a.hops[h.Name] = &answering{hop: h}
	}
}

// accountOf names a hop's account in the store: whatever it is called, the
// user, the name its host key goes by, and the port.
func accountOf(h route.Hop) string {
	return h.Options.User + "@" + net.JoinHostPort(h.KnownAs(), strconv.Itoa(h.Options.Port))
}

// want is what a prompt wants.
type want string

const (
	wantNothing  want = ""
	wantPassword want = "password"
	wantOTP      want = "one-time code"
)

// vocabulary finds what servers call the two, also where PAM speaks other languages.
// A prompt that mentions both wants a code; one for a new password wants a
// person. It is compiled when there is a prompt: few commands see one.
type vocabulary struct{ otp, password, renewal *regexp.Regexp }

var promptWords = sync.OnceValue(func() vocabulary {
	return vocabulary{
		otp:      regexp.MustCompile(`(?i)\b(otp|totp|hotp|oath|one[- ]?time|verification|token|pass ?code|code|2fa|mfa|factor|authenticator|challenge|yubikey|duo)\b`),
		password: regexp.MustCompile(`(?i)(password|passwort|kennwort|mot de passe|contraseña|senha|wachtwoord|hasło|lösenord|passord|adgangskode|salasana|heslo|пароль|密码|密碼|パスワード|암호)`),
		renewal:  regexp.MustCompile(`(?i)\b(new|retype|again|repeat|current|confirm|old|neues|nouveau|nueva)\b`),
	}
})

// wantOf reads a question. Only what is hidden can want a password.
func wantOf(q api.Question) want {
	switch q.Kind {
	case "password":
		return wantPassword
	case "keyboard-interactive":
	default:
		return wantNothing
	}
	prompt := q.Text
	if _, behind, found := strings.Cut(prompt, ") "); found && strings.HasPrefix(prompt, "(") {
		prompt = behind // "(user@hop) " is ours, and a hop may be called anything
	}
	switch say := promptWords(); {
	case say.otp.MatchString(prompt):
		return wantOTP
	case !q.Echo && say.password.MatchString(prompt) && !say.renewal.MatchString(prompt):
		return wantPassword
	}
	return wantNothing
}

// take is the hop that asks, nil when it is to be answered by a person; failed
// is true when it was given an answer before.
func (a *answerer) take(q api.Question, w want) (h *route.Hop, failed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.hops[q.Hop]
	if known == nil || known.ambiguous {
		return nil, false
	}
	id := q.Hop + "\n" + string(w)
	if given, before := a.given[id]; before {
		a.given[id] = false // told of once
		return nil, given
	}
	return &known.hop, false
}

// tried notes that there will be no other answer for the hop, and whether it
// was given one.
func (a *answerer) tried(q api.Question, w want, given bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given[q.Hop+"\n"+string(w)] = given
}

// answer finds an answer to q. Whatever goes wrong is told, and the person is
// asked.
func (p *person) answer(ctx context.Context, q api.Question) (text string, found bool) {
	w := wantOf(q)
	if p.answers == nil || w == wantNothing {
		return "", false
	}
	h, failed := p.answers.take(q, w)
	if failed {
		p.say(levelInfo, fmt.Sprintf("%s: %s did not accept the %s that was stored or made for it", p.name, q.Hop, w))
	}
	if h == nil {
		return "", false
	}
	text, err := p.find(ctx, *h, w)
	if errors.Is(err, secret.ErrNone) {
		return "", false
	}
	p.answers.tried(q, w, err == nil)
	if err != nil {
		p.say(levelError, fmt.Sprintf("%s: %s: %v", p.name, q.Hop, err))
		return "", false
	}
	p.say(levelVerbose, fmt.Sprintf("%s: the %s is answered for you", q.Hop, w))
	return text, true
}

// find is the answer for a hop; secret.ErrNone when there is none.
func (p *person) find(ctx context.Context, h route.Hop, w want) (string, error) {
	auth := h.Options.Auth
	switch {
	case w == wantOTP && auth.OTPCommand != "":
		return p.ofCommand(ctx, "OTPCommand", auth.OTPCommand)
	case w == wantPassword && auth.PasswordCommand != "":
		return p.ofCommand(ctx, "PasswordCommand", auth.PasswordCommand)
	case w == wantPassword && p.answers.store != nil:
		return p.answers.store.Get(ctx, accountOf(h), storePassphrase{p})
	}
	return "", secret.ErrNone
}

// Bounds of a command that makes an answer: it may have to ask a person itself.
const (
	commandWait   = 2 * time.Minute
	commandOutput = 4 << 10
)

// ofCommand is the first line that a command of the configuration prints. It is
// run by the user's shell, as ProxyCommand is.
func (p *person) ofCommand(ctx context.Context, keyword, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandWait)
	defer cancel()
	shell := p.getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, shell, "-c", command)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &limited{to: &out, left: commandOutput}, p.stderr, time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("%s: %w", keyword, err) // not the command itself: it may hold a secret
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", fmt.Errorf("%s: it printed nothing", keyword)
	}
	return line, nil
}

// limited keeps the beginning of what is written.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	kept := p[:min(len(p), l.left)]
	l.left -= len(kept)
	if _, err := l.to.Write(kept); err != nil {
		return 0, err
	}
	return len(p), nil
}

// storePassphrase asks for what opens the encrypted files of the store.
type storePassphrase struct{ person *person }

// New is secret.Passphrases'.
func (s storePassphrase) New(ctx context.Context) (string, error) {
	return s.person.choose(ctx, "Passphrase for stored passwords", "There is no keychain here: passwords are kept in a file, encrypted with a passphrase of your choice.\n")
}

// Old is secret.Passphrases'.
func (s storePassphrase) Old(ctx context.Context, again bool) (string, error) {
	q := api.Question{Kind: "passphrase", Text: "Passphrase of stored passwords: "}
	if again {
		q.Intro = "That was not it.\n"
	}
	return s.person.byPerson(ctx, q)
}

// choose asks for a new secret twice.
func (p *person) choose(ctx context.Context, what, intro string) (string, error) {
	first, err := p.byPerson(ctx, api.Question{Kind: "passphrase", Intro: intro, Text: what + ": "})
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", errors.New("an empty one is none")
	}
	second, err := p.byPerson(ctx, api.Question{Kind: "passphrase", Text: what + " again: "})
	if err == nil && second != first {
		err = errors.New("the two are not the same")
	}
	return first, err
}

// passwordStore is the user's.
func (a *App) passwordStore() *secret.Store {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	return secret.New(secret.Dir(a.Getenv("XDG_DATA_HOME"), home), secret.SystemKeychain(a.Getenv))
}
