package prebuilt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// maxSymvers bounds a Module.symvers; those of Debian have 2 MB.
const maxSymvers = 64 << 20

// Symbol is one that a kernel exports.
type Symbol struct {
	CRC       uint32 // zero where the kernel keeps no versions
	Owner     string // the module that has it, as the kernel knows it; "vmlinux" for the kernel itself
	GPL       bool   // for modules under the GPL alone
	Namespace string // empty: none
}

// image is the owner of what is no module's.
const image = "vmlinux"

// parseSymvers reads a Module.symvers (Linux Documentation/kbuild/modules.rst): CRC, symbol, module, kind of export and, from 5.4 on,
// namespace, separated by tabs.
func parseSymvers(r io.Reader) (map[string]Symbol, error) {
	found := map[string]Symbol{}
	scan := bufio.NewScanner(io.LimitReader(r, maxSymvers))
	for n := 1; scan.Scan(); n++ {
		fields := strings.Split(scan.Text(), "\t")
		if len(fields) < 4 {
			return nil, fmt.Errorf("line %d: not CRC, symbol, module and kind of export", n)
		}
		digits, hex := strings.CutPrefix(fields[0], "0x")
		crc, err := strconv.ParseUint(digits, 16, 32)
		if !hex || err != nil || fields[1] == "" {
			return nil, fmt.Errorf("line %d: no CRC and symbol", n)
		}
		s := Symbol{CRC: uint32(crc), Owner: kernels.ModuleName(fields[2]), GPL: strings.HasSuffix(fields[3], "_GPL")}
		if len(fields) > 4 {
			s.Namespace = fields[4]
		}
		if _, twice := found[fields[1]]; !twice {
			found[fields[1]] = s
		}
	}
	if err := scan.Err(); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("it is empty")
	}
	return found, nil
}

func readSymvers(path string) (map[string]Symbol, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := parseSymvers(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return found, nil
}
