// Package sshtest is for tests only: chains of real sshd processes, servers
// that misbehave, proxies that delay, stall, reset and corrupt, a driver for
// programs on a terminal, and checks that nothing is left behind.
//
// It knows how to run the system's sshd and how to find what a test left. It
// must not know any of our other packages, so that each of them can use it.
//
// A missing program or privilege fails the test and names the cure; it never
// skips. Linux only: it reads /proc.
//
// How sshd is run: the test process listens and accepts by itself, and starts
// one "sshd -i" for each connection. So ports are free of races, connections
// are counted exactly, and every process is known. What a listening sshd does
// before it forks (MaxStartups, PerSourcePenalties) is therefore not there.
package sshtest
