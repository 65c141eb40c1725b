//go:build race

package lab

// The race detector makes ciphers twenty times slower.
const transferSize = 8 << 20
