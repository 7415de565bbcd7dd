package results

import (
	"slices"
	"time"
)

// Explanation says why a cell has its status. What it quotes comes from strangers: show it through Plain.
type Explanation struct {
	Label  string      `json:"target"`
	Rule   string      `json:"rule"` // the row of the table of judgement, in words
	Look   []string    `json:"look"` // where there is more to see, the nearest first: files, with :LINE where it is known
	Record Record      `json:"record"`
	Build  *BuildFault `json:"build,omitempty"` // nil where the build did not fail

	// InTree is the same of the kernel's own copy, which was run beside; nil where it was not.
	InTree *Explanation `json:"in_tree,omitempty"`
}

// BuildFault is what is known of a build that failed.
type BuildFault struct {
	Shown   []string `json:"shown"`             // the first error as the compiler showed it, with the source's line
	Good    string   `json:"good,omitempty"`    // the kernel that this one is compared with, on which it was built
	Changes []Change `json:"changes,omitempty"` // what differs in the headers
	Guard   []string `json:"guard,omitempty"`   // lines of C and make that would distinguish the two
	Unknown string   `json:"unknown,omitempty"` // why the headers were not compared
}

// Change is what the headers of two kernels say of one name.
type Change struct {
	Ident Ident      `json:"ident"`
	What  Difference `json:"what"`
	Old   *Decl      `json:"old,omitempty"` // nil where the tree has none
	New   *Decl      `json:"new,omitempty"`
	Holds *Decl      `json:"holds,omitempty"` // of a member that is gone: its struct, as the new tree has it

	// Telltale is a header that both trees have and that mentions Word in one of them alone: grep -w finds out which. Word is the
	// name itself, or where that is in both, as in a comment that still speaks of what is gone, a word of its declaration, or
	// the name with some that stand behind it, dots in between. Both are empty where there is none.
	Telltale string `json:"telltale,omitempty"`
	Word     string `json:"word,omitempty"`
	WordNew  bool   `json:"word_new,omitempty"` // it is the new tree that mentions it
}

// Difference says how two trees differ in a name.
type Difference string

// The differences.
const (
	DeclAdded   Difference = "added"   // only the new tree has it
	DeclRemoved Difference = "removed" // only the old tree has it
	DeclChanged Difference = "changed" // both have it, and not the same
	DeclMoved   Difference = "moved"   // the same, in another header
	DeclSame    Difference = "same"
	DeclUnseen  Difference = "unseen" // neither tree declares it in a way that kernels/api sees
)

// Ident is a name that a compiler or a linker complained of. It is plain data, and may be compared.
type Ident struct {
	Name string    `json:"name"`         // of a function, macro, type or variable; a header's path; a member's name
	Of   string    `json:"of,omitempty"` // "struct X" or "union X": then Name is its member
	Kind IdentKind `json:"kind,omitempty"`
	Hint string    `json:"hint,omitempty"` // another name that the compiler thinks was meant

	// Of a pointer: the type of function that the kernel wants it to point to, and that of the module's.
	Wants string `json:"wants,omitempty"`
	Given string `json:"given,omitempty"`
}

// IdentKind says where a name is looked for; kernels/api has the kinds. The zero value is any name that a header declares.
type IdentKind string

// String is the identifier as a person writes it.
func (i Ident) String() string {
	if i.Of != "" {
		return i.Of + "." + i.Name
	}
	return i.Name
}

// Decl is where and how a tree declares a name.
type Decl struct {
	Form string `json:"form"` // function, inline, macro, variable, constant, typedef, struct, union, enum, member, header, export
	Text string `json:"text"` // the declaration in one line, white space folded
	File string `json:"file"` // as it is included, or the file's own name; relative to the tree
	Line int    `json:"line"` // zero for a header itself
}

// BisectionSchema names the format of a Bisection written as JSON.
const BisectionSchema = "modmatrix.bisection/v1"

// Bisection says on which release a module first fails (bisect).
type Bisection struct {
	Schema  string   `json:"schema"`
	Module  Module   `json:"module"`
	Good    Step     `json:"last_good"`
	Bad     Step     `json:"first_bad"`
	Between []Step   `json:"between"` // releases that could not be tested; none: the answer is exact
	Steps   []Step   `json:"steps"`   // what was tested, in that order
	Folder  string   `json:"folder"`  // with a results.json that holds the first bad kernel
	Changes []Change `json:"changes"` // what differs between the two in the names at which the build failed
}

// Step is one kernel of a bisection and the outcome of its test.
type Step struct {
	Selector string        `json:"-"`                 // names the kernel on a command line
	Release  string        `json:"release"`           // as a matrix names it
	Version  string        `json:"version"`           // X.Y.Z
	Missing  string        `json:"missing,omitempty"` // why it cannot be tested; empty: it can
	Outcome  Outcome       `json:"outcome"`
	Stage    Stage         `json:"stage,omitempty"`
	Code     Code          `json:"code,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Results  string        `json:"results,omitempty"` // folder with results.json; empty where nothing was run
	Elapsed  time.Duration `json:"elapsed_ns"`
	ToGo     int           `json:"to_go"`           // tests that are left at most
	Broke    bool          `json:"broke,omitempty"` // untestable because of our infrastructure: another time it may work
}

// Outcome is what the test of one kernel showed.
type Outcome string

// The outcomes. The zero value: it was not tested.
const (
	Good       Outcome = "good"       // the module works
	Bad        Outcome = "bad"        // the module is at fault
	Untestable Outcome = "untestable" // neither is known, because of our infrastructure or of the kernel
)

// Broke says that another time the answer may be more exact: the infrastructure failed on a release in between.
func (b *Bisection) Broke() bool {
	return slices.ContainsFunc(b.Between, func(s Step) bool { return s.Broke })
}
