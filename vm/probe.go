package vm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// ErrNoKVM says that KVM was required and boots nothing here.
var ErrNoKVM = errors.New("no usable KVM")

// ProbeTimeout is how long a kernel may take to the marker under KVM. One that works needs less than two seconds.
const ProbeTimeout = 5 * time.Second

// kvmDevice is a variable for the tests alone.
var kvmDevice = "/dev/kvm"

// candidates are tried under KVM, best first. The host's own processor shows the kernel most; without arch-capabilities it
// works on hosts that announce registers which KVM then refuses to set (QEMU aborts).
var candidates = []Accel{
	{Name: "kvm", CPU: "host"},
	{Name: "kvm", CPU: "host,-arch-capabilities"},
	{Name: "kvm", CPU: "max"},
}

// ProbeConfig says what to boot to find out which accelerator works.
type ProbeConfig struct {
	Arch   string   // uname -m
	Kernel string   // host path of a stock kernel's image
	Initrd string   // host path of an initramfs
	Args   []string // further words of the kernel's command line
	Marker string   // text that the console or the report shows once user space runs; it must not be empty

	Timeout    time.Duration // for all of KVM together; zero means ProbeTimeout
	CacheDir   string        // folder of earlier verdicts; empty: they are not kept
	Again      bool          // ignore an earlier verdict
	RequireKVM bool          // return an error that wraps ErrNoKVM rather than a verdict for TCG
}

// Verdict is the accelerator to use, and why it is not a better one.
type Verdict struct {
	Accel  Accel  `json:"accel"`
	QEMU   string `json:"qemu"`             // version
	Reason string `json:"reason,omitempty"` // one line on why KVM is not used; empty when it is
	Cached bool   `json:"-"`                // an earlier probe found it
}

// Probe finds the best accelerator that really boots a kernel here. That /dev/kvm can be opened, and even that QEMU starts
// with it, proves nothing: on some hosts every stock kernel then hangs, or QEMU aborts. So each way of using KVM boots the
// kernel to the marker, all at once, under one short deadline. TCG is not tried, as it needs nothing of the host. The error
// wraps ErrNoQEMU where there is none.
func Probe(ctx context.Context, c ProbeConfig) (Verdict, error) {
	if c.Marker == "" {
		return Verdict{}, errors.New("probe without a marker: silence would prove an accelerator good")
	}
	if err := c.machine(Accel{}).Validate(); err != nil {
		return Verdict{}, fmt.Errorf("probe accelerators: %w", err)
	}
	v, ok, err := Known(ctx, c.Arch, c.CacheDir)
	if err == nil && (!ok || v.Cached && c.Again) {
		v, err = c.tryKVM(ctx, v.QEMU)
	}
	if err != nil {
		return Verdict{}, err
	}
	if c.RequireKVM && v.Accel.Name != "kvm" {
		return Verdict{}, fmt.Errorf("%w: %s", ErrNoKVM, v.Reason)
	}
	return v, nil
}

// Known returns the verdict of Probe for machine, as uname -m says it, if it takes no boot; where ok is false Probe would have to boot, and the verdict is
// for TCG. cacheDir is ProbeConfig's. The error wraps ErrNoQEMU where there is none.
func Known(ctx context.Context, machine, cacheDir string) (v Verdict, ok bool, err error) {
	a, err := lookupArch(machine)
	if err != nil {
		return Verdict{}, false, err
	}
	version, err := QEMUVersion(ctx, machine)
	if err != nil {
		return Verdict{}, false, err
	}
	v = Verdict{Accel: Accel{}.on(a.QEMU), QEMU: version}
	if v.Reason = kvmAccess(machine); v.Reason != "" {
		return v, true, nil
	}
	key, err := newVerdictKey(version)
	if err != nil {
		return Verdict{}, false, err
	}
	if earlier, ok := loadVerdict(cacheDir, key); ok {
		return earlier, true, nil
	}
	return v, false, nil
}

func (c ProbeConfig) tryKVM(ctx context.Context, qemu string) (Verdict, error) {
	a, err := lookupArch(c.Arch)
	if err != nil {
		return Verdict{}, err
	}
	v, booted, err := c.tryCandidates(ctx, Verdict{Accel: Accel{}.on(a.QEMU), QEMU: qemu})
	if err != nil || !booted {
		return v, err
	}
	key, err := newVerdictKey(qemu)
	if err != nil {
		return Verdict{}, err
	}
	return v, v.store(c.CacheDir, key)
}

// kvmAccess says in one line why KVM cannot even be opened; it is empty when it can.
func kvmAccess(machine string) string {
	if machine != HostArch() {
		return fmt.Sprintf("kvm runs guests of the host's architecture only, and %s is not it", machine)
	}
	f, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	switch {
	case err == nil:
		defer f.Close()
		if u, err := otherUser(); err == nil && u != nil && !u.mayUse(f) {
			return kvmDevice + " is for root alone, which QEMU does not run as: give it a group that may read and write it"
		}
		return ""
	case errors.Is(err, unix.ENOENT):
		return "there is no " + kvmDevice
	case errors.Is(err, unix.EACCES):
		return "no right to use " + kvmDevice + ": is the user in its group, often named kvm?"
	}
	return err.Error()
}

// tryCandidates boots with all of them at once and returns v with the best that works, or with the reason why none does;
// and whether that took a boot: what is found without one need not be kept.
func (c ProbeConfig) tryCandidates(ctx context.Context, v Verdict) (_ Verdict, booted bool, _ error) {
	limited, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, ProbeTimeout))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	results := make([]chan error, len(candidates))
	for i, accel := range candidates {
		results[i] = make(chan error, 1)
		wg.Go(func() { results[i] <- c.boot(limited, accel) })
	}
	var first error
	for i, result := range results {
		err := <-result
		if err == nil {
			v.Accel = candidates[i]
			return v, true, nil
		}
		booted = booted || errors.Is(err, errNoMarker)
		first = cmp.Or(first, err)
	}
	if ctx.Err() != nil { // cancelled by the caller: nothing was found
		return Verdict{}, false, context.Cause(ctx)
	}
	v.Reason = "kvm is there, but boots no stock kernel"
	if !booted {
		v.Reason = "kvm is there, but QEMU cannot use it: " + strings.ReplaceAll(first.Error(), "\n", " ")
	}
	return v, booted, nil
}

// errNoMarker says that a guest ran and never printed the marker.
var errNoMarker = errors.New("the guest did not come up")

func (c ProbeConfig) boot(ctx context.Context, accel Accel) error {
	printed := make(chan struct{})
	found := sync.OnceFunc(func() { close(printed) })
	m := c.machine(accel)
	m.Console, m.Report = &watcher{text: c.Marker, found: found}, &watcher{text: c.Marker, found: found}
	p, err := m.Start(ctx)
	if err != nil {
		return err
	}
	select {
	case <-printed:
	case <-p.Done():
	}
	p.Kill()
	p.Wait()
	select {
	case <-printed:
		return nil
	default:
		return errNoMarker
	}
}

func (c ProbeConfig) machine(accel Accel) *Machine {
	return &Machine{Arch: c.Arch, Kernel: c.Kernel, Initrd: c.Initrd, Args: c.Args, Accel: accel}
}

// watcher is a writer that calls found when text was written to it, in however many pieces.
type watcher struct {
	text  string
	found func()
	last  []byte // what may be the beginning of text
}

func (w *watcher) Write(p []byte) (int, error) {
	w.last = append(w.last, p...)
	if bytes.Contains(w.last, []byte(w.text)) {
		w.found()
	}
	w.last = w.last[max(0, len(w.last)-len(w.text)+1):]
	return len(p), nil
}

// refusalAge is how long a verdict against KVM is used: the host may only have been too busy for the probe's deadline.
const refusalAge = 24 * time.Hour

// newVerdictKey is all that a verdict depends on: this host's kernel and processor, QEMU, and what this modmatrix chooses from.
func newVerdictKey(qemu string) (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("read host kernel's release: %w", err)
	}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", fmt.Errorf("read processor's model: %w", err)
	}
	return fmt.Sprint(unix.ByteSliceToString(name.Release[:]), ", ", cpuModel(string(cpu)), ", QEMU ", qemu, ", ", candidates, Accel{}), nil
}

// cpuModel finds the model's name in /proc/cpuinfo; it is empty where the architecture has no such line.
func cpuModel(cpuinfo string) string { return append(modelLine.FindStringSubmatch(cpuinfo), "", "")[1] }

var modelLine = regexp.MustCompile(`(?m)^model name\s*:[ \t]*(.*?)[ \t]*$`)

// entry is the file of a verdict. The key is in it for people, and to be compared.
type entry struct {
	Key     string    `json:"key"`
	Verdict Verdict   `json:"verdict"`
	Found   time.Time `json:"found"`
}

func verdictPath(dir, key string) string {
	return filepath.Join(dir, fmt.Sprintf("accelerator-%x.json", sha256.Sum256([]byte(key))))
}

// loadVerdict returns the earlier verdict, if there is one that can be read, has this very key, and is not too old.
func loadVerdict(dir, key string) (Verdict, bool) {
	var e entry
	text, err := os.ReadFile(verdictPath(dir, key))
	if dir == "" || err != nil || json.Unmarshal(text, &e) != nil || e.Key != key || !e.Verdict.valid() {
		return Verdict{}, false
	}
	if age := time.Since(e.Found); e.Verdict.Reason != "" && (age < 0 || age > refusalAge) {
		return Verdict{}, false
	}
	e.Verdict.Cached = true
	return e.Verdict, true
}

func (v Verdict) valid() bool {
	usesKVM := v.Accel.Name == "kvm" && v.Reason == ""
	return v.Accel.CPU != "" && (usesKVM || v.Accel.Name == "tcg" && v.Reason != "")
}

func (v Verdict) store(dir, key string) error {
	if dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(entry{Key: key, Verdict: v, Found: time.Now().UTC()}, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = renameio.WriteFile(verdictPath(dir, key), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep accelerator's verdict: %w", err)
	}
	return nil
}
