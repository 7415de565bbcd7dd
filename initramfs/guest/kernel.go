package guest

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// openKmsg opens the kernel log for markers, and lifts the rate limit on lines from user space (printk_devkmsg,
// Documentation/admin-guide/sysctl/kernel.rst): without a marker, a fault would be that of another spec.
func openKmsg() (int, error) {
	_ = os.WriteFile("/proc/sys/kernel/printk_devkmsg", []byte("on\n"), 0) // refused where the command line sets it
	fd, err := unix.Open("/dev/kmsg", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	return fd, nil
}

func (g *guest) mark(m wire.Mark) {
	if name := g.suite.Load(); name != nil {
		m.Suite = *name
	}
	if g.plan.Nonce != "" {
		g.log(wire.Marker(g.plan.Nonce, m))
	}
}

// log writes a line into the kernel log, as a notice of user space (facility 1, level 5).
func (g *guest) log(line string) {
	if g.kmsg >= 0 {
		_, _ = unix.Write(g.kmsg, []byte("<13>"+line+"\n"))
	}
}

func (g *guest) taint(stage string) {
	text, err := os.ReadFile("/proc/sys/kernel/tainted")
	var bits uint64
	if err == nil {
		bits, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	}
	if err != nil {
		g.fail("read taint: %v", err)
		return
	}
	g.tainted.Store(bits)
	g.send(wire.Frame{Kind: wire.KindTaint, Stage: stage, Taint: bits})
}

// The kernel's default time to finish what a suite or unloading started: timers, delayed work, RCU callbacks. It is longer
// after unloading: what runs late then jumps into freed code, and the guest must still be up to catch that.
const (
	settleTest   = 10 * time.Millisecond
	settleUnload = 50 * time.Millisecond
)

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL (include/uapi/linux/membarrier.h).
const membarrierGlobal = 1

// settle waits until the plan's time, or the default, has passed since began. The barrier lets all processors pass a
// quiescent state first, so that RCU callbacks that were due are run (kernel/sched/membarrier.c; with one processor it
// returns at once). Unloading has its own barrier (kernel/module/main.c, free_module).
func (g *guest) settle(began time.Time, limit time.Duration) {
	if g.plan.SettleMS > 0 {
		limit = time.Duration(g.plan.SettleMS) * time.Millisecond
	}
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0) // where the kernel has it
	time.Sleep(limit - time.Since(began))
}

// syncDisks is sync(2), unless a broken driver makes it hang.
func syncDisks() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		unix.Sync()
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}

// powerOff switches the guest off. It does not return, even where that fails.
func powerOff() {
	for {
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		time.Sleep(time.Second)
	}
}

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
