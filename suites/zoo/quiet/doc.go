// Package quiet is the suite that the zoo's modules are run with: it lets a module alone for as long as the module asks
// for in its parameter watch_ms, and no longer. So each fault strikes at the stage that its module means it to.
//
// It must never do anything to a module, not even unload it: that is what package lifecycle is for.
package quiet
