// Package identity knows how we prove who we are with keys: key files in every
// format that ssh reads, the agent, certificates, security keys, and the order
// in which they are offered. It does not know hosts or how they are dialled,
// and it asks nobody anything but through the Asker that its caller gives it.
//
// # Using a Set in a handshake
//
// An Identity is an ssh.MultiAlgorithmSigner. x/crypto/ssh ends the whole
// method when one signer of ssh.PublicKeys cannot sign (a passphrase that was
// not given, a refusal by the agent), where ssh goes on with the next key. So
// offer each Identity as a method of its own, from ClientConfig.AuthCallback:
//
//	for each id of set.Identities():
//	    if err := id.Prepare(); err != nil { skip it }
//	    return ssh.PublicKeys(id), nil
//
// x/crypto asks the server about the public half before it asks for a
// signature, so the private half is read, and its passphrase asked for, only
// when the server accepts the key. Prepare does nothing then. Only a key whose
// public half cannot be had (an encrypted PEM file without a .pub beside it)
// is loaded by Prepare, when its turn comes, as ssh does.
package identity
