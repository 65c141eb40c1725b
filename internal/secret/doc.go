// Package secret keeps passwords: in the system's keychain, or in files that
// are encrypted with a passphrase where there is none. It knows accounts as
// names and nothing of hosts, prompts or terminals; whoever uses it decides
// which prompt a password may answer.
package secret
