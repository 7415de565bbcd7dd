package api

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Lacking says why a kernel does not have symbols that a module wants, each in a few words: the option that it was built without, as
// far as that is known, else whether anything declares them. sibling is a kernel of the same version and another configuration, or
// nil: what it exports shows which module and which option bring a symbol. Symbols of which nothing is known are left out.
func Lacking(tree, sibling *kernels.Tree, symbols []string) (words []string) {
	h, err := Open(tree)
	if err != nil {
		return nil
	}
	names := make([]results.Ident, len(symbols))
	for i, symbol := range symbols {
		names[i] = results.Ident{Name: symbol}
	}
	exported := exportedBy(sibling, symbols)
	off, declared := turnedOff(tree, sibling), h.Find(names)
	for i, symbol := range symbols {
		decl, in := declared[i].best(), exported[symbol]
		option, header := "", ""
		if decl != nil {
			header = decl.File
		}
		if decl != nil || in != "" {
			option = optionOf(off, path.Base(in), header)
		}
		text := ""
		switch instead := inPlaceOf(symbol); {
		case instead != "":
			text = fmt.Sprintf("gcc calls %s of its own library, which no kernel has, to divide 64 bits on 32: in place of / and %% use %s (linux/math64.h)", symbol, instead)
		case option != "" && in != "":
			text = fmt.Sprintf("CONFIG_%s would bring %s, and this kernel is built without (%s has it)", option, symbol, sibling.Target.Release)
		case option != "":
			text = fmt.Sprintf("this kernel is built without CONFIG_%s, to which %s may belong (%s)", option, symbol, path.Base(header))
		case in != "" && in != "vmlinux":
			text = fmt.Sprintf("%s has %s in %s.ko, and this kernel is built without", sibling.Target.Release, symbol, path.Base(in))
		case decl == nil && in == "":
			text = fmt.Sprintf("no header of this kernel declares %s: where another package exports it, give that with --depends PATH", symbol)
		}
		if text != "" && !slices.ContainsFunc(words, func(w string) bool { return option != "" && strings.Contains(w, "CONFIG_"+option+" ") }) {
			words = append(words, text)
		}
	}
	return words
}

// inPlaceOf is what the kernel has in place of a function of libgcc that divides 64 bits; empty for every other symbol.
func inPlaceOf(symbol string) string {
	switch symbol {
	case "__udivdi3", "__umoddi3", "__udivmoddi4", "__aeabi_uldivmod":
		return "div_u64, div64_u64 or do_div"
	case "__divdi3", "__moddi3", "__divmoddi4", "__aeabi_ldivmod":
		return "div_s64 or div_s64_rem"
	}
	return ""
}

// exportedBy is where in the kernel of a tree symbols come from: vmlinux, or a module without its suffix.
func exportedBy(tree *kernels.Tree, symbols []string) map[string]string {
	from := map[string]string{}
	if tree == nil {
		return from
	}
	h, err := Open(tree)
	if err != nil {
		return from
	}
	ids := make([]results.Ident, len(symbols))
	for i, symbol := range symbols {
		ids[i] = results.Ident{Name: symbol, Kind: Symbol}
	}
	h.exports(ids, func(i int, d results.Decl, _ bool) {
		_, in, _ := strings.Cut(d.Text, ") in ")
		from[symbols[i]], _, _ = strings.Cut(in, ",")
	})
	return from
}

var (
	optionSet   = regexp.MustCompile(`(?m)^CONFIG_(\w+)=[ym]$`)
	optionUnset = regexp.MustCompile(`(?m)^# CONFIG_(\w+) is not set$`)
)

// turnedOff are the options that a kernel is built without: all that its sibling has, where there is one, else those of which its
// configuration says so.
func turnedOff(tree, sibling *kernels.Tree) (off []string) {
	file, find := tree.DotFile, optionUnset
	if sibling != nil {
		file, find = sibling.DotFile, optionSet
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for _, m := range find.FindAllSubmatch(text, -1) {
		if option := string(m[1]); !tree.Config.Enabled(option) {
			off = append(off, option)
		}
	}
	return off
}

// headersOf are options whose headers do not have their name, by the beginning of the headers' paths below include.
var headersOf = []struct{ header, option string }{
	{"drm/", "DRM"}, {"linux/backlight.h", "BACKLIGHT_CLASS_DEVICE"}, {"linux/can/", "CAN_DEV"}, {"linux/gpio/", "GPIOLIB"}, {"linux/hid", "HID"},
	{"linux/i2c", "I2C"}, {"linux/iio/", "IIO"}, {"linux/input", "INPUT"}, {"linux/leds.h", "LEDS_CLASS"}, {"linux/led-class", "LEDS_CLASS"}, {"linux/mmc/", "MMC"},
	{"linux/mtd/", "MTD"}, {"linux/phy/", "GENERIC_PHY"}, {"linux/platform_profile.h", "ACPI_PLATFORM_PROFILE"}, {"linux/regulator/", "REGULATOR"}, {"linux/rtc.h", "RTC_CLASS"},
	{"linux/soundwire/", "SOUNDWIRE"}, {"linux/spi/", "SPI"}, {"linux/usb/typec", "TYPEC"}, {"linux/usb", "USB"}, {"linux/watchdog.h", "WATCHDOG_CORE"},
	{"linux/wmi.h", "ACPI_WMI"}, {"media/", "VIDEO_DEV"}, {"media/media-", "MEDIA_CONTROLLER"}, {"media/videobuf2", "VIDEOBUF2_CORE"}, {"net/bluetooth/", "BT"},
	{"net/nfc/", "NFC"}, {"sound/", "SND"}, {"sound/soc", "SND_SOC"},
}

// optionOf is the one of options whose name is that of a module or header, or to which the header is known to belong.
func optionOf(options []string, module, header string) string {
	stem := strings.TrimSuffix(path.Base(header), ".h")
	for _, name := range []string{module, stem} {
		if i := slices.IndexFunc(options, func(o string) bool { return name != "" && letters(o) == letters(name) }); i >= 0 {
			return options[i]
		}
	}
	best, longest := "", -1
	for _, row := range headersOf {
		if strings.HasPrefix(strings.TrimPrefix(header, "include/"), row.header) && len(row.header) > longest && slices.Contains(options, row.option) {
			best, longest = row.option, len(row.header)
		}
	}
	return best
}

// letters is a name without what options, modules and headers write in different ways.
func letters(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}
