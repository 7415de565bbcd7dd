package judge

import (
	"slices"
	"syscall"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// observed are the predictions with what the kernel did. They decide nothing: the kernel's answer does.
func (e Evidence) observed() []results.Prediction {
	all := slices.Clone(e.Predicted)
	if e.Guest == nil {
		return all
	}
	for i, p := range all {
		at := slices.IndexFunc(e.Guest.Loads, func(c Syscall) bool { return c.Module == p.Module })
		switch {
		case at < 0 && e.struckIn(results.StageLoad), at >= 0 && e.Guest.Loads[at].Errno == 0:
			all[i].Observed = results.Taken
		case at < 0 || e.Guest.Loads[at].Need != "": // it was never tried
		case e.byLoader(e.Guest.Loads[at]):
			all[i].Observed, all[i].Said = results.Refused, e.refusal(e.Guest.Loads[at])
		default: // its own init said no, so it came as far as that
			all[i].Observed = results.Taken
		}
	}
	return all
}

// byLoader reports whether call was refused before the module's init ran: by the loader's words, else by an errno that it has for itself.
func (e Evidence) byLoader(call Syscall) bool {
	if words := e.Words[call.Module]; words != "" && console.OfLoader(words) {
		return true
	}
	switch syscall.Errno(call.Errno) {
	case syscall.ENOEXEC, syscall.EKEYREJECTED:
		return true
	}
	return false
}

// struckIn reports whether the module's own code faulted at stage.
func (e Evidence) struckIn(stage results.Stage) bool {
	return slices.ContainsFunc(e.Splats, func(s Splat) bool { return s.Counts() && s.Stage == stage && s.Owner == results.OwnerModule })
}
