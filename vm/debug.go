package vm

import (
	"fmt"
	"net"
	"os"
	"os/exec"
)

// Debugger is the program that debugs guests of an architecture, in uname -m's word. The error names the package that has it.
func Debugger(machine string) (program string, err error) {
	program = "gdb"
	if machine != HostArch() {
		program = "gdb-multiarch"
	}
	if _, err := exec.LookPath(program); err != nil {
		return "", fmt.Errorf("%s is not installed: apt-get install %[1]s", program)
	}
	return program, nil
}

// MaxSocketPath is what the kernel takes of a socket's path (unix(7), sun_path), without its NUL.
const MaxSocketPath = 107

// listen makes a socket at path, for nobody but us and QEMU, which inherits it: the user that it runs as need not be able to make one
// there. It returns QEMU's backend.
func (c *channels) listen(path string) (backend string, err error) {
	if len(path) > MaxSocketPath {
		return "", fmt.Errorf("listen for a debugger: the path of the socket has more than %d bytes: %s", MaxSocketPath, path)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return "", fmt.Errorf("listen for a debugger: %w", err)
	}
	defer listener.Close()
	listener.SetUnlinkOnClose(false) // QEMU goes on
	if err = os.Chmod(path, 0o600); err == nil {
		c.debug, err = listener.File()
	}
	if err != nil {
		return "", fmt.Errorf("listen for a debugger: %w", err)
	}
	return fmt.Sprintf("socket,fd=%d,server=on,wait=off", firstExtra+len(c.all)), nil
}

// Debugged is closed when a debugger is there: it stopped the guest, as it does when it comes, and has let it run again. Where the machine
// listens for none, that is never.
func (p *Process) Debugged() <-chan struct{} { return p.debugged }

// observeDebugger handles QEMU's event of that name (QEMU qapi/run-state.json). Of what we do ourselves, only Save stops a guest that runs.
func (p *Process) observeDebugger(event string) {
	if p.machine.Debug == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case event == "STOP":
		p.stopped = true
	case event == "RESUME" && p.stopped:
		select {
		case <-p.debugged:
		default:
			close(p.debugged)
		}
	}
}
