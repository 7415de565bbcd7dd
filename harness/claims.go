package harness

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// What a source says of kernel versions is held against the kernels that it was built for: the bounds in dkms.conf and META,
// and the conditions on LINUX_VERSION_CODE. The source is read as text: what a Makefile or a script decides is not seen.
// No verdict depends on any of it.

// How much of a source is looked at: more than any module has.
const (
	maxClaimFiles = 5000
	maxClaimFile  = 4 << 20 // bytes
	maxConditions = 2000
)

// versionTest finds a comparison with KERNEL_VERSION(a, b, c), as LINUX_VERSION_CODE is compared everywhere (Linux
// Makefile, filechk_version.h). The other way round, KERNEL_VERSION first, is a rarity, and not looked for.
var versionTest = regexp.MustCompile(`\bLINUX_VERSION_CODE\s*(<=?|>=?|==|!=)\s*KERNEL_VERSION\s*\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)`)

// conditions lists the comparisons with the kernel's version that stand in the #if and #elif of source.
func conditions(name string, source []byte) []results.Condition {
	var found []results.Condition
	number, joined := 0, ""
	for line := range strings.Lines(string(source)) {
		number++
		text := strings.TrimRight(line, "\r\n")
		if more, on := strings.CutSuffix(text, `\`); on && len(joined) < 1<<16 {
			joined += more + " "
			continue
		}
		text, joined = joined+text, ""
		bare := strings.ReplaceAll(strings.TrimSpace(text), " ", "")
		if !strings.HasPrefix(bare, "#if") && !strings.HasPrefix(bare, "#elif") {
			continue
		}
		for _, m := range versionTest.FindAllStringSubmatch(text, -1) {
			found = append(found, results.Condition{Where: fmt.Sprintf("%s:%d", name, number), Op: m[1], Version: triple(m[2:5])})
		}
	}
	return found
}

// triple writes a version without leading zeros.
func triple(parts []string) string {
	out := make([]string, len(parts))
	for i, p := range parts {
		n, _ := strconv.Atoi(p) // the pattern gives digits, and few
		out[i] = strconv.Itoa(n)
	}
	return strings.Join(out, ".")
}

// code is LINUX_VERSION_CODE of a version; the third number counts up to 255 only, since v5.11 (Linux Makefile,
// filechk_version.h). ok is false for what has no two numbers.
func code(version string) (n int, ok bool) {
	parts := append(strings.SplitN(version, ".", 4), "0")
	for i := range 3 {
		digits := parts[min(i, len(parts)-1)]
		if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			digits = digits[:end]
		}
		v, err := strconv.Atoi(digits)
		if err != nil && i < 2 {
			return 0, false
		}
		n = n<<8 + min(v, 255)
	}
	return n, len(parts) > 2
}

// holds evaluates a condition for a kernel.
func holds(c results.Condition, kernel int) bool {
	limit, _ := code(c.Version)
	switch c.Op {
	case "<":
		return kernel < limit
	case "<=":
		return kernel <= limit
	case ">":
		return kernel > limit
	case ">=":
		return kernel >= limit
	case "==":
		return kernel == limit
	}
	return kernel != limit
}

// boundLine finds a bound in dkms.conf that is a plain version; patternLine, the regular expression. What a script computes
// is not seen.
var (
	boundLine   = regexp.MustCompile(`(?m)^BUILD_EXCLUSIVE_KERNEL_(MIN|MAX)=["']?(\d+(?:\.\d+)*)["']?[ \t]*$`)
	patternLine = regexp.MustCompile(`(?m)^BUILD_EXCLUSIVE_KERNEL=(?:"([^"$` + "`" + `\n]{1,200})"|'([^'\n]{1,200})'|([^\s"'$` + "`" + `]{1,200}))[ \t]*$`)
)

// said is what a source says of kernel versions.
type said struct {
	conf       []byte // dkms.conf; nil: there is none
	conditions []results.Condition
	meta       []results.Statement // the bounds in META
}

// claims holds what a source says against the records; nil where it says nothing, or nothing was built.
func claims(s said, records []results.Record) *results.Claims {
	c := &results.Claims{}
	for _, m := range boundLine.FindAllSubmatch(s.conf, -1) {
		if string(m[1]) == "MIN" {
			c.Min = string(m[2])
		} else {
			c.Max = string(m[2])
		}
	}
	if m := patternLine.FindSubmatch(s.conf); m != nil {
		c.Kernel = string(slices.Concat(m[1:]...))
	}
	tried := builtRecords(records)
	if len(tried) == 0 || len(s.conditions)+len(s.meta) == 0 && c.Min+c.Max+c.Kernel == "" && s.conf == nil {
		return nil
	}
	holdConditions(c, s.conditions, tried)
	c.Stated = holdMeta(s.meta, tried)
	measure(c, tried)
	propose(c, s, tried)
	if reflect.DeepEqual(*c, results.Claims{First: c.First, Last: c.Last}) {
		return nil // a dkms.conf that claims nothing, and nothing to propose for it
	}
	return c
}

// holdConditions tells the conditions that came out both ways from the others.
func holdConditions(c *results.Claims, all []results.Condition, tried []results.Record) {
	for _, cond := range all {
		yes, no := false, false
		for _, rec := range tried {
			if n, ok := code(rec.Target.Version); ok {
				h := holds(cond, n)
				yes, no = yes || h, no || !h
			}
		}
		if yes && no {
			c.Varied++
		} else if cond.Holds = yes; yes || no {
			c.Constant = append(c.Constant, cond)
		}
	}
}

// builtRecords are those whose kernels the source was compiled for, or was to be, oldest first.
func builtRecords(records []results.Record) []results.Record {
	var tried []results.Record
	for _, rec := range records {
		if rec.Status == results.Pass || rec.Status == results.Fail {
			tried = append(tried, rec)
		}
	}
	slices.SortStableFunc(tried, func(a, b results.Record) int { return results.CompareVersions(a.Target.Version, b.Target.Version) })
	return tried
}

// measure fills in between which versions the module passes, and where it does not although its bounds let it be built: a
// kernel outside of them is no FAIL, but a SKIP.
func measure(c *results.Claims, tried []results.Record) {
	var good, bad []string
	for _, rec := range tried {
		if rec.Status == results.Pass {
			good = append(good, rec.Target.Version)
			continue
		}
		bad = append(bad, rec.Target.Version)
		if label := rec.Target.Label(); c.Min+c.Max+c.Kernel != "" && !slices.Contains(c.Broken, label) {
			c.Broken = append(c.Broken, label)
		}
	}
	if len(good) == 0 {
		return
	}
	first, last := good[0], good[len(good)-1]
	between := func(v string) bool {
		return results.CompareVersions(first, v) <= 0 && results.CompareVersions(v, last) <= 0
	}
	if !slices.ContainsFunc(bad, between) {
		c.First, c.Last = first, last
	}
}

// HoldClaims puts into res what the module's source says of kernel versions, and tells what deserves to be read.
func (h *Harness) HoldClaims(p *Plan, res *results.Results) {
	s, err := readClaims(p.in.module.Source)
	if err != nil {
		h.event(results.Event{Kind: results.EventNotice, Text: "what the source says of kernel versions is not known: " + err.Error()})
		return
	}
	res.Module.Claims = claims(s, res.Records)
	for _, text := range claimNotices(res.Module.Claims) {
		h.event(results.Event{Kind: results.EventNotice, Text: text})
	}
}
