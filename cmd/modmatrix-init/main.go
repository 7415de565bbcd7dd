// Command modmatrix-init is PID 1 of a guest; see package guest.
package main

import "github.com/modmatrix/modmatrix/initramfs/guest"

func main() {
	guest.Main()
}
