package initramfs

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

// The boot test needs a kernel: set MODMATRIX_TEST_KERNEL to a vmlinuz, and MODMATRIX_TEST_MODULE to an uncompressed
// module of its that depends on no other. MODMATRIX_TEST_BASE may name a base image that is ready.
const (
	envKernel = "MODMATRIX_TEST_KERNEL"
	envModule = "MODMATRIX_TEST_MODULE"
	envBase   = "MODMATRIX_TEST_BASE"
)

func TestBoot(t *testing.T) {
	name := needKernel(t)
	b := boot(t, cell(t, name, "--ginkgo.skip=hanging|crashing"))
	b.check(t)
	if trouble := b.of(wire.KindTrouble); len(trouble) != 0 {
		t.Errorf("trouble: %v", trouble)
	}
	for _, kind := range []wire.Kind{wire.KindLoad, wire.KindUnload} {
		if f := b.of(kind); len(f) != 1 || f[0].Errno != 0 || f[0].Module != name {
			t.Errorf("%s: %v", kind, f)
		}
	}
	if f := b.of(wire.KindResidue); len(f) != 0 {
		t.Errorf("residue: %v", f)
	}
	if end := b.of(wire.KindSuiteEnd); len(end) != 1 || end[0].ExitCode != 1 || end[0].Signal != "" {
		t.Errorf("suite end: %v", end)
	}
	if e := b.of(wire.KindSuiteError); len(e) != 1 || e[0].Spec.Node != "AfterSuite" || e[0].Spec.Message != "after the suite" {
		t.Errorf("suite errors: %v", e)
	}
	checkSpecs(t, b)
	checkMarkers(t, b)
	var said string
	for _, f := range b.of(wire.KindOutput) {
		said += f.Text
	}
	if !strings.Contains(said, "printed by a spec") {
		t.Errorf("output %q", said)
	}
}

// TestBootHang runs a spec that never ends: the guest must end it, say so, and still unload.
func TestBootHang(t *testing.T) {
	name := needKernel(t)
	p := cell(t, name, "--ginkgo.focus=hanging")
	p.Plan.Suites[0].TimeoutMS = 2000
	b := boot(t, p)
	b.check(t)
	states := ""
	for _, f := range b.of(wire.KindSpecEnd) {
		if f.Spec.Name == "hanging never ends" {
			states += f.Spec.State
		}
	}
	if states != "timedout" {
		t.Errorf("the hanging spec came back as %q", states)
	}
	if f := b.of(wire.KindUnload); len(f) != 1 || f[0].Errno != 0 {
		t.Errorf("unload: %v", f)
	}
	if len(b.of(wire.KindHeartbeat)) < 2 {
		t.Error("no heartbeat while the spec hung")
	}
}

// TestBootCrash takes the kernel down within a spec: its name must have come out before.
func TestBootCrash(t *testing.T) {
	name := needKernel(t)
	b := boot(t, cell(t, name, "--ginkgo.focus=crashing"))
	starts, said := b.of(wire.KindSpecStart), 0
	if len(starts) == 0 || starts[len(starts)-1].Spec.Name != "crashing then takes the kernel down" {
		t.Fatalf("began: %v", starts)
	}
	if b.end != io.EOF && b.end != io.ErrUnexpectedEOF || len(b.of(wire.KindEnd)) != 0 {
		t.Errorf("ended with %v", b.end)
	}
	for _, f := range b.of(wire.KindOutput) {
		said += len(f.Text)
	}
	if said < 60<<10 || said > 80<<10 {
		t.Errorf("%d bytes of output before the end of the process", said)
	}
	last := wire.Mark{}
	for line := range strings.Lines(b.console) {
		if m, ok := wire.ParseMarker(line, "n0nce"); ok {
			last = m
		}
		if strings.Contains(line, "Kernel panic") && (last.Name != "crashing then takes the kernel down" || last.Done) {
			t.Errorf("the panic stands behind %+v", last)
		}
	}
	if !strings.Contains(b.console, "Kernel panic") {
		t.Error("no panic on the console")
	}
	t.Logf("whole: %v", b.whole)
}

// TestBootRefused loads a file that is no module, after a dependency that loads and one that is there twice.
func TestBootRefused(t *testing.T) {
	name := needKernel(t)
	p := cell(t, name)
	dep := wire.ModuleDir + "/kernel/dep.ko"
	p.Plan.Dependencies = []string{dep, dep}
	p.Plan.Modules = []wire.Module{{Name: "bad", Path: wire.ModuleDir + "/bad.ko"}}
	p.Files = append(p.Files, File{Guest: dep, Host: os.Getenv(envModule)}, File{Guest: wire.ModuleDir + "/bad.ko", Data: []byte("no ELF")})
	b := boot(t, p)
	b.check(t)
	if f := b.of(wire.KindLoad); len(f) != 1 || syscall.Errno(f[0].Errno) != syscall.ENOEXEC || f[0].Module != "bad" {
		t.Errorf("load: %v", f)
	}
	if len(b.of(wire.KindTrouble)) != 0 || len(b.of(wire.KindSpecStart)) != 0 || len(b.of(wire.KindUnload)) != 0 || len(b.of(wire.KindPlan)) != 1 {
		t.Error("it went on, or blamed itself")
	}
}

// TestBootTrouble leaves things out that the plan names: that is never the module's fault.
func TestBootTrouble(t *testing.T) {
	name := needKernel(t)
	for what, change := range map[string]func(*Payload){
		"dependency none.ko": func(p *Payload) { p.Plan.Dependencies = []string{wire.ModuleDir + "/kernel/none.ko"} },
		"list the specs":     func(p *Payload) { p.Files[1].Data, p.Files[1].Host = []byte("no program"), "" },
		"bad name":           func(p *Payload) { p.Plan.Modules[0].Params = []string{"bad name=1"} },
	} {
		t.Run(what, func(t *testing.T) {
			p := cell(t, name)
			change(&p)
			b := boot(t, p)
			b.check(t)
			f := b.of(wire.KindTrouble)
			if len(f) != 1 || !strings.Contains(f[0].Text, what) || len(b.of(wire.KindLoad)) != 0 || len(b.of(wire.KindSpecStart)) != 0 {
				t.Errorf("trouble %v, loads %v", f, b.of(wire.KindLoad))
			}
		})
	}
}

// TestBootShell is a person at work: a look at the module, an interrupted command, a module already unloaded, and exit.
func TestBootShell(t *testing.T) {
	name := needKernel(t)
	p := cell(t, name)
	p.Plan.Interactive, p.Plan.Target.Release = true, "6.1"
	b := boot(t, p, "sleep 1000", "\x03", "rmmod "+name, "echo typed > /dev/kmsg", "exit")
	b.check(t)
	if !strings.Contains(b.console, "typed") {
		t.Error("the shell did not do what was typed")
	}
	if f := b.of(wire.KindUnload); len(f) != 1 || syscall.Errno(f[0].Errno) != syscall.ENOENT {
		t.Errorf("unload: %v", f)
	}
}
