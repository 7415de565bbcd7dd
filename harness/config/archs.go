package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
)

// everyArch is the word for all architectures.
const everyArch = "all"

// Archs reads words of --arch, or of the key arch: Debian's for architectures, or "all". They come in the order of the rows, each once; of no
// words, none.
func Archs(words []string) (names []string, err error) {
	known := arch.Names()
	for _, word := range words {
		if word != everyArch && !slices.Contains(known, word) {
			return nil, fmt.Errorf("unknown architecture %q%s", word, hintArch(word))
		}
	}
	for _, name := range known {
		if slices.Contains(words, name) || slices.Contains(words, everyArch) {
			names = append(names, name)
		}
	}
	return names, nil
}

func hintArch(word string) string {
	if a, ok := arch.Named(word); ok { // in uname -m's words, or Go's
		return fmt.Sprintf(" — did you mean %q?", a.Debian)
	}
	if a, ok := arch.Near(word); ok {
		return fmt.Sprintf(" — did you mean %q?", a.Debian)
	}
	return "; known are " + strings.Join(arch.Names(), ", ") + " and " + everyArch
}

// badArch says what is wrong with words of the key arch; empty: nothing.
func badArch(words []string) string {
	if _, err := Archs(words); err != nil {
		return err.Error()
	}
	return ""
}

// onEach has, for each selector that names no architecture, one for each of archs; this machine's needs no word. A kernel that lies here has
// the architecture that it has, so its selector stays as it is.
func onEach(selectors []kernels.Selector, archs []string) (all []kernels.Selector) {
	if len(archs) == 0 {
		return selectors
	}
	for _, sel := range selectors {
		if sel.NamesArch() || !sel.TakesArch() {
			all = with(all, []kernels.Selector{sel})
			continue
		}
		for _, name := range archs {
			if sel.Arch = name; name == arch.Host().Debian {
				sel.Arch = ""
			}
			all = with(all, []kernels.Selector{sel})
		}
	}
	return all
}
