package packaging

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// maxConf bounds a dkms.conf, in bytes.
const maxConf = 1 << 20

// newConf is the dkms.conf of a module that has none: the kernel's build system builds what the Makefiles declare.
func newConf(name, version, dir string, built []string) (string, error) {
	files, err := kbuild.DeclaredFiles(dir)
	if err != nil {
		return "", err
	}
	files = keepBuilt(files, built)
	if len(files) == 0 {
		return "", &kbuild.SourceError{Path: filepath.Join(dir, "Makefile"), Problem: "says not in plain text which modules it builds",
			Cure: "write a dkms.conf beside it, with BUILT_MODULE_NAME and BUILT_MODULE_LOCATION (dkms(8))"}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "PACKAGE_NAME=%q\nPACKAGE_VERSION=%q\n", name, version)
	b.WriteString("MAKE[0]=\"make -C ${kernel_source_dir} M=${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build modules\"\n")
	for i, file := range files {
		location, base := filepath.Split(strings.TrimSuffix(file, ".ko"))
		fmt.Fprintf(&b, "BUILT_MODULE_NAME[%d]=%q\n", i, base)
		if location != "" {
			fmt.Fprintf(&b, "BUILT_MODULE_LOCATION[%d]=%q\n", i, location)
		}
		fmt.Fprintf(&b, "DEST_MODULE_LOCATION[%d]=\"/updates/dkms\"\n", i)
	}
	b.WriteString("AUTOINSTALL=\"yes\"\n")
	return b.String(), nil
}

// keepBuilt drops files that no run built: what an option decides that no kernel has. built are the modules of runs; none: nothing is known.
func keepBuilt(files, built []string) (kept []string) {
	for _, file := range files {
		name := kernels.ModuleName(file)
		for _, b := range built {
			if b == name {
				kept = append(kept, file)
			}
		}
	}
	if len(built) == 0 {
		return files
	}
	return kept
}

// placeholder is what a template has for the version.
var placeholder = regexp.MustCompile(`(?m)^(\s*PACKAGE_VERSION=["']?)(#MODULE_VERSION#|@[A-Za-z_]+@|__[A-Z_]+|%[A-Z_]+%|#[A-Z_]+#)(["']?\s*)$`)

// writeConf puts the package's dkms.conf into the copy of its source at dir: its own or a new one, with the range. Notes say what of its own gave way.
func (r Request) writeConf(c *content, dir string) error {
	file := filepath.Join(dir, dkms.ConfName)
	var text string
	var err error
	if !r.Package.HasConf {
		if text, err = newConf(c.Name, c.Version, dir, r.built()); err != nil {
			return err
		}
		c.Notes = append(c.Notes, "the module has no "+dkms.ConfName+": one was made, which builds it with the kernel's own build system")
	} else {
		data, err := kernels.ReadFileIn(dir, dkms.ConfName, maxConf)
		if err != nil {
			return fmt.Errorf("read %s: %w", dkms.ConfName, err)
		}
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		text = strings.TrimRight(placeholder.ReplaceAllString(string(data), "${1}"+c.Version+"${3}"), "\n") + "\n"
		if name, version := dkms.PlainIdentity([]byte(text)); name != c.Name || version != c.Version {
			return &kbuild.SourceError{Path: filepath.Join(r.Package.Source, dkms.ConfName),
				Problem: fmt.Sprintf("says in plain text that it is %s %s, not %s %s", cmp.Or(name, "(nothing)"), cmp.Or(version, "(nothing)"), c.Name, c.Version),
				Cure:    "packages are named by what stands there: write PACKAGE_NAME and PACKAGE_VERSION as text"}
		}
	}
	if c.Kernels.Min != "" {
		if regexp.MustCompile(`(?m)^[^#\n]*BUILD_EXCLUSIVE_KERNEL_M(IN|AX)`).MatchString(text) {
			c.Notes = append(c.Notes, "BUILD_EXCLUSIVE_KERNEL_MIN and _MAX of its own give way to what was measured")
		}
		text += c.Kernels.conf(strings.Contains(text, "BUILD_EXCLUSIVE_KERNEL"))
	}
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) { // it may be a link
		return fmt.Errorf("write %s: %w", dkms.ConfName, err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", dkms.ConfName, err)
	}
	return nil
}
