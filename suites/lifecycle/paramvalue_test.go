package lifecycle

import (
	"slices"
	"strconv"
	"strings"
)

// The types of parameters, as in .modinfo, that the kernel itself parses and shows (Linux kernel/params.c).
var (
	numberTypes = []string{"byte", "hexint", "short", "ushort", "int", "uint", "long", "ulong", "ullong"}
	boolTypes   = []string{"bool", "invbool"}
	textTypes   = []string{"charp", "string"}
)

const arrayType = "array of "

// refusesWords says whether a parameter of that type cannot be a word like "garbage": the kernel then refuses to load
// the module with EINVAL before any of its code runs.
func refusesWords(kind string) bool {
	kind = strings.TrimPrefix(kind, arrayType)
	return slices.Contains(numberTypes, kind) || slices.Contains(boolTypes, kind)
}

// sameParam says whether shown, as read from sysfs, is the value given to a parameter of that type: 0x10 and 16 are the
// same number, 1 and Y the same bool. known is false for types that only their module knows.
func sameParam(kind, given, shown string) (same, known bool) {
	given = unquote(given)
	element, isArray := strings.CutPrefix(kind, arrayType)
	if !isArray {
		return sameValue(kind, given, shown)
	}
	a, b := strings.Split(given, ","), strings.Split(shown, ",")
	if len(b) < len(a) {
		return false, true
	}
	for i := range a { // shown may have more: the whole array, where the module has no count
		if same, known := sameValue(element, a[i], b[i]); !same || !known {
			return same, known
		}
	}
	return true, true
}

func sameValue(kind, given, shown string) (same, known bool) {
	switch {
	case slices.Contains(numberTypes, kind):
		a, err1 := parseNumber(given)
		b, err2 := parseNumber(shown)
		return err1 == nil && err2 == nil && a == b, true
	case slices.Contains(boolTypes, kind):
		return isTrue(given) == isTrue(shown), true
	case slices.Contains(textTypes, kind):
		return given == shown, true
	}
	return false, false
}

// unquote removes the quotes around a value, as the kernel does (Linux lib/cmdline.c, next_arg).
func unquote(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// parseNumber reads a number as kstrtoull and kstrtoll do: also hexadecimal after 0x and octal after 0. A negative one wraps.
func parseNumber(text string) (uint64, error) {
	digits, negative := strings.CutPrefix(text, "-")
	if !negative {
		digits = strings.TrimPrefix(text, "+")
	}
	hex := strings.HasPrefix(strings.ToLower(digits), "0x")
	if strings.Contains(digits, "_") || !hex && strings.ContainsAny(digits, "bBoO") { // Go knows more than the kernel
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(digits, 0, 64)
	if negative {
		n = -n
	}
	return n, err
}

// isTrue reads a bool as kstrtobool does. A bool without a value is true.
func isTrue(text string) bool {
	return text == "" || strings.ContainsAny(text[:1], "1yYtT") || len(text) > 1 && strings.EqualFold(text[:2], "on")
}
