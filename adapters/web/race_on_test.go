//go:build race

package web_test

// most is how many idle connections the test holds: the race detector ends a program with more than 8,128 goroutines, and each
// connection has one.
const most = 7_000
