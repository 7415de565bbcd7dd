// Package lifecycle is the suite that is run for every module without any configuration: the module is loaded and shows its
// parameters, unloads, leaves nothing behind, loads again, and refuses invalid parameters without harm.
//
// It knows only what the plan says of a module and must never depend on what the module does. The specs are in its test
// files; a package of several modules is loaded in its order and unloaded in reverse.
package lifecycle
