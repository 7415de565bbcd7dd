// Package harness is the only place that knows the whole story: it plans which cells there are, and runs each of them
// through fetch, build, boot, load, test and unload, and has the outcome judged.
//
// # A tour of the house, from the ground up
//
// On the ground floor are the words that everybody shares. Package results names what happened to a cell and adds records
// up to a matrix; results/report writes it for whoever reads it, and is the only one that draws. results/wire is what host
// and guest say to each other.
//
// On the first floor, each room does one thing. Package kernels turns a selector into a target and a target into a tree,
// with one package for each kind of source (kernels/debian, kernels/source, kernels/dir, kernels/host), and keeps what it
// made in kernels/store, which knows nothing of kernels. kernels/kbuild builds a module against a tree, in a sandbox, and
// proves the result; kernels/dkms has a package built as dkms would, and kernels/packaging makes and installs packages;
// kernels/mainline gives a module its shape in the kernel's own tree;
// kernels/checks has a maintainer's tools read the source;
// kernels/prebuilt takes a module that somebody else built, and predicts what a kernel will do with it; kernels/api compares what
// two trees declare. Package
// initramfs puts the guest's image together; initramfs/guest is what runs in it as PID 1. Package vm is one QEMU, from its
// command line to the reason it ended, vm/hostdevice finds a tester's device and gives it back, vm/here is this machine itself,
// where no guest is wanted, with initramfs/guest as its helper, and vm/console reads a kernel log for faults. Package suites is
// what the authors of suites import, with the built-in suites beside it.
//
// On the second floor, these meet. harness/config makes a Spec of modmatrix.toml, modmatrix.lock and flags. Plan resolves it
// into targets and cells, and Run carries the plan out, target by target; cell.go is a cell's life from top to bottom.
// harness/judge makes a record of the evidence of a cell, and imports nothing that could have an effect; harness/claims
// holds what the source says of kernel versions against the records. The clients of runs are harness/bisect, for which each
// test is a Run, harness/watch, which begins one for each save, harness/rehearse, which takes a module into the kernel's tree, and harness/explain, which reads what runs left: they know this package, and it does not know them.
//
// The data flows one way, and nothing comes back up:
//
//	flags, files → Spec → Plan → Tree → Artifact → image → Guest and console → judge.Evidence → Record → results.Results
//
// On the third floor, cmd/modmatrix has a file for each verb: flags in, one call, one view, an exit code.
//
// A test holds the floors, package by package: see house in imports_test.go.
package harness
