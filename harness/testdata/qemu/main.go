// Command qemu is the fake QEMU of package vm/vmtest with the guests of harness/testdata/guests. The tests start it hundreds
// of times, so it is a program of its own: it links little, and starts in a fifth of the time of a test binary.
package main

import (
	"github.com/modmatrix/modmatrix/harness/testdata/guests"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func main() {
	guests.Register()
	vmtest.Command()
}
