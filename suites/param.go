package suites

import (
	"slices"
	"strconv"
	"strings"
)

// The types of parameters, as .modinfo names them, whose values the kernel itself reads and shows
// (Linux kernel/params.c). A module may declare others, of which only it knows what they take.
var (
	numberTypes = []string{"byte", "hexint", "short", "ushort", "int", "uint", "long", "ulong", "ullong"}
	boolTypes   = []string{"bool", "invbool"}
	textTypes   = []string{"charp", "string"}
)

const arrayType = "array of "

// ParamRefusesWords tells whether a parameter of that type cannot be a word like "garbage": the kernel then refuses to
// load the module with EINVAL before any of its code runs.
func ParamRefusesWords(kind string) bool {
	kind = strings.TrimPrefix(kind, arrayType)
	return slices.Contains(numberTypes, kind) || slices.Contains(boolTypes, kind)
}

// SameParam tells whether shown, as read from sysfs, is how the kernel shows a parameter of that type that was given as
// given: 0x10 and 16 are the same number, 1 and Y the same bool. It is not known for types that only a module knows.
func SameParam(kind, given, shown string) (same, known bool) {
	element, isArray := strings.CutPrefix(kind, arrayType)
	if !isArray {
		return sameValue(kind, given, shown)
	}
	a, b := strings.Split(given, ","), strings.Split(shown, ",")
	if len(b) < len(a) {
		return false, true
	}
	for i := range a { // shown may have more: all of an array, where the module keeps no count
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
		return strings.Trim(given, `"`) == shown, true
	}
	return false, false
}

// parseNumber reads a number as kstrtoull and kstrtoll do: decimal, hexadecimal after 0x, octal after 0.
// A negative one wraps.
func parseNumber(text string) (uint64, error) {
	if strings.ContainsAny(text, "_bBoO") && !strings.HasPrefix(text, "0x") { // Go knows more than the kernel
		return 0, strconv.ErrSyntax
	}
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		n, err := strconv.ParseUint(rest, 0, 64)
		return -n, err
	}
	return strconv.ParseUint(strings.TrimPrefix(text, "+"), 0, 64)
}

// isTrue reads a bool as kstrtobool does. A bool that is given without a value is true.
func isTrue(text string) bool {
	return text == "" || strings.ContainsAny(text[:1], "1yYtT") || len(text) > 1 && strings.EqualFold(text[:2], "on")
}
