package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
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

func TestALargeModuleGetsTheMemoryItNeeds(t *testing.T) {
	suite := filepath.Join(t.TempDir(), "suite.test")
	if err := os.WriteFile(suite, nil, 0o644); err != nil || os.Truncate(suite, 12<<20) != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec     Spec
		more     int // of the kernel
		modules  []int64
		firmware int64
		want     int
	}{
		{Spec{}, 0, []int64{1}, 0, 0},
		{Spec{}, 0, []int64{20}, 0, 0},
		{Spec{}, 0, []int64{30}, 0, 256},
		{Spec{}, 0, []int64{5, 5, 5, 5, 5, 5}, 0, 0},
		{Spec{}, 0, []int64{115}, 0, 512},
		{Spec{MemoryMiB: 1024}, 0, []int64{115}, 0, 0},
		{Spec{}, 512, []int64{115}, 0, 0},
		{Spec{MemoryMiB: 64}, 0, []int64{1}, 0, 0},
		{Spec{}, 0, []int64{1}, 60, 256},
		{Spec{BuildOnly: true}, 0, []int64{500}, 0, 0},
		{Spec{}, 0, nil, 60, 0},
	} {
		p := &Plan{Spec: c.spec.WithDefaults()}
		r := &run{plan: p, suites: map[suiteOn]compiled{{"s", ""}: {path: suite}, {"t", ""}: {path: suite}}}
		b := &built{firmware: []firmware{{files: []firmwareFile{{"a.bin", c.firmware << 20}}}}}
		for _, mib := range c.modules {
			b.Modules = append(b.Modules, kbuild.Module{Size: mib << 20, Firmware: []string{"*.bin"}})
		}
		if got := r.moreMiB(b, kernels.Target{MoreMiB: c.more}); got != c.want {
			t.Errorf("%+v: %d MiB more", c, got)
		}
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
