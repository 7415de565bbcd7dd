package dkms

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

const (
	maxAnswer = 1 << 20 // bytes of what evaluating a dkms.conf may come to; the largest real ones reach some 10 KiB
	maxIndex  = 4096    // of an array; dkms walks up to the largest
)

// directives are the variables that dkms takes from a dkms.conf, in the order of its manual.
var directives = []string{
	"PACKAGE_NAME", "PACKAGE_VERSION", "BUILT_MODULE_NAME", "BUILT_MODULE_LOCATION", "DEST_MODULE_NAME", "DEST_MODULE_LOCATION",
	"STRIP", "MAKE", "MAKE_MATCH", "PATCH", "PATCH_MATCH", "PRE_BUILD", "POST_BUILD", "PRE_INSTALL", "POST_INSTALL", "POST_ADD",
	"POST_REMOVE", "BUILD_DEPENDS", "BUILD_DEPENDS_REBUILD", "BUILD_EXCLUSIVE_KERNEL", "BUILD_EXCLUSIVE_KERNEL_MIN",
	"BUILD_EXCLUSIVE_KERNEL_MAX", "BUILD_EXCLUSIVE_ARCH", "BUILD_EXCLUSIVE_CONFIG", "OBSOLETE_BY", "AUTOINSTALL",
	"NO_WEAK_MODULES", "CLEAN", "REMAKE_INITRD", "MODULES_CONF", "MODULES_CONF_OBSOLETES", "MODULES_CONF_ALIAS_TYPE",
	"MODULES_CONF_OBSOLETE_ONLY",
}

// element is one of an array. In bash every variable is an array, and a plain one is its element 0.
type element struct {
	name  string
	index int
}

type values struct {
	set   map[element]string
	match map[element]bool // of the regular expressions: which match the target
	seen  []string         // further variables in capitals that were set meanwhile
	said  string           // what the file printed as errors, or the beginning of that
}

func (v values) one(name string) string { return v.set[element{name, 0}] }

func (v values) indexes(name string) []int {
	var all []int
	for e := range v.set {
		if e.name == name {
			all = append(all, e.index)
		}
	}
	slices.Sort(all)
	return all
}

// parseAnswer reads what driver.sh wrote. The conf that it ran had every chance to write there too, so nothing is believed.
func parseAnswer(data []byte) (values, error) {
	v := values{set: map[element]string{}, match: map[element]bool{}}
	if len(data) > maxAnswer {
		return v, fmt.Errorf("it comes to more than %d KiB", maxAnswer>>10)
	}
	words := strings.Split(strings.ToValidUTF8(string(data), "?"), "\x00")
	words = words[:len(words)-1] // what is behind the last one's end is none
	for len(words) > 0 {
		kind := words[0]
		size, ok := map[string]int{"end": 1, "seen": 2, "match": 3, "value": 4}[kind]
		if !ok || size > 2 && len(words) > 1 && !slices.Contains(directives, words[1]) {
			return v, errors.New("it tampers with the shell that reads it")
		}
		if len(words) < size {
			break
		}
		switch {
		case kind == "end":
			return v, nil
		case size > 2:
			if err := v.take(words[1:size]); err != nil {
				return v, err
			}
		case !slices.Contains(directives, words[1]):
			v.seen = append(v.seen, words[1])
		}
		words = words[size:]
	}
	return v, errors.New("it ends the shell that reads it")
}

// take takes the words of one value or match: name, index, and the value.
func (v values) take(words []string) error {
	index, err := strconv.Atoi(words[1])
	switch {
	case err != nil:
		return fmt.Errorf("%s[%s] has no number", words[0], clean(words[1]))
	case index < 0 || index >= maxIndex:
		return fmt.Errorf("%s[%d]: dkms takes arrays of a few elements, not of more than %d", words[0], index, maxIndex)
	case len(words) == 2:
		v.match[element{words[0], index}] = true
	default:
		v.set[element{words[0], index}] = words[2]
	}
	return nil
}

// clean makes one short printable line of what a stranger wrote.
func clean(s string) string {
	s = strings.Join(strings.Fields(wire.Scrub(s)), " ")
	if runes := []rune(s); len(runes) > 160 {
		return string(runes[:159]) + "…"
	}
	return s
}
