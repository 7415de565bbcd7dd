// Command init is PID 1 of the guests that vm's tests boot: it does what its "act=" word on the kernel's command line
// says, and says so on the second serial port.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		os.MkdirAll(dir, 0o755)
	}
	unix.Mount("dev", "/dev", "devtmpfs", 0, "")
	unix.Mount("proc", "/proc", "proc", 0, "")
	report, err := os.OpenFile("/dev/ttyS1", os.O_RDWR|unix.O_NOCTTY, 0)
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

// raw turns off what a terminal does to bytes.
func raw(f *os.File) {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag |= unix.CLOCAL
	unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
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
		console, _ := os.OpenFile("/dev/ttyS0", os.O_WRONLY|unix.O_NOCTTY, 0)
		for {
			fmt.Fprintln(console, strings.Repeat("flood ", 20))
		}
	case "bulk":
		report.Write([]byte(strings.Repeat(strings.Repeat("x", 1023)+"\n", 1024)))
	case "echo":
		tty, err := os.OpenFile("/dev/ttyS2", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			fmt.Fprintln(report, err)
			return
		}
		raw(tty)
		fmt.Fprint(tty, "hi\n") // what comes before the port is open is lost
		in := bufio.NewScanner(tty)
		for in.Scan() && in.Text() != "bye" {
			fmt.Fprintf(tty, "you said %s\n", in.Text())
		}
	}
}
