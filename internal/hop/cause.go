package hop

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
)

// Cause is the likely reason of a failure, as far as it can be told from here:
// what advice is chosen by. The text of an error is for people, a Cause is for
// programs.
type Cause string

// The causes.
const (
	CauseNone Cause = "" // none that is known

	// resolve
	CauseNameUnknown Cause = "name-unknown" // no such name, as seen from here
	CauseResolver    Cause = "resolver"     // the name server did not answer, or not well

	// connect
	CauseRefused     Cause = "refused"     // nobody listens there
	CauseUnreachable Cause = "unreachable" // no way to the address
	CauseSilent      Cause = "silent"      // no answer at all
	CauseProxy       Cause = "proxy"       // the ProxyCommand ended or said nothing of use

	// open: the hop before refused, or could not get there
	CauseForwarding     Cause = "forwarding"      // its administrator does not let us through
	CauseUnsafeJump     Cause = "unsafe-jump"     // we do not go through it: its key is not the known one
	CauseFarName        Cause = "far-name"        // it does not know the name
	CauseFarRefused     Cause = "far-refused"     // nobody listens there
	CauseFarUnreachable Cause = "far-unreachable" // it has no way there
	CauseFarSilent      Cause = "far-silent"      // it got no answer, or gave none
	CauseNoForwarding   Cause = "no-forwarding"   // it does not know forwarding at all
	CauseSessions       Cause = "sessions"        // no session may be opened (MaxSessions)
	CauseShortage       Cause = "shortage"        // it has no resources left

	// banner
	CauseStartups     Cause = "startups"       // too many connections that log in (MaxStartups)
	CausePenalty      Cause = "penalty"        // refused for earlier failures (PerSourcePenalties)
	CauseNotSSH       Cause = "not-ssh"        // something else speaks there
	CauseClosedAtOnce Cause = "closed-at-once" // before saying anything
	CauseMute         Cause = "mute"           // connected, and nothing was said

	// key exchange
	CauseAlgorithms Cause = "algorithms"   // none in common
	CauseKexClosed  Cause = "kex-closed"   // closed in the key exchange
	CauseKexSilent  Cause = "kex-silent"   // no answer in the key exchange
	CauseDamaged    Cause = "damaged"      // packets were damaged on the way
	CauseKeyNew     Cause = "key-new"      // host key: none is known
	CauseKeyChanged Cause = "key-changed"  // host key: another one is known
	CauseKeyRevoked Cause = "key-revoked"  // host key: it is marked as revoked
	CauseKeyBad     Cause = "key-unusable" // host key: no verdict, or not acceptable

	// authenticate
	CauseNoKeys          Cause = "no-keys"          // the server wants keys, and there is none to offer
	CauseNoMethods       Cause = "no-methods"       // the server wants methods that are off or not supported
	CauseTooManyKeys     Cause = "too-many-keys"    // the server's limit on attempts (MaxAuthTries)
	CauseKeysRefused     Cause = "keys-refused"     // no key that was offered is accepted
	CauseSecretRefused   Cause = "secret-refused"   // a password or code was not accepted
	CauseMoreWanted      Cause = "more-wanted"      // one method succeeded, the next one failed
	CauseNobody          Cause = "nobody"           // a question and nobody to ask
	CauseCancelled       Cause = "cancelled"        // a question was not answered
	CausePasswordExpired Cause = "password-expired" // it must be changed
	CauseAccount         Cause = "account"          // closed after something was accepted: the account may be locked or expired
	CauseAuthClosed      Cause = "auth-closed"      // closed while we logged in
	CauseAuthSilent      Cause = "auth-silent"      // no answer to authentication

	// alive
	CauseLost      Cause = "lost"       // a live connection ended
	CauseFellQuiet Cause = "fell-quiet" // a live connection does not answer
)

// CauseOf is the likely cause of an error of Dial, of Conn.Wait, or of opening
// a channel, wrapped in an *Error.
func CauseOf(err error) Cause {
	var e *Error
	if !errors.As(err, &e) {
		return CauseNone
	}
	switch e.Stage {
	case StageResolve:
		return resolveCause(e.Err)
	case StageConnect:
		return connectCause(e.Err)
	case StageOpen:
		return openCause(e.Err)
	case StageBanner:
		return bannerCause(e.Err)
	case StageKeyExchange:
		return exchangeCause(e.Err)
	case StageHostKey:
		return hostKeyCause(e.Err)
	case StageAuthenticate:
		return authCause(e.Err)
	case StageAlive:
		if errors.Is(e.Err, ErrTimeout) {
			return CauseFellQuiet
		}
		return CauseLost
	}
	return CauseNone
}

// ErrNoAddress is wrapped by errors about a name that has no address.
var ErrNoAddress = errors.New("no address")

func resolveCause(err error) Cause {
	if errors.Is(err, ErrNoAddress) {
		return CauseNameUnknown
	}
	return CauseResolver
}

func connectCause(err error) Cause {
	switch {
	case errors.Is(err, errNoDescriptor):
		return CauseNone
	case errors.Is(err, ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return CauseSilent
	case errors.Is(err, syscall.ECONNREFUSED):
		return CauseRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return CauseUnreachable
	}
	return CauseNone
}

// openCause reads a refusal: the reasons are RFC 4254's, the texts those of
// OpenSSH (channels.c: connect_to_helper, strerror and gai_strerror).
func openCause(err error) Cause {
	var refused *OpenRefused
	switch {
	case errors.Is(err, ErrMayNotForward):
		return CauseUnsafeJump
	case errors.Is(err, ErrTimeout):
		return CauseFarSilent
	case !errors.As(err, &refused):
		return CauseLost
	}
	switch refused.Reason {
	case ssh.Prohibited:
		return CauseForwarding
	case ssh.UnknownChannelType:
		return CauseNoForwarding
	case ssh.ResourceShortage:
		return CauseShortage
	}
	return farCause(refused.Text)
}

func farCause(text string) Cause {
	text = strings.ToLower(text)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("refused"):
		return CauseFarRefused
	case has("timed out", "timeout"):
		return CauseFarSilent
	case has("not known", "name resolution", "no address associated", "nodename nor servname", "unknown host", "no such host"):
		return CauseFarName
	case has("unreachable", "no route"):
		return CauseFarUnreachable
	}
	return CauseNone
}

func bannerCause(err error) Cause {
	var other *NotSSHError
	switch {
	case errors.Is(err, ErrTimeout):
		return CauseMute
	case !errors.As(err, &other):
		return CauseClosedAtOnce
	case strings.HasPrefix(other.Said, "Exceeded MaxStartups"): // sshd.c: drop_connection
		return CauseStartups
	case strings.HasPrefix(other.Said, "Not allowed at this time"): // sshd.c, from 9.8 on
		return CausePenalty
	}
	return CauseNotSSH
}

func exchangeCause(err error) Cause {
	var mismatch *ssh.AlgorithmNegotiationError
	var damage *CorruptionError
	switch {
	case errors.Is(err, ErrTimeout):
		return CauseKexSilent
	case errors.As(err, &mismatch):
		return CauseAlgorithms
	case errors.As(err, &damage):
		return CauseDamaged
	case hungUp(err):
		return CauseKexClosed
	}
	return CauseNone
}

func hostKeyCause(err error) Cause {
	var failed *HostKeyError
	if !errors.As(err, &failed) {
		return CauseKeyBad
	}
	switch failed.Status {
	case hostkey.Unknown:
		return CauseKeyNew
	case hostkey.Changed:
		return CauseKeyChanged
	case hostkey.Revoked:
		return CauseKeyRevoked
	}
	return CauseKeyBad
}

// hungUp tells an end of the connection by the other side.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

func authCause(err error) Cause {
	var e *AuthError
	switch {
	case errors.Is(err, ErrTimeout):
		return CauseAuthSilent
	case !errors.As(err, &e):
		return CauseNone
	case errors.Is(e.Err, ErrPasswordExpired):
		return CausePasswordExpired
	case errors.Is(e.Err, ErrNobody):
		return CauseNobody
	case errors.Is(e.Err, ErrCancelled):
		return CauseCancelled
	case e.Err != nil && strings.Contains(strings.ToLower(e.Err.Error()), "too many authentication failures"): // auth.c: auth_maxtries_exceeded
		return CauseTooManyKeys
	case e.Err != nil && len(e.Tried) > 0:
		return closedCause(e)
	}
	return refusedCause(e)
}

// closedCause is of a server that hung up: after it could check something, its
// account rules are the likeliest (auth2.c: PAM's account management).
func closedCause(e *AuthError) Cause {
	if hungUp(e.Err) && e.Signed {
		return CauseAccount
	}
	return CauseAuthClosed
}

// refusedCause is of a server that had nothing more to accept.
func refusedCause(e *AuthError) Cause {
	last := ""
	if len(e.Tried) > 0 {
		last = e.Tried[len(e.Tried)-1]
	}
	unasked := last == "keyboard-interactive" && !e.Signed
	switch {
	case len(e.Done) > 0:
		return CauseMoreWanted
	case last == "publickey", unasked && len(e.Offered) > 0:
		return CauseKeysRefused
	case last != "" && !unasked:
		return CauseSecretRefused
	case e.wantsKeys():
		return CauseNoKeys
	}
	return CauseNoMethods
}
