// Package lifecycle is the suite that is run for every module without a word of configuration: the module is there and
// shows what it was given, goes when it is told to, leaves nothing behind, comes again, and takes no harm from being
// asked to load with nonsense.
//
// It knows no more of a module than the plan says and must never depend on what the module does. The specs stand in its
// test files; a package of several modules is treated as a whole, loaded in its order and unloaded in the reverse.
package lifecycle
