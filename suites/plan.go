package suites

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/onsi/ginkgo/v2"

	"github.com/modmatrix/modmatrix/results/wire"
	_ "github.com/modmatrix/modmatrix/results/wire/calm" // for guests on an emulated processor
)

// ErrNoPlan says that this process does not run in a modmatrix guest.
var ErrNoPlan = errors.New("not in a modmatrix guest")

// inGuest: PID 1 of a guest started this process to run its specs. It is read before openPipe unsets the variable.
var inGuest = os.Getenv(wire.EnvReportFD) != ""

var readPlan = sync.OnceValues(func() (wire.Plan, error) { return openPlan(wire.PlanPath) })

// Plan is the host's plan for this guest: the target, and the modules under test with the parameters given and declared.
// Outside of a guest the error is ErrNoPlan.
func Plan() (wire.Plan, error) { return readPlan() }

func openPlan(path string) (wire.Plan, error) {
	plan, err := wire.ReadPlan(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("read plan: %w", ErrNoPlan)
	}
	return plan, err
}

// RequireGuest skips the running spec outside of a modmatrix guest, where it would load modules into this machine's own
// kernel. In a guest without a plan, which is broken, it fails the spec. Use it as BeforeEach(suites.RequireGuest).
func RequireGuest() {
	_, err := Plan()
	switch {
	case err == nil:
	case errors.Is(err, ErrNoPlan) && !inGuest:
		ginkgo.Skip("runs in a modmatrix guest only: it would change the kernel of this machine", 1)
	default:
		ginkgo.Fail(err.Error(), 1)
	}
}
