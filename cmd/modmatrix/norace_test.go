//go:build !race

package main

import "testing"

// Every script starts the test binary; see race_test.go.
type starters struct{ *testing.M }

var concurrent []string
