package kbuild

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// The cause in place of the last line: what make, the kernel's build system and the source say together.

// warned takes for the text of a makefile's error that has none what it warned of right before: so the kernel's own refuses SUBDIRS=.
func warned(f finding, before []string) finding {
	if strings.Trim(f.text, ". ") != "" {
		return f
	}
	var said []string
	for _, line := range before {
		m := warning.FindStringSubmatch(line)
		if m != nil && m[1] == f.file && strings.Trim(m[2], "=* ") != "" && !strings.HasPrefix(m[2], "==") {
			said = append(said, m[2])
		}
	}
	if len(said) > 0 {
		return finding{text: strings.Join(said, ": ")}
	}
	return f
}

var warning = regexp.MustCompile(`^(\S[^:]*):\d+: (.*)$`)

// whole is the text of an error with the lines that it announces by a colon, such as the names of modules that are in each other's way.
func (f *finding) whole() string {
	if !strings.HasSuffix(f.text, ":") {
		return f.text
	}
	var more []string
	for _, line := range f.excerpt {
		if strings.HasPrefix(line, "  ") {
			more = append(more, strings.TrimSpace(line))
		}
	}
	return strings.TrimSpace(f.text + " " + strings.Join(more, ", "))
}

var noTarget = regexp.MustCompile(`^No targets|^No rule to make target '([\w-]+)'$`)

// releaseGiven explains a Makefile without the target that is asked for: where KERNELRELEASE is given, most take themselves for read
// by the kernel's build system.
func (d *diagnosis) releaseGiven(text string) string {
	m := noTarget.FindStringSubmatch(text)
	if m == nil || !strings.Contains(d.command, " KERNELRELEASE=") || !strings.Contains(d.command+" ", " "+m[1]) {
		return ""
	}
	return ": dkms gives KERNELRELEASE to a MAKE that begins with make, and then the Makefile has none; write 'make' in quotes, or make -C $kernel_source_dir M=…"
}

// instead says which .ko a build left in place of the one that was expected. known: it is the same, by another spelling or in another folder.
func (r Request) instead(name string) (what string, known bool) {
	var near, others []string
	scene{r: r}.walk([]string{"*.ko"}, func(ko string) bool {
		if kernels.ModuleName(ko) == kernels.ModuleName(name) {
			near = append(near, ko)
		}
		others = append(others, ko)
		return len(others) < maxOthers
	})
	switch {
	case len(near) > 0:
		return ": there is " + clean(strings.Join(near, ", ")) + " instead", true
	case len(others) > 0:
		return ": make built " + clean(strings.Join(others[:min(len(others), 3)], ", ")), false
	}
	return "", false
}

var (
	// objOption finds the objects that an option of the kernel decides upon.
	objOption = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*obj-\$[({]CONFIG_(\w+)[)}][ \t]*[:+?]?=[ \t]*\S`)
	objY      = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*obj-y[ \t]*[:+?]?=.*\S+\.o`)
)

// whyNothing says why a build made no module at all, as far as its Kbuild file shows it.
func (r Request) whyNothing() (why string, known bool) {
	name, text := "", ""
	if root, err := os.OpenRoot(r.Dir); err == nil {
		name, text, _ = kbuildFile(root, path.Clean(r.Folder))
		root.Close()
	}
	var options []string
	for _, m := range objOption.FindAllStringSubmatch(text, -1) {
		switch value := r.Tree.Config.Value(m[1]); value {
		case "m":
		case "y":
			options = append(options, "CONFIG_"+m[1]+" is y in this kernel, which makes a part of the kernel and no module")
		default:
			options = append(options, "CONFIG_"+m[1]+" is not set in this kernel")
		}
	}
	switch {
	case len(options) > 0:
		options = slices.Compact(options)
		return strings.Join(options[:min(len(options), 3)], ", "), true
	case objY.MatchString(text):
		return name + " says obj-y, which makes a part of the kernel: obj-m makes a module", true
	}
	return "nothing in the Kbuild file applies to this kernel's configuration", false
}

var (
	// extraFlags are variables that the kernel's build read until 6.15, with what is given to them.
	extraFlags = regexp.MustCompile(`\b(EXTRA_(?:C|A|CPP|LD)FLAGS)[ \t]*[:+?]?=[ \t]*(.*)`)
	extraUsed  = regexp.MustCompile(`\$[({]EXTRA_\w+[)}]`)
	forProgram = regexp.MustCompile(`^\s*(?:export\s+)?C(?:PP)?FLAGS[ \t]*[:+?]?=`) // of another program in the source
	flagWord   = regexp.MustCompile(`(?:^|[\s"'])(-(?:[DIU]\s*[^\s"']+|include\s+[^\s"']+|std=[^\s"']+))`)
	newName    = map[string]string{"EXTRA_CFLAGS": "ccflags-y", "EXTRA_AFLAGS": "asflags-y", "EXTRA_CPPFLAGS": "ccflags-y", "EXTRA_LDFLAGS": "ldflags-y"}
)

// lostFlags says which flags of the source the kernel's build does not read any more; empty where it reads them all.
func (s scene) lostFlags() string {
	if s.view == nil || s.kernelReads("EXTRA_CFLAGS") {
		return ""
	}
	lost, name := []string(nil), ""
	used := false
	s.walk([]string{"[Mm]akefile", "GNUmakefile", "Kbuild", "*.mk"}, func(file string) bool {
		for line := range strings.Lines(comments.ReplaceAllString(strings.ReplaceAll(s.read(file), "\\\n", " "), "")) {
			m := extraFlags.FindStringSubmatch(line)
			if m == nil {
				used = used || extraUsed.MatchString(line) && !forProgram.MatchString(line)
				continue
			}
			for _, flag := range flagWord.FindAllStringSubmatch(m[2], -1) {
				lost, name = append(lost, flag[1]), m[1]
			}
		}
		return !used
	})
	if used || len(lost) == 0 {
		return ""
	}
	slices.Sort(lost)
	lost = slices.Compact(lost)
	return fmt.Sprintf("kernels from 6.15 on do not read %s, so %s is lost: write %s", name, strings.Join(lost[:min(len(lost), 4)], " "), newName[name])
}

// kernelReads reports whether the kernel's build system reads a variable, or cannot be asked.
func (s scene) kernelReads(variable string) bool {
	asked := false
	for _, dir := range []string{s.r.Tree.KDIR, path.Join(s.r.Tree.KDIR, "source"), path.Join("/lib/modules", s.r.Tree.Target.Release, "source")} {
		host, err := s.view.Find(path.Join(dir, "scripts/Makefile.lib"))
		if err != nil {
			continue
		}
		text, err := os.ReadFile(host)
		if asked = err == nil; asked && strings.Contains(string(text), variable) {
			return true
		}
	}
	return !asked
}
