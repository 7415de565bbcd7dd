package guest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// fit says why nothing may be loaded into the running kernel, with the cure; nil where it may. None of it is the module's fault.
func (h *here) fit(plan wire.Plan) error {
	boot, err := os.ReadFile(filepath.Join(h.proc, "sys/kernel/random/boot_id"))
	if h.boot = strings.TrimSpace(string(boot)); err != nil || h.boot == "" {
		return fmt.Errorf("ask this kernel which boot this is: %w", cmp.Or(err, errors.New("no answer")))
	}
	if err := h.lock(); err != nil {
		return err
	}
	for _, check := range []func(wire.Plan) error{h.checkPower, h.checkTaint, h.checkLoaded, h.checkSignatures} {
		if err := check(plan); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps others from loading modules at the same time. It ends with this process, and with it alone: one that hangs in the kernel keeps it.
func (h *here) lock() error {
	f, err := os.OpenFile(h.lockPath, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("lock this machine: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		by, _ := os.ReadFile(h.lockPath)
		f.Close()
		return fmt.Errorf("process %s loads modules into this kernel already: wait for its end; if it hangs, reboot", cmp.Or(string(bytes.TrimSpace(by)), "?"))
	}
	_ = f.Truncate(0)
	_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return nil // open, and locked, to the end
}

// Capabilities of a process (Linux include/uapi/linux/capability.h).
const (
	capSysModule = 16
	capSyslog    = 34
)

func (h *here) checkPower(wire.Plan) error {
	for line := range strings.Lines(readText(filepath.Join(h.proc, "self"), "status")) {
		hex, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err != nil || caps&(1<<capSysModule) == 0 || caps&(1<<capSyslog) == 0 {
			return errors.New("no module can be loaded from here: this process lacks CAP_SYS_MODULE or CAP_SYSLOG, as in a container; run it on the machine itself, as root or with sudo")
		}
	}
	if readText(h.proc, "sys/kernel/modules_disabled") == "1" {
		return errors.New("this kernel takes no more modules (kernel.modules_disabled = 1): reboot, and run again before that is set")
	}
	return nil
}

func (h *here) taint() (uint64, error) {
	return strconv.ParseUint(readText(h.proc, "sys/kernel/tainted"), 10, 64)
}

func (h *here) checkTaint(wire.Plan) error {
	bits, err := h.taint()
	if err != nil {
		return fmt.Errorf("read taint: %w", err)
	}
	if bits&deadly != 0 {
		return fmt.Errorf("this kernel has gone wrong before (tainted %d: an oops, a bad page or a lockup), and proves nothing any more: reboot, and run again", bits)
	}
	return nil
}

// checkLoaded refuses to touch what is there already: somebody uses it, or it hangs.
func (h *here) checkLoaded(plan wire.Plan) error {
	own := slices.Concat(plan.Modules, plan.Spare)
	for line := range strings.Lines(readText(h.proc, "modules")) {
		f := strings.Fields(line)
		if len(f) < 5 || !slices.ContainsFunc(own, func(m wire.Module) bool { return m.Name == f[0] }) {
			continue
		}
		if f[4] != "Live" {
			return fmt.Errorf("%s is %s since before, which never ends: reboot, and run again", f[0], strings.ToLower(f[4]))
		}
		return fmt.Errorf("%s is loaded on this machine already, and is left alone: sudo modprobe -r %[1]s, and run again", f[0])
	}
	return nil
}

// signed ends a file of a module that is signed (Linux include/linux/module_signature.h).
const signed = "~Module signature appended~\n"

// checkSignatures refuses modules without a signature where the kernel would: that is the machine's policy, and says nothing of them.
func (h *here) checkSignatures(plan wire.Plan) error {
	why := ""
	if strings.Contains(readText(h.sys, "kernel/security/lockdown"), "[integrity]") || strings.Contains(readText(h.sys, "kernel/security/lockdown"), "[confidentiality]") {
		why = "it is locked down, as under Secure Boot"
	}
	if readText(h.sys, "module/module/parameters/sig_enforce") == "Y" {
		why = "module.sig_enforce is set"
	}
	if why == "" {
		return nil
	}
	for _, m := range plan.Modules {
		if data, err := os.ReadFile(m.Path); err == nil && !bytes.HasSuffix(data, []byte(signed)) {
			return fmt.Errorf("this kernel takes signed modules alone (%s), and %s is not: switch that off for the test, or use a guest", why, m.Name)
		}
	}
	return nil
}
