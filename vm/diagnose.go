package vm

import (
	"context"
	"time"
)

const (
	// quietAfter is how long the console is silent after an answer, whose lines come within a millisecond where the host
	// has a processor for them.
	quietAfter = 750 * time.Millisecond
	// answerWithin bounds an answer: a guest that prints for ever does not fall quiet, and is to be asked the rest as well.
	answerWithin = 6 * time.Second
	// keyWithin is how long a guest may take to begin an answer to a key, and QEMU to take it.
	keyWithin = time.Second
	// nmiWithin is the same for the non-maskable interrupt: kernels say nothing of it before they have given up waiting
	// for other processors that do not stop, a second by their own clock and more by ours (Linux arch/x86/kernel/smp.c).
	nmiWithin = 5 * time.Second
)

// Diagnose asks a guest that is about to be given up where it is, and its console gets the answers: the stacks of all
// processors and of all tasks that are blocked, if the processor that takes the console's interrupts listens; and at
// last, by a non-maskable interrupt, the stack of the first processor even where interrupts are off. That is a panic to
// its kernel, so the guest ends by it (GuestReset): who asks has noted before why it is given up.
//
// It takes some seconds, half a minute at most where the console does not fall quiet, and less if ctx ends. It never fails
// aloud: a guest that says nothing says nothing.
func (p *Process) Diagnose(ctx context.Context) {
	for _, key := range []string{"l", "w"} { // not t: a hundred stacks take longer than there is time
		p.ask(ctx, keyWithin, func(ctx context.Context) error { return p.sysrq(ctx, key) })
	}
	p.ask(ctx, nmiWithin, p.InjectNMI)
}

// ask asks the guest something and returns when it has answered on the console, or has not begun to within a while.
func (p *Process) ask(ctx context.Context, within time.Duration, question func(context.Context) error) {
	before := p.pumps.console.bytes.Load()
	asking, cancel := context.WithTimeout(ctx, keyWithin)
	defer cancel()
	if question(asking) != nil {
		return
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, since, enough := before, time.Now(), time.Now().Add(within+answerWithin)
	for time.Since(since) < within && time.Now().Before(enough) {
		select {
		case <-tick.C:
		case <-p.exited:
			return
		case <-ctx.Done():
			return
		}
		if now := p.pumps.console.bytes.Load(); now != last {
			last, since, within = now, time.Now(), quietAfter
		}
	}
}

// sysrq presses a magic key on the console: on a serial line that is a break and a character behind it (Linux
// Documentation/admin-guide/sysrq.rst).
func (p *Process) sysrq(ctx context.Context, key string) error {
	if _, err := p.monitor.Exec(ctx, "chardev-send-break", map[string]string{"id": "console"}); err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	if err := p.pumps.console.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := p.pumps.console.Write([]byte(key))
	return err
}

// InjectNMI sends every processor a non-maskable interrupt. The first one takes it, whatever it does, and panics
// (unknown_nmi_panic); the others do not listen to this one (Linux arch/x86/kernel/apic/apic.c, apic_extnmi).
func (p *Process) InjectNMI(ctx context.Context) error {
	_, err := p.monitor.Exec(ctx, "inject-nmi", nil)
	return err
}
