package guest

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stir puts a seed into the kernel's random number generator and has it begin anew from there. Clones of one frozen guest
// would otherwise all draw the same numbers.
func stir(seed []byte) error {
	fd, err := unix.Open("/dev/urandom", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("seed the kernel's random numbers: open /dev/urandom: %w", err)
	}
	defer unix.Close(fd)
	if err := control(fd, unix.RNDADDENTROPY, poolInfo(seed)); err != nil {
		return fmt.Errorf("seed the kernel's random numbers: %w", err)
	}
	// The generator that readers draw from takes what is in the pool only every few minutes by itself.
	if err := control(fd, unix.RNDRESEEDCRNG, nil); err != nil {
		return fmt.Errorf("have the kernel's random numbers begin anew: %w", err)
	}
	return nil
}

// poolInfo is struct rand_pool_info (include/uapi/linux/random.h): bits of entropy, bytes, the bytes.
func poolInfo(seed []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(8*len(seed)))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(seed)))
	return append(b, seed...)
}

func control(fd int, request uintptr, arg []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(unsafe.SliceData(arg))))
	if errno != 0 {
		return errno
	}
	return nil
}
