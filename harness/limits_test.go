package harness

import (
	"fmt"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

func TestAKernelsOwnNeedsComeOnTop(t *testing.T) {
	slow := kernels.Target{MoreMiB: 512, Slower: 4}
	for _, test := range []struct {
		spec   Spec
		target kernels.Target
		mib    int
		whole  time.Duration
	}{
		{Spec{}, kernels.Target{}, 256, defaultTimeout},
		{Spec{}, slow, 768, 4 * defaultTimeout},
		{Spec{MemoryMiB: 64, Timeout: time.Minute}, kernels.Target{}, 64, time.Minute},
		{Spec{MemoryMiB: 1024, Timeout: time.Minute}, slow, 1536, 4 * time.Minute},
	} {
		test.spec = test.spec.WithDefaults()
		d := (&Harness{limits: limits}).deadlines(test.spec, test.target)
		if mib := guestMiB(test.spec, test.target); mib != test.mib || d.whole != test.whole {
			t.Errorf("%+v on %+v: %d MiB, %v", test.spec, test.target, mib, d.whole)
		}
		if plain := limits(test.spec); d.build != plain.build || d.ask != plain.ask || d.boot < plain.boot {
			t.Errorf("%+v", d)
		}
	}
	if n := jobs(Spec{Jobs: 1000}, kernels.Target{}, kernels.Target{MoreMiB: 1 << 22}); n != 1 {
		t.Errorf("%d guests at once of a kernel that needs 4 TiB", n)
	}
}

// Arrays of free objects hide what is lost, in the kernels that have both.
func TestKernelsThatSearchForLostMemoryKeepNoArraysOfFreeObjects(t *testing.T) {
	for _, test := range []struct{ version, config, want string }{
		{"6.12.117", "CONFIG_DEBUG_KMEMLEAK=y\n", "[]"},
		{"6.18", "CONFIG_DEBUG_KMEMLEAK=y\n", "[slab_debug=F]"},
		{"7.3.4", "CONFIG_DEBUG_KMEMLEAK=y\n", "[slab_debug=F]"},
		{"7.3.4", "# CONFIG_DEBUG_KMEMLEAK is not set\n", "[]"},
	} {
		config := kconfig.Parse(test.config)
		if got := fmt.Sprint(kernelArgs(&kernels.Tree{Target: kernels.Target{Version: test.version}, Config: config})); got != test.want {
			t.Errorf("%s with %s: %s, want %s", test.version, test.config, got, test.want)
		}
	}
}
