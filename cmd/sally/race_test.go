//go:build race

package main_test

// raceDetector says that this test, and so the program it tests, is built
// with the race detector.
const raceDetector = true
