package suites

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/onsi/ginkgo/v2"

	"github.com/modmatrix/modmatrix/results/wire"
	_ "github.com/modmatrix/modmatrix/results/wire/calm" // a guest is emulated more often than not
)

// ErrNoPlan says that this process has no plan to go by: it does not run in a modmatrix guest.
var ErrNoPlan = errors.New("not in a modmatrix guest")

// inGuest is true when PID 1 of a guest started this process to run its specs. It is read before openPipe takes the
// variable out of the environment.
var inGuest = os.Getenv(wire.EnvReportFD) != ""

var readPlan = sync.OnceValues(func() (wire.Plan, error) { return openPlan(wire.PlanPath) })

// Plan is what the host planned for this guest: the target it believes to have booted, and the modules under test with
// the parameters given and declared. Outside of a guest the error is ErrNoPlan.
func Plan() (wire.Plan, error) { return readPlan() }

func openPlan(path string) (wire.Plan, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return wire.Plan{}, fmt.Errorf("read plan: %w", ErrNoPlan)
	}
	if err != nil {
		return wire.Plan{}, fmt.Errorf("read plan: %w", err)
	}
	var plan wire.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return wire.Plan{}, fmt.Errorf("read plan: %s: %w", path, err)
	}
	return plan, nil
}

// RequireGuest skips the running spec outside of a modmatrix guest, where it would load modules into the kernel of the
// machine it is typed on. In a guest it makes sure that there is a plan and fails the spec if not: a guest without one
// is broken, and must not look like a suite with nothing to do. Use it as BeforeEach(suites.RequireGuest).
func RequireGuest() {
	_, err := Plan()
	switch {
	case err == nil:
	case errors.Is(err, ErrNoPlan) && !inGuest:
		ginkgo.Skip("runs in a modmatrix guest only: it would work on the kernel of this machine", 1)
	default:
		ginkgo.Fail(err.Error(), 1)
	}
}
