package results

import "slices"

// CollectionSchema names the format of a Collection written as JSON, and CollectionName its file.
const (
	CollectionSchema = "modmatrix.collection/v1"
	CollectionName   = "collection.json"
)

// Collection is what the runs of a module's author and the evidence of its testers come to, for one source. The two are never
// added up. It holds nobody's name but of those who signed that they may be named for this very source.
type Collection struct {
	Schema    string     `json:"schema"`
	Module    Module     `json:"module"`
	Own       *Results   `json:"own,omitempty"` // of the author's own runs; nil: there are none
	Testers   []Tester   `json:"testers"`       // those whose evidence counts: trusted ones first, then by their key
	Files     []Evidence `json:"files"`         // every file that was read, and what became of it
	Conflicts []Conflict `json:"conflicts"`
	Tally     Tally      `json:"tally"`
}

// Trust says how far it is known who made a file of evidence. The zero value: it could not be read.
type Trust string

// What is known of a maker.
const (
	Unsigned   Trust = "unsigned" // nothing
	UnknownKey Trust = "unknown"  // signed, by a key that nobody vouches for
	TrustedKey Trust = "trusted"  // signed, by a key that the author listed
)

// trusts are in the order in which evidence is believed.
var trusts = []Trust{TrustedKey, UnknownKey, Unsigned, ""}

// Tester is a key, or all keys that the author listed for one person, with what that one found.
type Tester struct {
	Key      string   `json:"key"` // fingerprint, SHA256:…
	Trust    Trust    `json:"trust"`
	TestedBy string   `json:"tested_by,omitempty"` // "Name <mail>", who consented to a Tested-by for this source; empty: nobody is named
	Verdict  Status   `json:"verdict"`             // the worst of Records
	Host     Host     `json:"host"`                // of the first run
	Records  []Record `json:"records"`             // each cell once, in the order of the matrix, without files
}

// Use says what became of a file of evidence.
type Use string

// The uses.
const (
	UseCounted   Use = "counted"
	UseDuplicate Use = "duplicate"    // the same run is there already
	UseSource    Use = "other-source" // it is about another source than the one that is collected for
	UseUnsigned  Use = "unsigned"     // nobody stands for it
	UseOwn       Use = "own"          // one of the author's own runs
	UseRefused   Use = "refused"      // it is no evidence: broken, changed, or somebody else's
)

// Uses are all of them, in the order in which they are shown.
var Uses = []Use{UseCounted, UseDuplicate, UseSource, UseUnsigned, UseOwn, UseRefused}

// Evidence is a file that was read.
type Evidence struct {
	Name   string `json:"name"`
	Digest string `json:"digest,omitempty"` // "sha256:…"; empty: it could not be read
	Trust  Trust  `json:"trust,omitempty"`
	Key    string `json:"key,omitempty"`
	Use    Use    `json:"use"`
	Reason string `json:"reason,omitempty"` // one line, where it does not count
}

// Conflict is a cell of which two files of one tester say that it passes and that it fails. It counts as neither.
type Conflict struct {
	Key    string   `json:"key"` // of the tester
	Target Target   `json:"target"`
	Suite  string   `json:"suite"`
	Files  []string `json:"files"` // their names
}

// Tally are the numbers of a collection.
type Tally struct {
	Trusted int         `json:"trusted"` // testers
	Unknown int         `json:"unknown"`
	Works   int         `json:"works"`   // testers for whom something passes and nothing fails
	Fails   int         `json:"fails"`   // testers for whom something fails
	Neither int         `json:"neither"` // testers of whose cells none passes or fails
	Devices int         `json:"devices"` // of testers, by their IDs
	Files   map[Use]int `json:"files"`
}

func (t Tally) numbers() [6]int {
	return [6]int{t.Trusted, t.Unknown, t.Works, t.Fails, t.Neither, t.Devices}
}

// count adds the testers and files up.
func (c *Collection) count() Tally {
	sum := Tally{Devices: len(c.Devices()), Files: map[Use]int{}}
	for _, u := range Uses {
		sum.Files[u] = 0
	}
	for _, f := range c.Files {
		sum.Files[f.Use]++
	}
	for _, t := range c.Testers {
		if t.Trust == TrustedKey {
			sum.Trusted++
		} else {
			sum.Unknown++
		}
		switch t.Answer() {
		case Pass:
			sum.Works++
		case Fail:
			sum.Fails++
		default:
			sum.Neither++
		}
	}
	return sum
}

// Answer is FAIL where something fails for the tester, PASS where something passes, else empty.
func (t Tester) Answer() (s Status) {
	for _, rec := range t.Records {
		switch {
		case rec.Status == Fail:
			return Fail
		case rec.Status == Pass:
			s = Pass
		}
	}
	return s
}

// Works says whether something passes for the tester, and nothing fails.
func (t Tester) Works() bool { return t.Answer() == Pass }

// ExitCode is that of everything that counts, the author's own and the testers'. What was refused, or contradicts itself, is trouble.
func (c *Collection) ExitCode() int {
	var worst Status
	if c.Own != nil {
		for _, w := range c.Own.Matrix().Rows {
			worst = worst.Worse(w.Status())
		}
	}
	for _, t := range c.Testers {
		worst = worst.Worse(t.Verdict)
	}
	if len(c.Conflicts) > 0 || c.Tally.Files[UseRefused] > 0 {
		worst = worst.Worse(Error)
	}
	return worst.exitCode()
}

// Kernels are those that own runs or testers have records of, the oldest first, each once by its name and architecture.
func (c *Collection) Kernels() (all []Target) {
	seen := map[[2]string]bool{}
	add := func(records []Record) {
		for _, rec := range records {
			if key := [2]string{rec.Target.Label(), rec.Target.Arch}; !seen[key] {
				seen[key] = true
				all = append(all, rec.Target)
			}
		}
	}
	if c.Own != nil {
		add(c.Own.Records)
	}
	for _, t := range c.Testers {
		add(t.Records)
	}
	slices.SortFunc(all, compareTargets)
	return all
}

// On is the worst of records on a kernel; empty where none is of it.
func On(records []Record, kernel Target) (s Status) {
	for _, rec := range records {
		if rec.Target.Label() == kernel.Label() && rec.Target.Arch == kernel.Arch {
			s = s.Worse(rec.Status)
		}
	}
	return s
}

// Devices are those of testers that the module was bound to, not those that a guest emulates, by bus and ID, each once.
func (c *Collection) Devices() []Device {
	var all []Device
	for _, t := range c.Testers {
		for _, rec := range t.Records {
			all = append(all, rec.RealDevices()...)
		}
	}
	return distinct(all)
}

// RealDevices are the devices of a record that somebody owns, by bus and ID alone: those that were handed to the guest, or of a
// machine on which the module was loaded without one.
func (rec Record) RealDevices() []Device {
	var all []Device
	for _, d := range rec.Hardware {
		if d.Own || rec.Target.Source == "here" {
			all = append(all, Device{Bus: d.Bus, ID: d.ID, Own: true})
		}
	}
	return distinct(all)
}

func distinct(devices []Device) []Device {
	slices.SortFunc(devices, CompareDevices)
	return slices.Compact(devices)
}
