package vm_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/arch"
)

// guestInit is PID 1 of the guests that these tests boot, in which the test binary is /init: it does what "act=" on the kernel's
// command line says.
func guestInit() {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		os.MkdirAll(dir, 0o755)
	}
	unix.Mount("dev", "/dev", "devtmpfs", 0, "")
	unix.Mount("proc", "/proc", "proc", 0, "")
	loadModules("/lines", os.Stdout)
	own := arch.Host().QEMU
	path := "/dev/" + own.Report.Name
	for start := time.Now(); time.Since(start) < 5*time.Second; time.Sleep(time.Millisecond) { // its driver may be busy with finding it
		if found, _ := filepath.Glob(path); len(found) > 0 {
			path = found[0]
			break
		}
	}
	report, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		fmt.Println("no report port:", err)
	}
	raw(report)
	fmt.Fprintf(report, "ready\n")
	line, _ := os.ReadFile("/proc/cmdline")
	for _, word := range strings.Fields(string(line)) {
		if act, ok := strings.CutPrefix(word, "act="); ok {
			perform(act, report)
		}
	}
	report.Sync()
	unix.IoctlSetInt(int(report.Fd()), unix.TCSBRK, 1) // tcdrain
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func raw(f *os.File) {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag |= unix.CLOCAL
	unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

func answer(line string) string {
	switch verb, rest, _ := strings.Cut(line, " "); verb {
	case "write": // so many MiB of memory
		n, _ := strconv.Atoi(rest)
		kept = append(kept, bytes.Repeat([]byte{0xa5}, n<<20))
		return "wrote " + rest
	case "disk": // a block of the drive, past the kernel's cache
		at, _ := strconv.ParseInt(rest, 10, 64)
		return "disk " + readDisk(at)
	}
	return "you said " + line
}

var kept [][]byte

func readDisk(at int64) string {
	fd, err := unix.Open("/dev/vda", unix.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err.Error()
	}
	defer unix.Close(fd)
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // aligned
	if err != nil {
		return err.Error()
	}
	defer unix.Munmap(page)
	if _, err := unix.Pread(fd, page, at); err != nil {
		return err.Error()
	}
	text, _, _ := bytes.Cut(page, []byte{0})
	return strconv.Quote(string(text))
}

// loadModules loads those in dir in the order of their names.
func loadModules(dir string, report *os.File) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		f, err := os.Open(dir + "/" + e.Name())
		if err == nil {
			err = unix.FinitModule(int(f.Fd()), "", 0)
			f.Close()
		}
		if err != nil {
			fmt.Fprintln(report, e.Name(), err)
		}
	}
}

func perform(act string, report *os.File) {
	switch act {
	case "panic":
		os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "reboot":
		unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	case "hang":
		time.Sleep(time.Hour)
	case "flood":
		console, _ := os.OpenFile("/dev/"+arch.Host().QEMU.Console, os.O_WRONLY|unix.O_NOCTTY, 0)
		for {
			fmt.Fprintln(console, strings.Repeat("flood ", 20))
		}
	case "bulk":
		report.Write([]byte(strings.Repeat(strings.Repeat("x", 1023)+"\n", 1024)))
	case "handover":
		handOver(report)
	case "template":
		loadModules("/modules", report)
		fallthrough
	case "echo":
		tty, err := os.OpenFile("/dev/"+arch.Host().QEMU.Terminal.Name, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			fmt.Fprintln(report, err)
			return
		}
		raw(tty)
		fmt.Fprint(tty, "hi\n") // what comes before the port is open is lost
		if act == "template" {
			fmt.Fprint(report, "waiting\n")
		}
		in := bufio.NewScanner(tty)
		for in.Scan() && in.Text() != "bye" {
			fmt.Fprintf(tty, "%s\n", answer(in.Text()))
		}
	}
}
