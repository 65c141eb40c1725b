package hop

import (
	"context"

	"golang.org/x/crypto/ssh"
)

// knownHostsCommand runs KnownHostsCommand and gives its output; nil when
// none is configured.
type knownHostsCommand func(ctx context.Context, reason string, key ssh.PublicKey) ([]byte, error)
