//go:build !race

package lab

const transferSize = 64 << 20
