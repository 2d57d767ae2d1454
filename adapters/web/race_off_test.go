//go:build !race

package web_test

const most = 10_000
