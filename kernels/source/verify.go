package source

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

func readConfig(tree *os.Root) (kconfig.Config, error) {
	f, err := tree.Open(".config")
	if err != nil {
		return kconfig.Config{}, err
	}
	defer f.Close()
	return kconfig.Parse(f)
}

// verify checks that the configuration is what was asked for, and quotes what the options that are not depend on.
func (j job) verify(tree *os.Root) error {
	config, err := readConfig(tree)
	if err != nil {
		return err
	}
	missed := j.config.missed(config)
	if len(missed) == 0 {
		return nil
	}
	const most = 4
	var reasons []string
	for _, m := range missed[:min(len(missed), most)] {
		now := "dropped it"
		if value := config.Value(m.symbol); value != "" {
			now = "made it " + value
		}
		reasons = append(reasons, fmt.Sprintf("CONFIG_%s=%s of profile %s: make olddefconfig %s; %s",
			m.symbol, m.value, j.config.origin(m.symbol), now, dependencies(tree.FS(), m.symbol)))
	}
	if more := len(missed) - most; more > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("this kernel does not take %s", strings.Join(reasons, "; "))
}

// maxKconfig bounds a Kconfig file that is read, in bytes; the largest of Linux has 90 KB.
const maxKconfig = 2 << 20

// dependencies quotes what the Kconfig files in tree say that symbol, given without CONFIG_, depends on.
func dependencies(tree fs.FS, symbol string) string {
	known, depends := false, []string{}
	_ = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), "Kconfig") {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxKconfig {
			return nil
		}
		text, _ := fs.ReadFile(tree, name)
		n, inside := 0, false
		for line := range strings.Lines(string(text)) {
			n++
			words := append(strings.Fields(line), "", "")
			switch words[0] {
			case "config", "menuconfig":
				inside = words[1] == symbol
				known = known || inside
			case "help", "---help---", "if", "endif", "menu", "endmenu", "choice", "endchoice", "comment", "source":
				inside = false
			case "depends":
				if inside {
					depends = append(depends, fmt.Sprintf("%s (%s:%d)", strings.Join(strings.Fields(line)[1:], " "), name, n))
				}
			}
		}
		return nil
	})
	switch {
	case !known:
		return "no Kconfig file of this kernel has it"
	case len(depends) == 0:
		return `it has no "depends on"`
	}
	return "it depends " + strings.Join(depends, ", ")
}
