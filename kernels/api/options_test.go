package api

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

func TestLacking(t *testing.T) {
	kernel := func(release, config, symvers string) *kernels.Tree {
		dir := t.TempDir()
		for name, text := range map[string]string{
			".config": config, "Module.symvers": symvers,
			"include/linux/hwmon.h":      "struct device *hwmon_device_register(void);\n",
			"include/media/v4l2-dev.h":   "int v4l2_device_register(void);\n",
			"include/linux/unexported.h": "int unexported(void);\n",
			"include/linux/odd.h":        "int odd_call(void);\n",
		} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return &kernels.Tree{Target: kernels.Target{Release: release}, KDIR: "/usr/src/k", Mounts: []kernels.Mount{{Host: dir, Guest: "/usr/src/k"}},
			Config: kconfig.Parse(config), DotFile: filepath.Join(dir, ".config")}
	}
	cloud := kernel("6-cloud", "CONFIG_PCI=y\n# CONFIG_HWMON is not set\n# CONFIG_MEDIA_SUPPORT is not set\n", "")
	full := kernel("6-full", "CONFIG_PCI=y\nCONFIG_HWMON=y\nCONFIG_VIDEO_DEV=m\n", "0x1\thwmon_device_register\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"+
		"0x1\tv4l2_device_register\tdrivers/media/v4l2-core/videodev\tEXPORT_SYMBOL_GPL\t\n0x1\todd_call\tdrivers/odd/strange\tEXPORT_SYMBOL\tNS\n")
	for _, test := range []struct {
		symbol      string
		with, alone string
	}{
		{"hwmon_device_register", "CONFIG_HWMON would bring hwmon_device_register, and this kernel is built without (6-full has it)",
			"this kernel is built without CONFIG_HWMON, to which hwmon_device_register may belong (hwmon.h)"},
		{"v4l2_device_register", "CONFIG_VIDEO_DEV would bring v4l2_device_register, and this kernel is built without (6-full has it)", ""},
		{"odd_call", "6-full has odd_call in strange.ko, and this kernel is built without", ""},
		{"unexported", "", ""},
		{"dahdi_register", "no header of this kernel declares dahdi_register: where another package exports it, give that with --depends PATH",
			"no header of this kernel declares dahdi_register: where another package exports it, give that with --depends PATH"},
		{"__udivdi3", divides("__udivdi3", "div_u64, div64_u64 or do_div"), divides("__udivdi3", "div_u64, div64_u64 or do_div")},
		{"__aeabi_uldivmod", divides("__aeabi_uldivmod", "div_u64, div64_u64 or do_div"), divides("__aeabi_uldivmod", "div_u64, div64_u64 or do_div")},
		{"__moddi3", divides("__moddi3", "div_s64 or div_s64_rem"), divides("__moddi3", "div_s64 or div_s64_rem")},
		{"__aeabi_ldivmod", divides("__aeabi_ldivmod", "div_s64 or div_s64_rem"), divides("__aeabi_ldivmod", "div_s64 or div_s64_rem")},
	} {
		if got := strings.Join(Lacking(cloud, full, []string{test.symbol}), "; "); got != test.with {
			t.Errorf("%s, with a sibling: %s", test.symbol, got)
		}
		if got := strings.Join(Lacking(cloud, nil, []string{test.symbol}), "; "); got != test.alone {
			t.Errorf("%s, alone: %s", test.symbol, got)
		}
	}
	if got := Lacking(cloud, full, []string{"hwmon_device_register", "hwmon_device_register"}); len(got) != 1 {
		t.Errorf("one option is named %d times", len(got))
	}
}

func divides(symbol, with string) string {
	return "gcc calls " + symbol + " of its own library, which no kernel has, to divide 64 bits on 32: in place of / and % use " + with + " (linux/math64.h)"
}
