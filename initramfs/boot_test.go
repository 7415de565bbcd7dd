package initramfs

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// The boot test needs a kernel: set MODMATRIX_TEST_KERNEL to a vmlinuz, and MODMATRIX_TEST_MODULE to an uncompressed
// module of its that depends on no other. MODMATRIX_TEST_BASE may name a base image that is ready.
const (
	envKernel = "MODMATRIX_TEST_KERNEL"
	envModule = "MODMATRIX_TEST_MODULE"
	envBase   = "MODMATRIX_TEST_BASE"
)

// booted is what came of one guest.
type booted struct {
	frames  []wire.Frame
	end     error
	console string
	garbage int64
	hello   time.Duration // on the host's clock
	whole   time.Duration
}

func (b booted) of(kind wire.Kind) (list []wire.Frame) {
	for _, f := range b.frames {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	return list
}

// boot runs a guest to its end. Each of typed is typed when the shell asks for it.
func boot(t *testing.T, payload Payload, typed ...string) booted {
	t.Helper()
	dir := t.TempDir()
	image, console := filepath.Join(dir, "image"), filepath.Join(dir, "console")
	if err := WriteImage(image, base(t), payload); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config",
		"-display", "none", "-nic", "none", "-no-reboot", "-serial", "file:"+console, "-serial", "stdio", "-chardev",
		"pipe,id=term,path="+filepath.Join(dir, "term"), "-serial", "chardev:term", "-kernel", os.Getenv(envKernel), "-initrd", image,
		"-append", "console=ttyS0 panic=-1 oops=panic ignore_loglevel printk.devkmsg=on")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	for _, name := range []string{"term.in", "term.out"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, _ := os.OpenFile(filepath.Join(dir, "term.in"), os.O_RDWR, 0)
	out, _ := os.OpenFile(filepath.Join(dir, "term.out"), os.O_RDWR, 0)
	defer in.Close()
	defer out.Close()
	go person(in, out, typed)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var b booted
	r := wire.NewReader(pipe)
	for {
		f, err := r.Next()
		if err != nil {
			b.end = err
			break
		}
		if f.Kind == wire.KindHello {
			b.hello = time.Since(start)
		}
		b.frames = append(b.frames, f)
		t.Logf("%6d %s", f.At, show(f))
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	b.whole, b.garbage = time.Since(start), r.Garbage
	text, _ := os.ReadFile(console)
	b.console = string(text)
	if t.Failed() {
		t.Log(b.console)
	}
	return b
}

// person types one line for each prompt; Ctrl-C again and again, until the command that runs is gone.
func person(in io.Writer, out io.Reader, lines []string) {
	heard := make(chan string)
	go func() {
		defer close(heard)
		for buf := make([]byte, 256); ; {
			n, err := out.Read(buf)
			if err != nil {
				return
			}
			heard <- string(buf[:n])
		}
	}()
	said, again := "", time.NewTicker(time.Second)
	defer again.Stop()
	for i := 0; ; {
		interrupts := i < len(lines) && lines[i] == "\x03"
		select {
		case text, ok := <-heard:
			if !ok {
				return
			}
			said += text
		case <-again.C:
			if interrupts {
				_, _ = io.WriteString(in, "\x03")
			}
		}
		switch asked := strings.Contains(said, "6.1 # "); {
		case asked && interrupts:
			i++
		case asked && i < len(lines):
			said = ""
			_, _ = io.WriteString(in, lines[i]+"\r")
			i++
		}
	}
}

func show(f wire.Frame) string {
	spec := ""
	if f.Spec != nil {
		spec = fmt.Sprintf("%+v", *f.Spec)
	}
	return fmt.Sprintf("%s %s %v %s errno %d taint %d exit %d %s %q %s %v", f.Kind, f.Stage, f.Done, f.Module, f.Errno, f.Taint, f.ExitCode,
		f.Signal, f.Text, spec, f.Specs)
}

var basePath string

func TestMain(m *testing.M) {
	code := m.Run()
	if basePath != "" {
		_ = os.RemoveAll(filepath.Dir(basePath))
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// base builds the base image, once.
func base(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(envBase); path != "" {
		return path
	}
	if basePath == "" {
		dir, err := os.MkdirTemp("", "modmatrix-base-") // it outlives the first test that needs it
		if err != nil {
			t.Fatal(err)
		}
		basePath = filepath.Join(dir, "base.cpio")
		source, err := FindSource()
		if err != nil {
			t.Fatal(err)
		}
		if err := BuildBase(t.Context(), Options{Source: source, Out: basePath, Temp: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
	}
	return basePath
}

func needKernel(t *testing.T) (moduleName string) {
	t.Helper()
	if os.Getenv(envKernel) == "" || os.Getenv(envModule) == "" {
		t.Skipf("boots a kernel: set %s and %s", envKernel, envModule)
	}
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(os.Getenv(envModule)), ".ko"), "-", "_")
}

// cell is a payload with the module and the test suite.
func cell(t *testing.T, name string, args ...string) Payload {
	t.Helper()
	suite := filepath.Join(t.TempDir(), "suite.test")
	if err := (Suites{Cache: t.TempDir()}).Compile(t.Context(), "testdata/suite", suite); err != nil {
		t.Fatal(err)
	}
	ko := wire.ModuleDir + "/" + name + ".ko"
	return Payload{
		Plan: wire.Plan{Nonce: "n0nce", Time: time.Now().UnixNano(), Target: wire.Target{Version: "6.1.176", Arch: "x86_64", Flavour: "cloud-amd64"},
			Modules: []wire.Module{{Name: name, Path: ko}},
			Suites:  []wire.Suite{{Name: "boot", Path: wire.SuitePath, TimeoutMS: 60_000, Args: args}}},
		Files: []File{{Guest: ko, Host: os.Getenv(envModule)}, {Guest: wire.SuitePath, Host: suite, Mode: 0o755}},
	}
}

// whole checks what every guest owes that came to its end: no frame lost, nothing forged, an end frame last.
func (b booted) check(t *testing.T) {
	t.Helper()
	if b.end != io.EOF || b.garbage != 0 {
		t.Errorf("the stream ended with %v and had %d bytes of garbage", b.end, b.garbage)
	}
	for i, f := range b.frames {
		if f.Seq != uint64(i+1) || f.Nonce != "n0nce" {
			t.Errorf("frame %d: number %d, nonce %q", i, f.Seq, f.Nonce)
		}
	}
	if len(b.frames) == 0 || b.frames[len(b.frames)-1].Kind != wire.KindEnd && b.frames[len(b.frames)-1].Kind != wire.KindHeartbeat {
		t.Error("no end frame")
	}
	if n := len(b.of(wire.KindEnd)); n != 1 {
		t.Errorf("%d end frames", n)
	}
	t.Logf("hello after %v, all of it %v", b.hello, b.whole)
}

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

func checkSpecs(t *testing.T, b booted) {
	t.Helper()
	plan := b.of(wire.KindPlan)
	if len(plan) != 1 {
		t.Fatalf("%d plans", len(plan))
	}
	var planned, ended []string
	for _, s := range plan[0].Specs {
		planned = append(planned, s.Name+": "+s.State)
	}
	for _, f := range b.of(wire.KindSpecEnd) {
		ended = append(ended, f.Spec.Name+": "+f.Spec.State)
		if f.Spec.Name == "a spec fails" && f.Spec.Message != "as it should" {
			t.Errorf("failure message %q", f.Spec.Message)
		}
		if f.Spec.Name == "a spec is unreported" && f.Spec.Output != "captured\n" {
			t.Errorf("output of a spec %q", f.Spec.Output)
		}
	}
	wantPlanned := []string{"a spec passes: ", "a spec fails: ", "a spec is unreported: ", "a spec skips itself: ", "a spec is pending: pending",
		"a spec panics: ", "a spec is for another machine: skipped", "a spec is for this machine and another: ",
		"a spec is for later kernels: skipped", "a spec is for kernels of old and later: ", "a spec expects a splat: ", "a spec leaves a process behind: ",
		"hanging never ends: skipped", "crashing first floods: skipped", "crashing then takes the kernel down: skipped"}
	if groups := plan[0].Specs[len(plan[0].Specs)-2:]; plan[0].Text != "boot" || groups[0].Group != "crashing" || groups[1].Group != "crashing" || plan[0].Specs[0].Group != "" {
		t.Errorf("the plan of %q has the groups %+v", plan[0].Text, groups)
	}
	if f := b.of(wire.KindExpect); len(f) != 1 || f[0].Spec.Name != "a spec expects a splat" || f[0].Text != "WARNING in nobody" || f[0].Count != 2 {
		t.Errorf("expected splats: %v", f)
	}
	wantEnded := []string{"a spec passes: passed", "a spec fails: failed", "a spec skips itself: skipped", "a spec is pending: pending",
		"a spec panics: panicked", "a spec is for another machine: skipped", "a spec is for this machine and another: passed",
		"a spec is for later kernels: skipped", "a spec is for kernels of old and later: passed", "a spec expects a splat: passed", "a spec leaves a process behind: passed",
		"hanging never ends: skipped", "a spec is unreported: passed", "crashing first floods: skipped",
		"crashing then takes the kernel down: skipped"}
	for _, c := range []struct{ got, want []string }{{planned, wantPlanned}, {ended, wantEnded}} {
		slices.Sort(c.got)
		slices.Sort(c.want)
		if !slices.Equal(c.got, c.want) {
			t.Errorf("specs:\n%s\nwant:\n%s", strings.Join(c.got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// checkMarkers looks for the boundaries in the console, and for the line of a spec within its own.
func checkMarkers(t *testing.T, b booted) {
	t.Helper()
	var seen []string
	said := ""
	for line := range strings.Lines(b.console) {
		if m, ok := wire.ParseMarker(line, "n0nce"); ok {
			if m.Spec == 0 {
				seen = append(seen, fmt.Sprint(m.Stage, " ", m.Done))
			} else if m.Spec == 1 {
				seen = append(seen, fmt.Sprint(m.Name, " ", m.Done))
			}
		}
		if strings.Contains(line, "said within the first spec") && len(seen) > 0 {
			said = seen[len(seen)-1]
		}
	}
	want := []string{"load false", "load true", "test false", "a spec passes false", "a spec passes true", "test true", "unload false",
		"unload true", "shutdown false", "shutdown true"}
	if !slices.Equal(seen, want) || said != "a spec passes false" {
		t.Errorf("markers %q, the spec's own line behind %q", seen, said)
	}
}
