package harness

import (
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Stored reports whether a kernel of an archive is in store, so that nothing of it is to be downloaded. One that is compiled
// here is not known before it is compiled.
func Stored(st *store.Store, t kernels.Target) bool {
	if source, _ := t.Origin(); source != "debian" {
		return false
	}
	_, hit := st.Look("trees", debian.TreeID(t))
	return hit
}
