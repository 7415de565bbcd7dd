package packaging

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Range is which kernels a package declares: those of the series from Min to Max, but for Except. A series is what a kernel's version begins
// with, X.Y: of a release of a distribution, no more can dkms distinguish. The zero value: nothing was measured.
type Range struct {
	Min    string   `json:"min,omitempty"`    // the lowest series that passes, e.g. 5.10
	Max    string   `json:"max,omitempty"`    // the highest
	Except []string `json:"except,omitempty"` // series between them in which a kernel fails
	Notes  []string `json:"-"`                // what a person should know of it, one line each
}

// series is X.Y of a kernel's version.
type series struct{ major, minor int }

func (s series) String() string { return fmt.Sprintf("%d.%d", s.major, s.minor) }

func compare(a, b series) int {
	return slices.Compare([]int{a.major, a.minor}, []int{b.major, b.minor})
}

// maxMinor is the largest number of a series that a pattern knows; Linux counts to 20 or so.
const maxMinor = 99

// seriesOf is the series of a kernel's version.
func seriesOf(version string) (series, bool) {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	minor, _, _ = strings.Cut(minor, "-")
	x, errX := strconv.Atoi(major)
	y, errY := strconv.Atoi(minor)
	return series{x, y}, errX == nil && errY == nil && x > 0 && x <= maxMinor && y >= 0 && y <= maxMinor
}

// Measured is the range of the kernels on which the module passes, in every suite that was run. A series in which one kernel fails is not
// declared, whatever others of it do: no package may say that it is for a kernel on which it was seen to fail. Kernels between the
// ends that nobody measured are declared. It is an error where no kernel passes.
func Measured(r *results.Results) (Range, error) {
	pass, fail, open := map[series][]string{}, map[series][]string{}, map[series][]string{}
	for _, w := range r.Matrix().Rows {
		s, ok := seriesOf(w.Target.Version)
		label := results.Plain(w.Target.Label())
		switch status := w.Status(); {
		case !ok:
		case status == results.Pass:
			pass[s] = append(pass[s], label)
		case status == results.Fail:
			fail[s] = append(fail[s], label)
		case status != results.Skip:
			open[s] = append(open[s], label)
		}
	}
	var declared []series
	for s := range pass {
		if fail[s] == nil {
			declared = append(declared, s)
		}
	}
	if len(declared) == 0 {
		return Range{}, fmt.Errorf("no series of kernels passes in these results, so there is none to declare")
	}
	lowest, highest := slices.MinFunc(declared, compare), slices.MaxFunc(declared, compare)
	m := Range{Min: lowest.String(), Max: highest.String()}
	if !slices.ContainsFunc(r.Records, func(rec results.Record) bool { return len(rec.Specs) > 0 }) {
		m.Notes = append(m.Notes, "the results are of builds alone: on none of the kernels that are declared was the module loaded")
	}
	within := func(s series) bool { return compare(lowest, s) < 0 && compare(s, highest) < 0 }
	for _, s := range sorted(fail) {
		also := ""
		if pass[s] != nil {
			also = ", though it passes on " + strings.Join(pass[s], ", ")
		}
		if within(s) {
			m.Except = append(m.Except, s.String())
		}
		if within(s) || also != "" {
			m.Notes = append(m.Notes, fmt.Sprintf("%s is not declared: it fails on %s%s", s, strings.Join(fail[s], ", "), also))
		}
	}
	for _, s := range sorted(open) {
		if within(s) && pass[s] == nil && fail[s] == nil {
			m.Notes = append(m.Notes, fmt.Sprintf("%s is declared, and was not measured: there is no verdict on %s", s, strings.Join(open[s], ", ")))
		}
	}
	return m, nil
}

func sorted(of map[series][]string) (all []series) {
	for s := range of {
		all = append(all, s)
	}
	slices.SortFunc(all, compare)
	return all
}

// String is the range in words.
func (m Range) String() string {
	text := "kernels " + m.Min + " to " + m.Max
	if m.Min == m.Max {
		text = "kernels " + m.Min
	}
	if len(m.Except) > 0 {
		text += ", not " + strings.Join(m.Except, ", ")
	}
	return text
}

// Pattern is the extended regular expression that matches the releases of the range, and no others: what every dkms takes.
// It has no character that a shell expands in double quotes.
func (m Range) Pattern() string {
	lowest, _ := seriesOf(m.Min)
	highest, _ := seriesOf(m.Max)
	var majors []string
	for major := lowest.major; major <= highest.major; major++ {
		minors := numbers(func(minor int) bool {
			s := series{major, minor}
			return compare(lowest, s) <= 0 && compare(s, highest) <= 0 && !slices.Contains(m.Except, s.String())
		})
		if minors != "" {
			majors = append(majors, fmt.Sprintf("%d[.]%s", major, minors))
		}
	}
	return "^(" + strings.Join(majors, "|") + ")[.]"
}

// numbers matches the numbers from 0 to maxMinor that are in; empty where none is.
func numbers(in func(int) bool) string {
	var parts []string
	var tens, last string
	flush := func() {
		if last != "" {
			parts = append(parts, class(tens)+last)
		}
		tens, last = "", ""
	}
	for ten := 0; ten <= maxMinor/10; ten++ {
		digits := ""
		for digit := range 10 {
			if in(10*ten + digit) {
				digits += strconv.Itoa(digit)
			}
		}
		units := class(digits)
		switch {
		case ten == 0 && units != "":
			parts = append(parts, units)
		case ten == 0:
		case units != last:
			flush()
			tens, last = strconv.Itoa(ten), units
		default:
			tens += strconv.Itoa(ten)
		}
	}
	flush()
	if len(parts) > 1 {
		return "(" + strings.Join(parts, "|") + ")"
	}
	return strings.Join(parts, "")
}

// class matches one of the digits, which ascend: [1-9] for more than two in a row.
func class(digits string) string {
	if len(digits) < 2 {
		return digits
	}
	text := ""
	for i := 0; i < len(digits); {
		end := i
		for end+1 < len(digits) && digits[end+1] == digits[end]+1 {
			end++
		}
		if end-i > 1 {
			text += digits[i:i+1] + "-" + digits[end:end+1]
		} else {
			text += digits[i : end+1]
		}
		i = end + 1
	}
	return "[" + text + "]"
}

// above is an upper end for dkms, which compares whole releases as text: without it, 7.3.4 would be above 7.3.
const above = ".999"

// conf are the lines of a dkms.conf that declare the range. Where the file has a pattern of its own, ours counts only for kernels that it matches.
//
// dkms knows _MIN and _MAX from 3.0.11 on. dh_dkms makes a package that names them depend on that version, which Debian 11 and 12 do not have, and
// does not know the [0], which means the same to bash: so the package installs there, and the pattern holds.
func (m Range) conf(own bool) string {
	only := ""
	if own {
		only = "[[ $BUILD_EXCLUSIVE_KERNEL && ! $kernelver =~ $BUILD_EXCLUSIVE_KERNEL ]] ||\n\t"
	}
	return fmt.Sprintf("\n# As measured: %s. The pattern says it to dkms before 3.0.11.\nBUILD_EXCLUSIVE_KERNEL_MIN[0]=\"%s\"\nBUILD_EXCLUSIVE_KERNEL_MAX[0]=\"%s\"\n%sBUILD_EXCLUSIVE_KERNEL=\"%s\"\n",
		m, m.Min, m.Max+above, only, m.Pattern())
}
