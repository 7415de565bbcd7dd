package kbuild

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// maxSymvers bounds a Module.symvers; those of distributions' kernels have some 2 MiB.
const maxSymvers = 64 << 20

// export is a symbol that a kernel or a module offers to modules.
type export struct {
	crc       uint32 // of its prototype; zero where the kernel keeps none
	gpl       bool   // for modules under a GPL-compatible licence only
	namespace string // that a module must import; "module:NAMES" is for the modules of these names
}

// readSymvers reads the Module.symvers at path into exports.
func readSymvers(file string, exports map[string]export) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := parseSymvers(io.LimitReader(f, maxSymvers), exports); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

// parseSymvers reads lines of CRC, symbol, module, kind and, since 5.4, namespace, with a tab between any two (Linux
// Documentation/kbuild/modules.rst). What is no such line is left out. The first of a name counts, as in modpost.
func parseSymvers(r io.Reader, exports map[string]export) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		fields := strings.Split(scan.Text(), "\t")
		if len(fields) < 4 {
			continue
		}
		crc, err := strconv.ParseUint(strings.TrimPrefix(fields[0], "0x"), 16, 32)
		name := fields[1]
		if _, have := exports[name]; err != nil || name == "" || have {
			continue
		}
		e := export{crc: uint32(crc), gpl: strings.HasSuffix(fields[3], "_GPL")}
		if len(fields) > 4 {
			e.namespace = fields[4]
		}
		exports[name] = e
	}
	return scan.Err()
}

// exportsFor collects everything that a module built for tree may use, by symbol: the kernel's own exports and those in files.
func exportsFor(tree *kernels.Tree, files []string) (map[string]export, error) {
	host, ok := Find(tree, path.Join(tree.KDIR, "Module.symvers"))
	if !ok {
		return nil, errors.New("the kernel tree has no Module.symvers")
	}
	exports := map[string]export{}
	for _, file := range append([]string{host}, files...) {
		if err := readSymvers(file, exports); err != nil {
			return nil, err
		}
	}
	return exports, nil
}

// gplCompatible are the licences that GPL-only symbols are for (Linux include/linux/license.h).
var gplCompatible = []string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}

// admits tells whether a module of that name, which imports these namespaces, may use the symbol (Linux
// kernel/module/main.c, verify_namespace_is_imported and verify_module_namespace).
func (e export) admits(module string, imports []string) bool {
	names, private := strings.CutPrefix(e.namespace, "module:")
	if e.namespace == "" || !private {
		return e.namespace == "" || slices.Contains(imports, e.namespace)
	}
	same := func(s string) string { return strings.ReplaceAll(s, "-", "_") }
	return slices.ContainsFunc(strings.Split(names, ","), func(name string) bool {
		prefix, glob := strings.CutSuffix(name, "*")
		return glob && strings.HasPrefix(same(module), same(prefix)) || same(name) == same(module)
	})
}
