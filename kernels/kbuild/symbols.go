package kbuild

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// plumbing are symbols, or what they begin with when they end in *, that every module may use and by which none learns anything of the
// machine: the compiler's, the tracer's, printing and memory.
var plumbing = []string{"__fentry__", "__x86_*", "__stack_chk_fail", "module_layout", "__this_module", "printk", "_printk", "_dev_*", "param_*", "__kmalloc*", "kmalloc_*",
	"kfree", ".TOC.", "__gnu_mcount_nc", "__aeabi_*", "__s390_indirect_jump_*", "__stack_chk_guard", "__warn_printk", "__ubsan_*", "__sanitizer_cov_*", "__asan_*", "__kcfi_*", "mcount", "_mcount", "str*", "mem*", "snprintf", "sprintf", "__mutex_init", "mutex_*"}

// AsksOnly reports whether the module in file asks nobody but the modules in others: of all that it calls, some is theirs, and the rest can
// say nothing of the machine.
func AsksOnly(file string, others ...string) (bool, error) {
	wants, _, err := symbolNames(file)
	if err != nil {
		return false, err
	}
	theirs := map[string]bool{}
	for _, other := range others {
		_, has, err := symbolNames(other)
		if err != nil {
			return false, err
		}
		for _, name := range has {
			theirs[name] = true
		}
	}
	asks := false
	for _, name := range wants {
		switch {
		case theirs[name]:
			asks = true
		case !slices.ContainsFunc(plumbing, func(p string) bool { return matchesPrefix(p, name) }):
			return false, nil
		}
	}
	return asks, nil
}

func matchesPrefix(pattern, name string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return name == pattern || open && strings.HasPrefix(name, prefix)
}

// symbolNames are the symbols that the module in file wants of others, and the global ones that it has.
func symbolNames(file string) (wants, has []string, err error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read the symbols of %s: %w", file, err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, nil, fmt.Errorf("read the symbols of %s: %w", file, err)
	}
	for _, s := range symbols {
		switch {
		case s.Name == "" || elf.ST_BIND(s.Info) == elf.STB_LOCAL:
		case s.Section == elf.SHN_UNDEF:
			wants = append(wants, s.Name)
		default:
			has = append(has, s.Name)
		}
	}
	return wants, has, nil
}
