package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/vm"
)

// minFree is the disk that a first run on four kernels needs: about 1.5 GiB for roots, trees and images, and room to unpack.
const minFree = 4 << 30

// Doctor looks for everything that a run needs, in the order in which a run would meet it.
func (h *Harness) Doctor(ctx context.Context) []results.Check {
	check := func(name string, look func() (string, error)) results.Check {
		text, err := look()
		if err != nil {
			return results.Check{Name: name, Text: err.Error()}
		}
		return results.Check{Name: name, OK: true, Text: text}
	}
	source := debian.New(h.store, debian.Config{})
	checks := []results.Check{
		check("guest image", h.imageOrigin),
		h.checkGo(ctx),
		check("apt sources", func() (string, error) { return source.Archives(ctx) }),
		check("mmdebstrap", func() (string, error) { return source.Bootstrap(ctx) }),
		check("sandbox", func() (string, error) { return sandbox.Try(ctx) }),
		check("qemu", func() (string, error) { return vm.QEMUVersion(ctx, vm.HostArch()) }),
		h.checkAccelerator(ctx),
		check("cache", h.checkCache),
		check("disk", h.checkDisk),
		check("cores", func() (string, error) { return fmt.Sprint(runtime.NumCPU()), nil }),
	}
	for _, a := range arch.All() {
		checks = append(checks, checkArch(ctx, a))
	}
	return checks
}

// checkArch says how guests of an architecture are run here. It never fails: a run needs those alone whose kernels it is asked for.
func checkArch(ctx context.Context, a arch.Arch) results.Check {
	c := results.Check{Name: a.Debian, OK: true}
	version, err := vm.QEMUVersion(ctx, a.Name)
	switch {
	case errors.Is(err, vm.ErrNoQEMU):
		c.Text = "no guests: there is no " + a.QEMU.Binary
		c.Cure = "install the package " + a.QEMU.Package
	case err != nil:
		c.Text = "no guests: " + err.Error()
	case a.QEMU.NoTemplate != "":
		c.Text = a.QEMU.Binary + " " + version + ", and each guest boots: " + a.QEMU.NoTemplate
	default:
		c.Text = a.QEMU.Binary + " " + version + ", and guests are clones of one that has booted"
	}
	return c
}

// imageOrigin says where the image of guests, and the built-in suite, come from.
func (h *Harness) imageOrigin() (string, error) {
	r, carried, err := maker{h: h, arch: vm.HostArch()}.ready("")
	if err != nil {
		return "", err
	}
	if carried {
		return fmt.Sprintf("carried by this release, as is suite %s (%s)", Lifecycle, r.Arch), nil
	}
	source, err := initramfs.FindSource()
	return "compiled from " + source, err
}

// checkGo fails where nothing can run without Go; a release needs it for suites of one's own alone.
func (h *Harness) checkGo(ctx context.Context) results.Check {
	version, err := initramfs.GoVersion(ctx)
	c := results.Check{Name: "go", OK: err == nil, Text: version}
	if err == nil {
		return c
	}
	c.Text = err.Error()
	if _, carried, _ := (maker{h: h, arch: vm.HostArch()}).ready(""); carried { // an error is that of the check before
		c.OK, c.Cure = true, "needed for suites of your own alone"
	}
	return c
}

// checkAccelerator never fails: a run works without. Only what an earlier run found by booting is believed, not /dev/kvm itself.
func (h *Harness) checkAccelerator(ctx context.Context) results.Check {
	c := results.Check{Name: "accelerator", OK: true, Text: "tcg: /dev/kvm is not there, so guests are emulated, several times slower"}
	v, known, err := vm.Known(ctx, vm.HostArch(), h.probeDir())
	switch {
	case err == nil && known && v.Reason == "":
		c.Text = v.Accel.String()
	case err == nil && known:
		c.Text = v.Accel.String() + ": " + v.Reason
	case unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) == nil:
		c.Text = "not known yet: /dev/kvm is there, and the first run finds out by booting whether it works"
	default:
		if _, err := os.Stat("/dev/kvm"); err == nil {
			c.Text, c.Cure = "tcg: /dev/kvm is there, and not for this user", "add the user to the group kvm"
		}
	}
	return c
}

func (h *Harness) checkCache() (string, error) {
	entries, err := h.store.Usage()
	if err != nil {
		return "", err
	}
	var size int64
	for _, e := range entries {
		size += e.Disk
	}
	return fmt.Sprintf("%s, %d entries, %.1f GiB", h.store.Dir(), len(entries), float64(size)/(1<<30)), nil
}

func (h *Harness) checkDisk() (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(h.store.Dir(), &st); err != nil {
		return "", fmt.Errorf("look at the disk: %w", err)
	}
	free := int64(st.Bavail) * st.Bsize
	text := fmt.Sprintf("%.1f GiB free at the cache", float64(free)/(1<<30))
	if free < minFree {
		return "", fmt.Errorf("%s: a first run needs about %d GiB; MODMATRIX_CACHE names another folder", text, minFree>>30)
	}
	return text, nil
}
