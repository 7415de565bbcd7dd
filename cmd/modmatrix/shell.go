package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

func shellCommand(a *app) *cobra.Command {
	var s specFlags
	var gdb bool
	cmd := s.verb("shell", func(cmd *cobra.Command, _ []string, spec harness.Spec) error {
		return a.shell(cmd.Context(), spec, len(s.Kernels) > 0, gdb)
	})
	s.whichKernels(cmd)
	s.whichArchs(cmd)
	s.whichGuest(cmd)
	s.whichSuites(cmd)
	cmd.Flags().BoolVar(&gdb, "gdb", false, "wait for gdb before the module is loaded, and say how to start it")
	return cmd
}

func (a *app) shell(ctx context.Context, spec harness.Spec, chosen, gdb bool) error {
	w := a.watch(ctx)
	return a.planned(ctx, w, spec, func(h *harness.Harness, plan *harness.Plan) error {
		if n := len(plan.Targets); n > 1 && chosen {
			var names []string
			for _, t := range plan.Targets {
				names = append(names, harness.Label(t))
			}
			return usage("shell takes one kernel, and these are %d: %s", n, strings.Join(names, ", "))
		} else if n > 1 {
			plan.Targets = plan.Targets[n-1:]
		}
		if len(plan.Targets) == 0 {
			return fmt.Errorf("%w: %s", kernels.ErrUnavailable, plan.Unresolved[0].Reason)
		}
		t := &guestTerminal{app: a, watcher: w, kernel: harness.Label(plan.Targets[0]), joined: make(chan struct{})}
		defer t.restore()
		var debug func(string)
		if gdb {
			debug = t.debug
		}
		return h.Shell(ctx, plan, t, debug)
	})
}

// guestTerminal joins our terminal to the guest's. It goes raw when the guest says its first word, so that until then
// Ctrl-C ends the command, and from then on is a key like any other.
type guestTerminal struct {
	*app
	watcher watcher
	kernel  string
	state   *term.State
	join    sync.Once
	joined  chan struct{} // closed at the guest's first word
	ended   bool          // our input did, and the guest's was sent its end
}

// debug says how to start the debugger. The guest waits for it, and our terminal is not joined to the guest's yet.
func (t *guestTerminal) debug(command string) {
	t.watcher.close()
	fmt.Fprintf(t.Stderr, "%s · the guest waits for gdb, in another terminal:\n\n    %s\n\n", t.kernel, results.Plain(command))
}

// endOfInput ends what reads from a terminal (Ctrl-D at the start of a line), and then a shell, which loses an early Ctrl-D.
const endOfInput = "\n\x04exit\n"

// Read gives the guest our input once it listens; what it was sent before would be lost. Where our input ends, the guest's is sent its
// end, again and again: programs in it may have thrown away what was typed ahead.
func (t *guestTerminal) Read(p []byte) (int, error) {
	<-t.joined
	n, err := t.Stdin.Read(p)
	if n > 0 || !errors.Is(err, io.EOF) || len(p) < len(endOfInput) {
		return n, err
	}
	if t.ended {
		time.Sleep(time.Second)
	}
	t.ended = true
	return copy(p, endOfInput), nil
}

func (t *guestTerminal) Write(p []byte) (int, error) {
	if err := t.begin(); err != nil {
		return 0, err
	}
	return t.Stdout.Write(p)
}

// begin joins the terminals, once.
func (t *guestTerminal) begin() (err error) {
	t.join.Do(func() {
		defer close(t.joined)
		t.watcher.close()
		fmt.Fprintf(t.Stderr, "%s · leave with exit or Ctrl-D\n", t.kernel)
		if fd := int(t.Stdin.Fd()); term.IsTerminal(fd) {
			if t.state, err = term.MakeRaw(fd); err != nil {
				err = fmt.Errorf("make terminal raw: %w", err)
			}
		}
	})
	return err
}

func (t *guestTerminal) restore() {
	if t.state != nil {
		_ = term.Restore(int(t.Stdin.Fd()), t.state)
		t.state = nil
	}
}

var _ io.ReadWriter = (*guestTerminal)(nil)
