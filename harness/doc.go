// Package harness is the only place that knows the whole story: it plans which cells there are, runs each of them
// through fetch, build, boot, load, test and unload, and judges the outcome.
//
// # A tour of the house, from the ground up
//
// On the ground floor lie words that everybody shares. Package results names what happened to a cell and adds records
// up to a matrix; results/wire names what host and guest say to each other.
//
// On the first floor, each folder does one thing and knows nothing of its neighbours. Package kernels turns a selector
// into a target and a target into a tree, with one package for each kind of source below it (kernels/debian), and
// kernels/kbuild builds an external module against a tree, in a sandbox, and proves the result. Package initramfs puts
// the guest's image together; initramfs/guest is what runs in it as PID 1. Package vm is one QEMU, from its command
// line to the reason it ended, and vm/console reads a kernel log for faults. Package suites is what the authors of
// suites import, with the built-in suites beside it.
//
// On the second floor, here, these meet. A Spec says what is wanted; Plan resolves it into targets and cells, and is
// pure but for asking the sources what there is; Run carries the plan out, target by target, and calls judge.Judge, which is
// pure, with the judge.Evidence of each cell. The data flows one way: Spec → Plan → Tree → Artifact → image → Guest and
// console → judge.Evidence → Record → results.Results.
//
// Beside it, harness/config merges modmatrix.toml, modmatrix.lock and flags to a Spec.
//
// On the third floor, cmd/modmatrix turns flags into a Spec, and Events and Results into what a person reads.
package harness
