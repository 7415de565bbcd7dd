package wire

import (
	"fmt"
	"path"
	"strings"
)

// MaxWanted bounds the module requests that are reported of one guest.
const MaxWanted = 64

// IsRequest says whether name can be what a kernel asks modprobe for: a module, or an alias such as crypto-ecb(aes) and
// net-pf-10-proto-132. Linux itself asks for names of less than 64 bytes (MODULE_NAME_LEN, kernel/module/kmod.c).
func IsRequest(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:*,.+=()"
	return name != "" && len(name) <= 64 && strings.Trim(name, allowed) == ""
}

// MatchAlias reports whether name fits an alias, a pattern as in modules.alias. '-' and '_' are equal but within brackets, where
// the one means a range. What is no pattern fits nothing.
func MatchAlias(pattern, name string) bool {
	fits, _ := path.Match(unhyphened(pattern), ModuleName(name))
	return fits
}

func unhyphened(pattern string) string {
	b, within := []byte(pattern), false
	for i, c := range b {
		switch {
		case c == '[' || c == ']':
			within = c == '['
		case c == '-' && !within:
			b[i] = '_'
		}
	}
	return string(b)
}

// JoinParams returns module parameters, each "name=value" or "name", as the one line that the kernel takes apart again
// (next_arg, lib/cmdline.c): values with spaces in double quotes, which cannot be escaped.
func JoinParams(params []string) (string, error) {
	const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	out := make([]string, len(params))
	for i, p := range params {
		name, value, isSet := strings.Cut(p, "=")
		if name == "" || strings.Trim(name, nameBytes) != "" || name == "--" {
			return "", fmt.Errorf("parameter %q has no valid name", p)
		}
		bare := value
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			bare = value[1 : len(value)-1] // quoted already
		}
		if strings.ContainsAny(bare, "\"\x00") {
			return "", fmt.Errorf("parameter %q: the kernel takes no quotation marks in a value", p)
		}
		spaces := strings.ContainsAny(value, " \t\n\v\f\r") || strings.Contains(value, "\xa0") // isspace, lib/ctype.c
		if isSet && bare == value && spaces {
			p = name + `="` + value + `"`
		}
		out[i] = p
	}
	return strings.Join(out, " "), nil
}
