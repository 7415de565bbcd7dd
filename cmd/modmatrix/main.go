// Command modmatrix says on which kernels an out-of-tree Linux module works, and how we know.
//
// Each verb has a file: flags in, one call of the harness, one rendering, an exit code. This package must never know
// how a kernel is obtained, built against or booted, and decides nothing about a module.
package main

import (
	"fmt"
	"os"

	"github.com/modmatrix/modmatrix/kernels/sandbox"
)

func main() {
	if err := sandbox.Seal(); err != nil { // before anything else: what follows starts strangers' code
		fmt.Fprintln(os.Stderr, "modmatrix:", err)
		os.Exit(3)
	}
	os.Exit(run(Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: &output{file: os.Stdout}, Stderr: &output{file: os.Stderr}}))
}
