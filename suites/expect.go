package suites

import (
	"fmt"
	"regexp"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/modmatrix/modmatrix/results/wire"
)

// ExpectSplat announces that the running spec makes the kernel report a fault on purpose: one whose title matches pattern,
// a Go regular expression that need not match all of it. Call it before the fault.
//
//	It("warns of a second owner", func() {
//		suites.ExpectSplat("WARNING in fifo_claim")
//		Expect(claimTwice()).To(MatchError(unix.EBUSY))
//	})
//
// Titles read as results and modmatrix explain show them, such as "WARNING in fifo_claim" or "KASAN: slab-use-after-free
// in fifo_read". The fault is expected once, or count times, from the call to the end of the spec. That many fail nothing,
// nor does the taint that they set, such as W. One more is a fault like any other, and one fewer fails the suite on this
// kernel: a check that no longer triggers is broken. Where a fault comes late, from a timer or a work queue, wait for it in
// the kernel log before the spec ends.
//
// A fault that ends the kernel cannot be expected: in modmatrix every oops panics. A spec that depends on the kernel's
// config, such as KASAN, checks KernelConfig first.
//
// The spec fails at once where the pattern is empty or invalid, where count is below one, and where no spec is running.
// Outside of a modmatrix guest nobody watches the kernel, and nothing happens.
func ExpectSplat(pattern string, count ...int) {
	times, err := splatCount(pattern, count)
	switch {
	case err != nil:
		ginkgo.Fail("ExpectSplat: "+err.Error(), 1)
	case ginkgo.CurrentSpecReport().LeafNodeType != types.NodeTypeIt:
		ginkgo.Fail("ExpectSplat: no spec is running: call it in an It, or in a BeforeEach around it", 1)
	case host == nil:
		return
	}
	spec := wire.Spec{Name: ginkgo.CurrentSpecReport().FullText()}
	if err := host.Write(wire.Frame{Kind: wire.KindExpect, Spec: &spec, Text: pattern, Count: times}); err != nil {
		ginkgo.Fail("ExpectSplat: "+err.Error(), 1) // else the fault would be the module's
	}
}

func splatCount(pattern string, count []int) (int, error) {
	if pattern == "" {
		return 0, fmt.Errorf("the pattern is empty, and would match every fault")
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return 0, err
	}
	if len(count) == 0 {
		return 1, nil
	}
	if len(count) > 1 || count[0] < 1 {
		return 0, fmt.Errorf("count is %v, want one number from 1 on", count)
	}
	return count[0], nil
}
