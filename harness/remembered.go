package harness

import (
	"sync"

	"github.com/modmatrix/modmatrix/kernels/store"
)

// remembered is what runs of one store leave to each other by name, in a file that may be lost.
type remembered[V any] struct {
	path string
	most int // names: more than that are dropped, whichever they are
	mu   sync.Mutex
	all  map[string]V
}

func openRemembered[V any](path string, most int) *remembered[V] {
	r := &remembered[V]{path: path, most: most}
	if store.ReadJSON(path, &r.all) != nil || r.all == nil {
		r.all = map[string]V{}
	}
	return r
}

func (r *remembered[V]) get(key string) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok = r.all[key]
	return v, ok
}

func (r *remembered[V]) note(key string, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[key] = v
}

func (r *remembered[V]) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, key)
}

// save writes what is known. Of two runs that end at once one wins, which is no loss.
func (r *remembered[V]) save() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.all {
		if len(r.all) <= r.most {
			break
		}
		delete(r.all, key)
	}
	_ = store.WriteJSON(r.path, r.all)
}
