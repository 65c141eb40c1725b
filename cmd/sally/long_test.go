//go:build long

package main_test

// typingRounds is how many sessions TestTypingAfterSessions types in.
const typingRounds = 200

// runHosts is how many hosts TestRunMany runs on.
const runHosts = 200

// loadFactor is how much more the tests of load do.
const loadFactor = 10
