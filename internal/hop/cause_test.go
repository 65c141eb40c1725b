package hop

import (
	"context"
	"errors"
	"io"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
)

func TestCauses(t *testing.T) {
	refused := func(reason ssh.RejectionReason, text string) error {
		return openError(&ssh.OpenChannelError{Reason: reason, Message: text})
	}
	closed := libraryError(io.EOF)
	for _, test := range []struct {
		stage Stage
		err   error
		want  Cause
	}{
		{StageResolve, &plainError{"no ip6 address for \"x\"", ErrNoAddress}, CauseNameUnknown},
		{StageResolve, errors.New("lookup x: i/o timeout"), CauseResolver},
		{StageConnect, syscall.ECONNREFUSED, CauseRefused},
		{StageConnect, &WaysError{Last: plainDialError(syscall.ECONNREFUSED)}, CauseRefused},
		{StageConnect, syscall.EHOSTUNREACH, CauseUnreachable},
		{StageConnect, &TimeoutError{}, CauseSilent},
		{StageOpen, refused(ssh.Prohibited, "open failed"), CauseForwarding},
		{StageOpen, refused(ssh.ConnectionFailed, "Connection refused"), CauseFarRefused},
		{StageOpen, refused(ssh.ConnectionFailed, "Name or service not known"), CauseFarName},
		{StageOpen, refused(ssh.ConnectionFailed, "Temporary failure in name resolution"), CauseFarName},
		{StageOpen, refused(ssh.ConnectionFailed, "No route to host"), CauseFarUnreachable},
		{StageOpen, refused(ssh.ConnectionFailed, "Connection timed out"), CauseFarSilent},
		{StageOpen, refused(ssh.UnknownChannelType, "unknown channel type"), CauseNoForwarding},
		{StageOpen, refused(ssh.ResourceShortage, ""), CauseShortage},
		{StageOpen, &TimeoutError{}, CauseFarSilent},
		{StageOpen, openError(io.EOF), CauseLost},
		{StageOpen, ErrMayNotForward, CauseUnsafeJump},
		{StageBanner, notSSH([]byte("Exceeded MaxStartups\r\n")), CauseStartups},
		{StageBanner, notSSH([]byte("Not allowed at this time\r\n")), CausePenalty},
		{StageBanner, notSSH([]byte("HTTP/1.1 400")), CauseNotSSH},
		{StageBanner, closed, CauseClosedAtOnce},
		{StageBanner, &TimeoutError{}, CauseMute},
		{StageKeyExchange, libraryError(&ssh.AlgorithmNegotiationError{What: "key exchange"}), CauseAlgorithms},
		{StageKeyExchange, closed, CauseKexClosed},
		{StageKeyExchange, &TimeoutError{}, CauseKexSilent},
		{StageKeyExchange, libraryError(errors.New("ssh: MAC failure")), CauseDamaged},
		{StageHostKey, &HostKeyError{Status: hostkey.Unknown}, CauseKeyNew},
		{StageHostKey, &HostKeyError{Status: hostkey.Changed}, CauseKeyChanged},
		{StageHostKey, &HostKeyError{Status: hostkey.Revoked}, CauseKeyRevoked},
		{StageHostKey, errors.New("read revoked keys"), CauseKeyBad},
		{StageAuthenticate, &AuthError{Allowed: []string{"publickey"}}, CauseNoKeys},
		{StageAuthenticate, &AuthError{Allowed: []string{"gssapi-with-mic"}}, CauseNoMethods},
		{StageAuthenticate, &AuthError{Allowed: []string{"publickey"}, Tried: []string{"publickey"}, Offered: []string{"k"}}, CauseKeysRefused},
		{StageAuthenticate, &AuthError{Allowed: []string{"password"}, Tried: []string{"password"}}, CauseSecretRefused},
		{StageAuthenticate, &AuthError{Done: []string{"publickey"}, Tried: []string{"publickey", "keyboard-interactive"}}, CauseMoreWanted},
		{StageAuthenticate, &AuthError{Err: ErrNobody}, CauseNobody},
		{StageAuthenticate, &AuthError{Err: ErrCancelled}, CauseCancelled},
		{StageAuthenticate, &AuthError{Err: ErrPasswordExpired}, CausePasswordExpired},
		{StageAuthenticate, &AuthError{Tried: []string{"publickey"}, Err: libraryError(errors.New("ssh: disconnect, reason 2: Too many authentication failures"))}, CauseTooManyKeys},
		{StageAuthenticate, &AuthError{Tried: []string{"publickey"}, Signed: true, Err: closed}, CauseAccount},
		{StageAuthenticate, &AuthError{Tried: []string{"publickey"}, Err: closed}, CauseAuthClosed},
		{StageAuthenticate, &TimeoutError{}, CauseAuthSilent},
		{StageAlive, &TimeoutError{}, CauseFellQuiet},
		{StageAlive, closed, CauseLost},
	} {
		if got := CauseOf(&Error{Hop: "h", Stage: test.stage, Err: test.err}); got != test.want {
			t.Errorf("%s: %v: cause is %q, want %q", test.stage, test.err, got, test.want)
		}
	}
	if got := CauseOf(context.Canceled); got != CauseNone {
		t.Errorf("cause of an end that is no hop's is %q", got)
	}
}
