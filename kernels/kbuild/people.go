package kbuild

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// What is read of a source to learn how its author's users build it.
const (
	maxInclude = 64        // makefiles that one leads to
	maxScanned = 256 << 10 // bytes of one file in which variables are looked for: what is larger was generated
)

var (
	included  = regexp.MustCompile(`(?m)^[ \t]*[-s]?include[ \t]+(.+)$`)
	scripts   = regexp.MustCompile(`[\w./-]+\.sh\b`)
	callsMake = regexp.MustCompile(`\$[({]MAKE[)}]|\bg?make\b`)
	elsewhere = regexp.MustCompile(`(?m)(?:^|\s)(?:-[a-zA-Z]*C|--directory)(?:[ \t=]*\S)|\b(?:M|SUBDIRS|KBUILD_EXTMOD)=|\bcd[ \t]`)
)

// callsKernel reports whether the text of a makefile, without comments, may call the kernel's build system, itself or by the makefile of
// another folder.
func callsKernel(text string) bool { return callsMake.MatchString(text) && elsewhere.MatchString(text) }

// forPeople reads what a plain make reads in folder: the makefile, what it includes, and the scripts that it names, as far as that can be
// seen. Empty where there is none.
func forPeople(root *os.Root, folder string) string {
	for _, name := range []string{"GNUmakefile", "makefile", "Makefile"} {
		if info, err := root.Stat(path.Join(folder, name)); err == nil && info.Mode().IsRegular() {
			var all strings.Builder
			seen := map[string]bool{}
			readMakefile(root, folder, path.Join(folder, name), seen, &all)
			for _, script := range scripts.FindAllString(all.String(), -1) {
				readMakefile(root, folder, path.Join(folder, script), seen, &all)
			}
			return all.String()
		}
	}
	return ""
}

// readMakefile adds the makefile at name to all, and the ones that it includes. A variable at the beginning of their names is
// taken for the folder.
func readMakefile(root *os.Root, folder, name string, seen map[string]bool, all *strings.Builder) {
	if seen[name] || len(seen) >= maxInclude {
		return
	}
	seen[name] = true
	raw, err := kernels.ReadRegular(root, name, maxMakefile)
	if err != nil {
		return
	}
	text := plainMakefile(raw)
	all.WriteString(text + "\n")
	for _, m := range included.FindAllStringSubmatch(text, -1) {
		for _, word := range strings.Fields(m[1]) {
			if word = leadingVariable.ReplaceAllString(word, ""); !strings.Contains(word, "$") {
				readMakefile(root, folder, path.Join(folder, word), seen, all)
			}
		}
	}
}

var leadingVariable = regexp.MustCompile(`^\$[({]\w+[)}]/?`)

// plainMakefile is a makefile without comments, each of its lines whole.
func plainMakefile(raw []byte) string {
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	return comments.ReplaceAllString(strings.ReplaceAll(text, "\\\n", " "), "")
}

// customary are the variables by which makefiles let people name the kernel: its build folder, and its release.
var (
	customaryFolders = []string{"KDIR", "KERNELDIR", "KERNEL_DIR", "KSRC", "KERNEL_SRC", "KERN_DIR", "KERNEL_PATH", "LINUX_SRC", "KERNELPATH",
		"KERNEL_SOURCE", "KERNEL_SOURCES", "KERNEL_TREE", "KERNEL_BUILD", "KERNEL_HEADERS", "LINUX_DIR", "LINUXDIR", "LINUXSRC", "KSRCDIR"}
	customaryReleases = []string{"KVER", "KVERSION", "KERNEL_VERSION", "KERNELVER", "kernelver", "KERNEL_RELEASE", "KREL", "TARGET"}
	customaryRead     = regexp.MustCompile(`(?:\$[({]?|\bifn?def[ \t]+)(` + strings.Join(slices.Concat(customaryFolders, customaryReleases), "|") + `)\b`)
	targetIsRelease   = regexp.MustCompile(`(?:/lib/modules/|linux-headers-|/usr/src/\w+/)\$[({]?TARGET\b`)
)

// customary are the assignments by which a person would name the kernel to what stands in folder: of the variables that its
// instructions read.
func customary(root *os.Root, folder, kdir, release string) (assignments []string) {
	read, total := map[string]bool{}, 0
	_ = fs.WalkDir(root.FS(), folder, func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && tooDeep(file) {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() || !matchesAny(instructions, path.Base(file)) || total > maxMakefile {
			return nil
		}
		text, err := kernels.ReadRegular(root, file, maxScanned)
		if err != nil {
			return nil
		}
		total += len(text)
		for _, m := range customaryRead.FindAllSubmatch(text, -1) {
			if name := string(m[1]); name != "TARGET" || targetIsRelease.Match(text) {
				read[name] = true
			}
		}
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(read)) {
		value := kdir
		if slices.Contains(customaryReleases, name) {
			value = release
		}
		assignments = append(assignments, name+"="+value)
	}
	return assignments
}
