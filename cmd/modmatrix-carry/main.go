// Command modmatrix-carry makes the guest image and the built-in suites, and puts them where a release finds them: in the
// folder of package initramfs that the tag release embeds: for this machine's architecture, or for those that are named. It is a part of
// make dist.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

func main() {
	err := sandbox.Seal()
	if err == nil && len(os.Args) < 2 {
		err = errors.New("name the folder: initramfs/" + initramfs.CarriedDir + ", and perhaps architectures, in Debian's words")
	}
	if err == nil {
		err = carry(os.Args[1], os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "modmatrix-carry:", err)
		os.Exit(1)
	}
}

func carry(dir string, names []string) error {
	if len(names) == 0 {
		names = []string{arch.Host().Debian}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	h, err := harness.New(harness.Options{Events: func(e results.Event) { fmt.Fprintln(os.Stderr, e.Text) }})
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "modmatrix-carry-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var files []initramfs.Ready
	for _, name := range names {
		a, ok := arch.Named(name)
		if !ok {
			return fmt.Errorf("no architecture %s: known are %s", name, strings.Join(arch.Names(), ", "))
		}
		ready, err := h.MakeReady(ctx, harness.Spec{}, a.Name, []harness.Suite{{Name: harness.Lifecycle}}, work)
		if err != nil {
			return err
		}
		files = append(files, ready...)
	}
	return initramfs.Carry(dir, files)
}
