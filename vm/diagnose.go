package vm

import (
	"context"
	"time"
)

type diagnosisLimits struct {
	quiet  time.Duration // an answer has ended when the console is silent for this long
	answer time.Duration // bounds an answer of a guest that never stops printing
	key    time.Duration // for the beginning of the answer to a key, and for QEMU to send it
	// nmi is for the beginning of the answer to the interrupt: kernels first wait for the other processors to stop, a
	// second by their own clock and more by ours (Linux arch/x86/kernel/smp.c).
	nmi time.Duration
}

// limits are a variable for the tests alone. The lines of an answer are milliseconds apart on an idle host.
var limits = diagnosisLimits{quiet: 750 * time.Millisecond, answer: 6 * time.Second, key: time.Second, nmi: 5 * time.Second}

// Diagnose makes a guest that hangs print where it is on its console: first, by magic SysRq keys, the stacks of all
// processors and of all blocked tasks, if the processor that handles the console's interrupts responds; then, by a
// non-maskable interrupt, the stack of the first processor even where interrupts are off. The interrupt makes the kernel
// panic, so the guest ends by it (GuestReset): the caller must have noted before why it gives the guest up.
//
// Diagnose takes some seconds, half a minute at most if the console does not fall silent, and less if ctx ends. A guest
// that does not answer is no error.
func (p *Process) Diagnose(ctx context.Context) {
	for _, key := range []string{"l", "w"} { // not t: a hundred stacks take longer than there is time
		p.ask(ctx, limits.key, func(ctx context.Context) error { return p.sysrq(ctx, key) })
	}
	if p.machine.qemu().NMI {
		p.ask(ctx, limits.nmi, p.injectNMI)
	}
}

// ask sends a request and returns when the guest has answered it on the console, or has not begun to within a while.
func (p *Process) ask(ctx context.Context, within time.Duration, send func(context.Context) error) {
	last := p.copiers.console.bytes.Load()
	sending, cancel := context.WithTimeout(ctx, limits.key)
	defer cancel()
	if send(sending) != nil {
		return
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	since, end := time.Now(), time.Now().Add(within+limits.answer)
	for time.Since(since) < within && time.Now().Before(end) {
		select {
		case <-tick.C:
		case <-p.exited:
			return
		case <-ctx.Done():
			return
		}
		if now := p.copiers.console.bytes.Load(); now != last {
			last, since, within = now, time.Now(), limits.quiet
		}
	}
}

// sysrq presses a magic key on the console: a break, or what its driver takes instead, and a character (Linux
// Documentation/admin-guide/sysrq.rst).
func (p *Process) sysrq(ctx context.Context, key string) error {
	magic := p.machine.qemu().SysRq
	if magic == "" {
		if _, err := p.monitor.Exec(ctx, "chardev-send-break", map[string]string{"id": "console"}); err != nil {
			return err
		}
	}
	deadline, _ := ctx.Deadline()
	if err := p.copiers.console.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := p.copiers.console.Write([]byte(magic + key))
	return err
}

// injectNMI sends every processor a non-maskable interrupt. The first one takes it, whatever it does, and panics
// (unknown_nmi_panic); the others ignore this one (Linux arch/x86/kernel/apic/apic.c, apic_extnmi).
func (p *Process) injectNMI(ctx context.Context) error {
	_, err := p.monitor.Exec(ctx, "inject-nmi", nil)
	return err
}
