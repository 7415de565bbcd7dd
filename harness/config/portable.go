package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
)

// Portable is the text of a configuration for whoever opens a bundle: which kernels of an archive, which suites, how the module is
// built and loaded, in what guest, as spec has it, which was made of c. Nothing in it is of this machine: left names what was left out for that.
func (c Config) Portable(spec harness.Spec) (text []byte, left []string, err error) {
	doc := map[string]any{}
	put := func(table, key string, value any) {
		if v := reflect.ValueOf(value); v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
			return
		}
		if table == "" {
			doc[key] = value
			return
		}
		if doc[table] == nil {
			doc[table] = map[string]any{}
		}
		doc[table].(map[string]any)[key] = value
	}
	left = c.putKernels(put, spec)
	put("", "arch", spec.Archs)
	var suites []string
	for _, s := range spec.Suites {
		suites = append(suites, filepath.Base(s))
	}
	put("", "suites", suites)
	put("", "params", spec.Params)
	put("", "make", spec.Make)
	put("", "require_kvm", spec.RequireKVM)
	put("build", "packages", spec.Packages)
	put("module", "load", spec.Load)
	put("checks", "exclude", spec.CheckExclude)
	put("checks", "fails", tableOf(spec.CheckFails))
	put("guest", "memory_mib", spec.MemoryMiB)
	put("guest", "cpus", spec.CPUs)
	put("guest", "devices", spec.Devices)
	put("guest", "plug", tableOf(spec.Plugs))
	put("guest", "host_devices", anywhereDevices(slices.Concat(c.Guest.HostDevices, spec.HostDevices)))
	put("guest", "modules", spec.Modules)
	put("guest", "firmware", portableFirmware(spec))
	if spec.Timeout != 0 && spec.Timeout != time.Duration(Default().Guest.Timeout) {
		put("guest", "timeout", spec.Timeout.String())
	}
	text, err = toml.Marshal(doc)
	if err == nil {
		_, err = parseConfig(text)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("write %s of a bundle: %w", harness.ConfigName, err)
	}
	return text, left, nil
}

// tableOf is rowsOf the other way round.
func tableOf(rows []string) any {
	table := map[string]string{}
	for _, row := range rows {
		name, device, _ := strings.Cut(row, "=")
		table[name] = device
	}
	if len(table) == 0 {
		return ""
	}
	return table
}

// anywhereDevices are those that are meant by what they are, and not by where they are plugged in.
func anywhereDevices(texts []string) (kept []string) {
	for _, text := range texts {
		if strings.HasPrefix(text, "usb:") && !strings.Contains(text, "@") && !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

// portableFirmware is where the firmware is in a bundle, or the packages that it is in.
func portableFirmware(spec harness.Spec) string {
	if spec.Firmware != "" && spec.FirmwarePackages() == nil {
		return harness.BundledFirmware
	}
	return spec.Firmware
}

// putKernels puts the kernels that anybody can get: a list, or a table where there are sets.
func (c Config) putKernels(put func(table, key string, value any), spec harness.Spec) (left []string) {
	anywhere := func(list []kernels.Selector) (texts []string) {
		for _, sel := range list {
			switch {
			case !sel.Local():
				texts = append(texts, sel.String())
			case !slices.Contains(left, sel.String()):
				left = append(left, sel.String())
			}
		}
		return texts
	}
	usual := anywhere(spec.Kernels)
	if len(c.Sets)+len(c.Required) == 0 {
		put("", "kernels", usual)
		return left
	}
	put("kernels", setDefault, usual)
	put("kernels", setRequired, anywhere(c.Required))
	for name, set := range c.Sets {
		put("kernels", name, anywhere(set))
	}
	slices.Sort(left)
	return left
}

// Portable is what l pins of kernels that anybody can get.
func (l Lock) Portable() Lock {
	kept := Lock{Schema: LockSchema}
	for _, p := range l.Selectors {
		if !p.Selector.Local() {
			kept.Selectors = append(kept.Selectors, p)
		}
	}
	return kept
}
