// Package quiet is the suite for the modules of the zoo: it does nothing to a module but wait for as long as the module's
// parameter watch_ms says, so that each fault happens at the stage that it is meant for.
//
// It must never do anything to a module, not even unload it: that is what package lifecycle is for.
package quiet
