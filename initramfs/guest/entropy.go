package guest

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reseed reseeds the kernel's random number generator: clones of one template would all draw the same numbers.
func reseed(seed []byte) error {
	fd, err := unix.Open("/dev/urandom", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reseed the kernel's random numbers: open /dev/urandom: %w", err)
	}
	defer unix.Close(fd)
	err = control(fd, unix.RNDADDENTROPY, poolInfo(seed))
	if err == nil { // by itself, the generator takes from the pool only every few minutes
		err = control(fd, unix.RNDRESEEDCRNG, nil)
	}
	if err != nil {
		return fmt.Errorf("reseed the kernel's random numbers: %w", err)
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
