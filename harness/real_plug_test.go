package harness_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// usbkeyDriver drives a keyboard that is not there at boot.
const usbkeyDriver = "testdata/usbkey"

// usbKernels have USB, which cloud kernels lack.
var usbKernels = harness.Selectors("debian:bookworm")

// TestRealPlugs holds that devices come and go in a clone as often as the lifecycle asks for, on PCI and on USB, and that
// the drivers take each of them and let it go.
func TestRealPlugs(t *testing.T) {
	needReal(t)
	t.Parallel()
	for _, tt := range []struct {
		driver, plug, here, gone, device string
		kernels                          []kernels.Selector
	}{
		{eduDriver, "card=edu", "edu version 1.0, alive", "edu removed", "pci:1234:11e8", realKernels},
		{usbkeyDriver, "kbd=usb-kbd", "keyboard is here", "keyboard is gone", "usb:0627:0001", usbKernels},
	} {
		t.Run(tt.plug, func(t *testing.T) {
			out := t.TempDir()
			res := runReal(t, t.Context(), harness.Spec{Module: tt.driver, Kernels: tt.kernels, Suites: []string{harness.Lifecycle},
				Plugs: []string{tt.plug}, Out: out})
			for _, rec := range res.Records {
				if rec.Status != results.Pass || rec.Timings.Restore == 0 {
					t.Errorf("%s: %s@%s %s: %s, restored in %d ms", rec.Target.Release, rec.Status, rec.Stage, rec.Code, rec.Reason, rec.Timings.Restore)
				}
				if len(rec.Hardware) != 1 || rec.Hardware[0].Bus+":"+rec.Hardware[0].ID != tt.device {
					t.Errorf("%s: hardware %+v, want %s", rec.Target.Release, rec.Hardware, tt.device)
				}
				console, err := os.ReadFile(filepath.Join(out, rec.Artifacts.Console))
				if err != nil {
					t.Fatal(err)
				}
				// three times in the first spec, six in the second, which unloads with the device in, one in the third
				if here, gone := strings.Count(string(console), tt.here), strings.Count(string(console), tt.gone); here != 10 || gone != 10 {
					t.Errorf("%s: came %d times and went %d times, want 10", rec.Target.Release, here, gone)
				}
			}
		})
	}
}

// TestRealBadRemove holds that what a driver does wrong when its device is pulled fails at the spec that pulled it.
func TestRealBadRemove(t *testing.T) {
	needReal(t)
	t.Parallel()
	const spec = "binds a device that is plugged in, and releases it when it is pulled"
	for _, tt := range []struct {
		name, old, new string
		code           results.Code
		stage          results.Stage
	}{
		{"it uses what it has freed", "\tusb_kill_urb(key->urb);\n\tkref_put(&key->refs, usbkey_free);\n\tdev_info(&intf->dev, \"keyboard is gone\\n\");",
			"\tkref_put(&key->refs, usbkey_free);\n\tmemset(key, 0, sizeof(*key));\n\tdev_info(&intf->dev, \"%d\\n\", key->urb->status);", results.CodeOops, results.StageTest},
		{"it leaves its node", "\tmisc_deregister(&key->misc);\n\tusb_kill_urb(key->urb);\n\tkref_put(&key->refs, usbkey_free);\n", "\tusb_kill_urb(key->urb);\n", results.CodeWarn, results.StageTest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := mutated(t, usbkeyDriver, "usbkey.c", tt.old, tt.new)
			res := runReal(t, t.Context(), harness.Spec{Module: dir, Kernels: usbKernels, Suites: []string{harness.Lifecycle},
				Plugs: []string{"kbd=usb-kbd"}})
			rec := res.Records[0]
			if rec.Status != results.Fail || rec.Stage != tt.stage || rec.Code != tt.code || !strings.Contains(rec.Reason, spec) {
				t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
			}
		})
	}
}

// TestRealSimulators holds that the kernel's own simulators have devices for a module under test: radios at once, and GPIO
// chips when a suite asks for them. The oldest kernel of Debian's with gpio-sim is a backport.
func TestRealSimulators(t *testing.T) {
	needReal(t)
	t.Parallel()
	for _, tt := range []struct{ module, kernel, spec string }{
		{"mac80211_hwsim", usbKernels[0].String(), "simulated hardware has radios as soon as mac80211_hwsim is loaded"},
		{"gpio-sim", "debian:trixie-backports", "simulated hardware has a GPIO chip when gpio-sim is asked for one through configfs"},
	} {
		t.Run(tt.module, func(t *testing.T) {
			res := runReal(t, t.Context(), harness.Spec{Module: eduDriver, Kernels: harness.Selectors(tt.kernel), Suites: []string{"testdata/sims"},
				Modules: []string{tt.module}})
			rec := res.Records[0]
			if rec.Status != results.Pass {
				t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
			}
			for _, s := range rec.Specs {
				if s.Name == tt.spec && s.Status != results.Pass {
					t.Errorf("%s: %s", s.Name, s.Status)
				}
			}
		})
	}
}
