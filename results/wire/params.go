package wire

import (
	"fmt"
	"strings"
)

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
