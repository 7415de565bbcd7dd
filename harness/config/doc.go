// Package config reads modmatrix.toml and modmatrix.lock and merges them with the flags of a command line to a
// harness.Spec. All that a user can mistype is found here, with the place where it stands and a proposal.
//
// The package must never know how a run goes: it resolves no selector, looks into no module and starts nothing. It must not
// know cobra either: which flags there are is the business of cmd.
package config
