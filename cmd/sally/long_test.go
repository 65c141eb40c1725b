//go:build long

package main_test

// typingRounds is how many sessions TestTypingAfterSessions types in.
const typingRounds = 200
