//go:build !race

package main

// Every script starts the test binary; see race_test.go.
var concurrent []string

func plainPrograms(string) {}
