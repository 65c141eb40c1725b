//go:build !long

package main_test

// typingRounds is how many sessions TestTypingAfterSessions types in.
const typingRounds = 20

// runHosts is how many hosts TestRunMany runs on.
const runHosts = 24

// loadFactor is how much more the tests of load do with the tag long.
const loadFactor = 1
