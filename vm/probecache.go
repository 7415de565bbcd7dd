package vm

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// refusalAge is how long a verdict against KVM is used: the host may only have been too busy for the probe's deadline.
const refusalAge = 24 * time.Hour

// verdictKey is everything that a verdict depends on.
type verdictKey struct {
	Release  string `json:"host_kernel"` // uname -r
	CPUModel string `json:"cpu_model"`
	QEMU     string `json:"qemu"`
	Choices  string `json:"choices"` // what this version of modmatrix chooses from
}

func newVerdictKey(qemu string) (verdictKey, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return verdictKey{}, fmt.Errorf("read host kernel's release: %w", err)
	}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return verdictKey{}, fmt.Errorf("read processor's model: %w", err)
	}
	return verdictKey{Release: unix.ByteSliceToString(name.Release[:]), CPUModel: cpuModel(string(cpu)), QEMU: qemu, Choices: fmt.Sprint(candidates, Accel{})}, nil
}

// cpuModel finds the model's name in /proc/cpuinfo; it is empty where the architecture has no such line.
func cpuModel(cpuinfo string) string { return append(modelLine.FindStringSubmatch(cpuinfo), "", "")[1] }

var modelLine = regexp.MustCompile(`(?m)^model name\s*:[ \t]*(.*?)[ \t]*$`)

// entry is the file of a verdict. The key is in it for people, and to be compared.
type entry struct {
	Key     verdictKey `json:"key"`
	Verdict Verdict    `json:"verdict"`
	Found   time.Time  `json:"found"`
}

func (k verdictKey) path(dir string) string {
	text, err := json.Marshal(k)
	if err != nil {
		panic(err) // strings alone
	}
	return filepath.Join(dir, fmt.Sprintf("accelerator-%x.json", sha256.Sum256(text)))
}

// load returns the earlier verdict, if there is one that can be read, has this very key, and is not too old.
func (k verdictKey) load(dir string) (Verdict, bool) {
	var e entry
	text, err := os.ReadFile(k.path(dir))
	if dir == "" || err != nil || json.Unmarshal(text, &e) != nil || e.Key != k || !e.Verdict.valid() {
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

func (k verdictKey) store(dir string, v Verdict) error {
	if dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(entry{Key: k, Verdict: v, Found: time.Now().UTC()}, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = renameio.WriteFile(k.path(dir), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep accelerator's verdict: %w", err)
	}
	return nil
}
