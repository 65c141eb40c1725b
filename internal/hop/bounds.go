package hop

import (
	"errors"
	"strings"
)

// Bounds of what a server may have us show and ask. None is of a protocol; an
// honest server stays far below them.
const (
	// maxSaid is of a server's text within an error, in bytes.
	maxSaid = 2048
	// maxBanners is of all banners of a login together, in bytes.
	maxBanners = 256 << 10
	// maxRounds is of keyboard-interactive rounds in a login, and maxPrompts
	// of prompts in one of them.
	maxRounds  = 64
	maxPrompts = 64
	// maxPrompt is of one prompt or instruction, in bytes.
	maxPrompt = 16 << 10
	// maxRenewals is how many times its bound one authentication method may
	// take of the server, which renews the bound by sending anything at all.
	maxRenewals = 10
)

// The ends of a login whose server goes beyond them.
var (
	errTooManyBanners = errors.New("the server does not stop to send banners")
	errTooManyRounds  = errors.New("the server does not stop to ask (keyboard-interactive)")
)

// cut shortens a text to n bytes and does not keep the rest in memory.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.Clone(strings.ToValidUTF8(s[:n], "")) + "…"
}

// inOneLine makes a server's text fit for an error.
func inOneLine(s string) string {
	return strings.ReplaceAll(Clean(cut(s, maxSaid)), "\n", " ")
}
