package guest

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/results/wire/calm"
)

// shell runs an interactive shell on the third serial port until the user exits it.
func (g *guest) shell() {
	fd, err := openTerminal(shellPath())
	if err != nil {
		g.fail("open a shell: %v", err)
		return
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, []byte(banner(g.plan)))
	byHand, err := g.serveByHand()
	if err != nil {
		g.fail("%v", err) // the shell has no plug, and serves all the same
	}
	env := append(byHand, "PATH=/bbin:/bin:"+wire.SuiteDir, "HOME=/root", "TMPDIR=/tmp", "TERM=xterm", "PS1="+g.plan.Target.Release+" # ", calm.Env+"=1")
	p, err := g.reaper.start("/bbin/modmatrix-shell", []string{"modmatrix-shell"}, &syscall.ProcAttr{
		Dir: "/root", Env: env, Files: []uintptr{uintptr(fd), uintptr(fd), uintptr(fd)},
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}})
	if err != nil {
		g.fail("open a shell: %v", err)
		return
	}
	<-p.ended
	g.reaper.killAll()
}

// openTerminal opens a serial port as a terminal: lines, echo and the keys that send signals.
func openTerminal(path string) (int, error) {
	p, err := openPort(path)
	if err != nil {
		return -1, err
	}
	cooked := &unix.Termios{
		Iflag: unix.ICRNL | unix.IXON | unix.IUTF8,
		Oflag: unix.OPOST | unix.ONLCR,
		Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200,
		Lflag: unix.ISIG | unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHOCTL | unix.ECHOKE | unix.IEXTEN,
		Cc: [19]uint8{unix.VINTR: 3, unix.VQUIT: 28, unix.VERASE: 127, unix.VKILL: 21, unix.VEOF: 4, unix.VMIN: 1,
			unix.VSTART: 17, unix.VSTOP: 19, unix.VSUSP: 26, unix.VREPRINT: 18, unix.VWERASE: 23, unix.VLNEXT: 22},
		Ispeed: 115200, Ospeed: 115200,
	}
	if err := unix.IoctlSetTermios(p.fd, unix.TCSETS, cooked); err != nil {
		unix.Close(p.fd)
		return -1, fmt.Errorf("set up %s: %w", path, err)
	}
	_ = unix.IoctlSetWinsize(p.fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}) // a serial line has no size of its own
	return p.fd, nil
}

func banner(p wire.Plan) string {
	var names []string
	for _, m := range p.Modules {
		names = append(names, m.Name)
	}
	text := fmt.Sprintf("Linux %s, %s loaded. Leave with exit or Ctrl-D: the guest unloads it and powers off.\n",
		p.Target.Release, strings.Join(names, ", "))
	if len(p.Suites) > 0 {
		var suites []string
		for _, s := range p.Suites {
			suites = append(suites, s.Name)
		}
		text += "Suites to run by hand: " + strings.Join(suites, ", ") + ".\n"
	}
	if len(p.Plugs) > 0 {
		text += "To plug in and pull: plug and unplug, with " + strings.Join(p.Plugs, " or ") + ".\n"
	}
	return text
}
