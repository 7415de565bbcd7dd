package results

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
