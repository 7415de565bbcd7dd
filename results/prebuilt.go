package results

import (
	"cmp"
	"fmt"
	"slices"
)

// Binary is a module that somebody else built, and that was given to be loaded in place of a build (run --prebuilt).
type Binary struct {
	Module     string `json:"module"`
	File       string `json:"file"`       // the file's name, or PACKAGE:PATH of what lies in a package
	Release    string `json:"release"`    // of the kernel that it was built for, by its vermagic
	SrcVersion string `json:"srcversion"` // checksum of its sources; empty where it keeps none
	SHA256     string `json:"sha256"`     // of the module, unpacked
}

// Answer says whether a kernel takes a binary: whether it lets it come as far as its init function.
type Answer string

// The answers. The zero value: nobody has asked.
const (
	Taken   Answer = "taken"
	Refused Answer = "refused"
	Unknown Answer = "unknown" // it cannot be told from what is in the files
)

// BreakKind says by what a kernel refuses a binary.
type BreakKind string

// The kinds of breaks, in the order in which a kernel looks for them.
const (
	BreakSignature  BreakKind = "signature"    // the kernel takes signed modules alone
	BreakMachine    BreakKind = "architecture" // it is for another processor
	BreakVersion    BreakKind = "crc"          // a symbol has another version
	BreakNoVersions BreakKind = "no-versions"  // the kernel asks for versions, and it has none
	BreakVermagic   BreakKind = "vermagic"
	BreakLivepatch  BreakKind = "livepatch" // the kernel has no live patching
	BreakMissing    BreakKind = "missing"   // the kernel exports no such symbol, or in a module that is not loaded
	BreakGPL        BreakKind = "gpl-only"  // the symbol is for modules under the GPL
	BreakNamespace  BreakKind = "namespace" // the symbol's namespace is not imported
	BreakDuplicate  BreakKind = "duplicate" // the kernel exports a symbol of that name itself
)

// Break is one thing by which a kernel refuses a binary.
type Break struct {
	Kind   BreakKind `json:"kind"`
	Symbol string    `json:"symbol,omitempty"`
	Had    string    `json:"had,omitempty"`    // by the binary: a CRC, a vermagic, a licence
	Wanted string    `json:"wanted,omitempty"` // by the kernel
}

// String is what b says to a person, as the end of "it is refused: …".
func (b Break) String() string {
	switch b.Kind {
	case BreakSignature:
		return "it is not signed, and the kernel takes no module that is not (CONFIG_MODULE_SIG_FORCE)"
	case BreakMachine:
		return fmt.Sprintf("it is for %s, and the kernel for %s", b.Had, b.Wanted)
	case BreakVersion:
		return fmt.Sprintf("symbol %s has the version %s, and it was built with %s", b.Symbol, b.Wanted, b.Had)
	case BreakNoVersions:
		return "it has no symbol versions, and the kernel takes none without them"
	case BreakVermagic:
		return fmt.Sprintf("its vermagic is %q, and the kernel's %q", b.Had, b.Wanted)
	case BreakLivepatch:
		return "it is a live patch, and the kernel takes none (CONFIG_LIVEPATCH)"
	case BreakMissing:
		return fmt.Sprintf("symbol %s is not there%s", b.Symbol, b.where())
	case BreakGPL:
		return fmt.Sprintf("symbol %s is for modules under the GPL alone, and its licence is %q", b.Symbol, b.Had)
	case BreakNamespace:
		return fmt.Sprintf("symbol %s is in the namespace %s, which it does not import", b.Symbol, b.Wanted)
	case BreakDuplicate:
		return fmt.Sprintf("it exports the symbol %s, and so does the kernel", b.Symbol)
	}
	return cmp.Or(b.Had, string(b.Kind))
}

// where is the module that has a missing symbol.
func (b Break) where() string {
	if b.Wanted == "" {
		return ""
	}
	return fmt.Sprintf(": the kernel's module %s exports it, and it does not depend on that", b.Wanted)
}

// by is b in two words, as the end of "it breaks by …".
func (b Break) by() string {
	if b.Symbol != "" {
		return "symbol " + b.Symbol + " (" + string(b.Kind) + ")"
	}
	return string(b.Kind)
}

// Prediction is what a kernel was expected to do with one binary, by its Module.symvers and its configuration, and what it did.
type Prediction struct {
	Binary
	Predicted Answer  `json:"predicted"`
	Why       string  `json:"why"`                // one line
	Breaks    []Break `json:"breaks,omitempty"`   // all by which it is refused, the first that the kernel meets first; at most 20
	More      int     `json:"more,omitempty"`     // how many there are beyond
	Observed  Answer  `json:"observed,omitempty"` // what the kernel did; empty where it never came to that
	Said      string  `json:"said,omitempty"`     // the kernel's own words, where it refused
}

// Wrong reports whether the kernel did something else: a defect of the prediction, or of what it was made from.
func (p Prediction) Wrong() bool {
	return p.Observed != "" && p.Predicted != Unknown && p.Observed != p.Predicted
}

// Line is p as a person reads it.
func (p Prediction) Line() string {
	text := fmt.Sprintf("%s (%s, built for %s): predicted %s: %s", p.Module, p.File, p.Release, p.Predicted, p.Why)
	switch {
	case p.Wrong():
		text += fmt.Sprintf("; the kernel did otherwise (%s): the prediction is wrong", p.Observed)
	case p.Observed == "":
		text += "; the kernel was not asked"
	default:
		text += fmt.Sprintf("; the kernel: %s", p.Observed)
	}
	return text
}

func (p Prediction) check() error {
	answers := []Answer{Taken, Refused, Unknown}
	if !slices.Contains(answers, p.Predicted) || p.Observed != "" && !slices.Contains(answers[:2], p.Observed) {
		return fmt.Errorf("prediction of %q: unknown answer %q or %q", Plain(p.Module), Plain(string(p.Predicted)), Plain(string(p.Observed)))
	}
	return nil
}

// Holds says on which kernels of a run the binaries hold that it was given. Kernels are by their labels, in the order of the matrix.
type Holds struct {
	On     []string // taken, and nothing failed
	Fails  []string // taken, and something fails
	Breaks []BreaksOn
	Open   []string // nobody knows: the kernel was never asked
	Wrong  []string // where the prediction was wrong
}

// BreaksOn are kernels that refuse a binary for the same reason.
type BreaksOn struct {
	By string // e.g. "symbol kernel_read (crc)"
	On []string
}

// Kernels counts those on which it is known whether the binaries hold.
func (h Holds) Kernels() (n int) {
	n = len(h.On) + len(h.Fails)
	for _, b := range h.Breaks {
		n += len(b.On)
	}
	return n
}

// Holds adds up what kernels did with the binaries; ok is false where the module was built.
func (r *Results) Holds() (h Holds, ok bool) {
	for _, row := range r.Matrix().Rows {
		label := row.Target.Label()
		var all []Prediction
		for _, rec := range row.Cells {
			all = append(all, rec.Predicted...)
		}
		ok = ok || len(all) > 0
		if slices.ContainsFunc(all, Prediction.Wrong) {
			h.Wrong = append(h.Wrong, label)
		}
		refused := slices.IndexFunc(all, func(p Prediction) bool { return p.Observed == Refused })
		taken := slices.ContainsFunc(all, func(p Prediction) bool { return p.Observed == Taken })
		switch {
		case refused >= 0:
			h.breaks(all[refused].by(), label)
		case taken && row.Status() == Fail:
			h.Fails = append(h.Fails, label)
		case taken && (row.Status() == Pass || row.Status() == Skip):
			h.On = append(h.On, label)
		default:
			h.Open = append(h.Open, label)
		}
	}
	return h, ok
}

func (h *Holds) breaks(by, label string) {
	i := slices.IndexFunc(h.Breaks, func(b BreaksOn) bool { return b.By == by })
	if i < 0 {
		i = len(h.Breaks)
		h.Breaks = append(h.Breaks, BreaksOn{By: by})
	}
	h.Breaks[i].On = append(h.Breaks[i].On, label)
}

// by is what p broke by: what was predicted, else what the kernel said.
func (p Prediction) by() string {
	if len(p.Breaks) > 0 && p.Predicted == Refused {
		return p.Breaks[0].by()
	}
	return cmp.Or(p.Said, "the kernel's word, without a reason")
}
