package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/initramfs/guest"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/here"
)

// helper is this program as root, for -k here: with the folder of a payload, or to read what the kernel kept of its log.
func helper(what string) int {
	if what != wire.PstoreWord {
		return guest.Here(what)
	}
	if err := here.WritePstore(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "modmatrix:", err)
		return exitTrouble
	}
	return 0
}

// agree asks on the terminal for what a run of spec would do to this machine, unless --yes was given. Without a terminal nobody can be
// asked, and the run refuses.
func (a *app) agree(ctx context.Context, spec *harness.Spec) error {
	asks := slices.ContainsFunc(spec.Kernels, func(s kernels.Selector) bool { return s.Source == kernels.Here })
	if !asks || spec.Yes || !term.IsTerminal(int(a.Stdin.Fd())) || !term.IsTerminal(int(a.Stderr.file.Fd())) {
		return nil
	}
	what, err := a.consent(ctx, *spec)
	if what == "" || err != nil {
		return err
	}
	fmt.Fprint(a.Stderr, what+"Do that? [y/N] ")
	line, _ := bufio.NewReader(a.Stdin).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return usage("nothing was loaded: -k here is for those who agree to what it does")
	}
	spec.Yes = true
	return nil
}

// consent is what a run of spec would do to this machine, as text for the terminal.
func (a *app) consent(ctx context.Context, spec harness.Spec) (text string, err error) {
	err = a.planned(ctx, silence, spec, func(h *harness.Harness, plan *harness.Plan) error {
		text, err = h.Consent(plan)
		return err
	})
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(results.Plain(strings.TrimSuffix(line, "\n")) + "\n")
	}
	if text == "" {
		return "", err
	}
	return b.String(), err
}
