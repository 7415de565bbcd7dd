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

// newVerdictKey is everything that a verdict depends on: this host's kernel and processor, QEMU's version, and what this version of
// modmatrix chooses from.
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
