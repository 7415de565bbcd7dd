package dkms

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Conf is what a dkms.conf says for one target.
type Conf struct {
	Name, Version string   // PACKAGE_NAME and PACKAGE_VERSION
	Modules       []Module // by their index
	Make          string   // the command that builds them, as a line of bash, before dkms adds to it
	Patches       []string // below patches/, in the order they are applied
	PreBuild      string   // a script of the package and its arguments, as a line of bash; empty for none
	PostBuild     string
	Depends       []string // BUILD_DEPENDS: other packages that must be built and loaded first
	Notes         []string // what dkms warns of, and what has no meaning here; one line each

	pkg      *Package // whose it is, with name and version known
	target   facts
	excluded string // why dkms would not build for the target; empty where it would
}

// Module is one record of BUILT_MODULE_* and DEST_MODULE_*.
type Module struct {
	Name     string // of the .ko, without the suffix
	Location string // its folder in the source, with a slash at the end; empty for the top
	DestName string // of the .ko when it is installed
	Dest     string // the folder below /lib/modules/RELEASE that it asks for; distributions have their own mind
}

// File is where the .ko is built, relative to the source.
func (m Module) File() string { return m.Location + m.Name + ".ko" }

// Files are the .ko files that a build must leave, each once.
func (c *Conf) Files() []string {
	var files []string
	for _, m := range c.Modules {
		if f := path.Clean(m.File()); !slices.Contains(files, f) {
			files = append(files, f)
		}
	}
	return files
}

// readConf draws dkms's conclusions (read_conf, read_conf_strict), and returns all that it would refuse the file for.
func readConf(v values, f facts, p *Package) (*Conf, []string) {
	c := &Conf{
		Name: v.one("PACKAGE_NAME"), Version: v.one("PACKAGE_VERSION"),
		PreBuild: v.one("PRE_BUILD"), PostBuild: v.one("POST_BUILD"),
		Patches: patches(v), pkg: p,
	}
	var faults []string
	for _, directive := range []string{"PACKAGE_NAME", "PACKAGE_VERSION"} {
		if v.one(directive) == "" {
			faults = append(faults, fmt.Sprintf("no %s directive", directive))
		}
	}
	modules, more := readModules(v)
	c.Modules, faults = modules, append(faults, more...)
	for _, directive := range []string{"AUTOINSTALL", "BUILD_DEPENDS_REBUILD", "NO_WEAK_MODULES"} {
		if value := strings.ToLower(v.one(directive)); value != "" && value != "yes" && value != "no" {
			faults = append(faults, fmt.Sprintf("%s is %q: it must be yes or no", directive, clean(v.one(directive))))
		}
	}
	faults = append(faults, duplicates(modules)...)
	for _, i := range v.indexes("BUILD_DEPENDS") {
		if name := v.set[element{"BUILD_DEPENDS", i}]; name != "" && !slices.Contains(c.Depends, name) {
			c.Depends = append(c.Depends, name)
		}
	}
	c.Make = makeCommand(v, f, p)
	c.target, c.excluded = f, readGates(v).condition(f)
	c.Notes = notes(v)
	return c, faults
}

// readModules reads the records of modules. Their arrays may be sparse: the largest index of any counts.
func readModules(v values) (modules []Module, faults []string) {
	number := 0
	for _, array := range []string{"BUILT_MODULE_NAME", "BUILT_MODULE_LOCATION", "DEST_MODULE_NAME", "DEST_MODULE_LOCATION"} {
		for _, i := range v.indexes(array) {
			number = max(number, i+1)
		}
	}
	for i := range number {
		at := func(array string) string { return v.set[element{array, i}] }
		m := Module{Name: at("BUILT_MODULE_NAME"), Location: at("BUILT_MODULE_LOCATION"), DestName: at("DEST_MODULE_NAME"), Dest: at("DEST_MODULE_LOCATION")}
		if m.Name == "" && number == 1 {
			m.Name = v.one("PACKAGE_NAME")
		}
		if m.DestName == "" {
			m.DestName = m.Name
		}
		if m.Location != "" && !strings.HasSuffix(m.Location, "/") {
			m.Location += "/"
		}
		modules = append(modules, m)
		faults = append(faults, m.faults(i)...)
	}
	return modules, faults
}

func (m Module) faults(i int) (faults []string) {
	if m.Name == "" {
		faults = append(faults, fmt.Sprintf("no BUILT_MODULE_NAME directive for record #%d", i))
	}
	for directive, name := range map[string]string{"BUILT_MODULE_NAME": m.Name, "DEST_MODULE_NAME": m.DestName} {
		if strings.HasSuffix(name, ".o") || strings.HasSuffix(name, ".ko") {
			faults = append(faults, fmt.Sprintf("%s ends in .o or .ko in record #%d", directive, i))
		}
	}
	slices.Sort(faults)
	switch {
	case m.Dest == "":
		faults = append(faults, fmt.Sprintf("no DEST_MODULE_LOCATION directive for record #%d", i))
	case !strings.HasPrefix(m.Dest, "/kernel") && !strings.HasPrefix(m.Dest, "/updates") && !strings.HasPrefix(m.Dest, "/extra"):
		faults = append(faults, fmt.Sprintf("DEST_MODULE_LOCATION does not begin with /kernel, /updates or /extra in record #%d", i))
	}
	return faults
}

func duplicates(modules []Module) (faults []string) {
	built, dest := map[string]bool{}, map[string]bool{}
	for i, m := range modules {
		if built[m.Location+m.Name] {
			faults = append(faults, fmt.Sprintf("duplicate module %s in BUILT_MODULE_NAME[%d]", clean(m.Location+m.Name), i))
		}
		if dest[m.DestName] {
			faults = append(faults, fmt.Sprintf("duplicate module %s in DEST_MODULE_NAME[%d]", clean(m.DestName), i))
		}
		built[m.Location+m.Name], dest[m.DestName] = true, true
	}
	return faults
}

// patches are those that are for the target. dkms counts the elements of PATCH and takes that for the largest index.
func patches(v values) (chosen []string) {
	for i := range v.indexes("PATCH") {
		patch, match := v.set[element{"PATCH", i}], v.set[element{"PATCH_MATCH", i}]
		if patch != "" && (match == "" || v.match[element{"PATCH_MATCH", i}]) {
			chosen = append(chosen, patch)
		}
	}
	return chosen
}

// makeCommand is the last MAKE whose MAKE_MATCH is for the target, else MAKE[0] without one, else Kbuild run on the package.
func makeCommand(v values, f facts, p *Package) string {
	command := ""
	if v.set[element{"MAKE_MATCH", 0}] == "" {
		command = v.one("MAKE")
	}
	for i := range v.indexes("MAKE") {
		if line := v.set[element{"MAKE", i}]; line != "" && v.match[element{"MAKE_MATCH", i}] {
			command = line
		}
	}
	if command == "" {
		command = "make -C " + path.Join(installTree, f.release, "build") + " M=" + p.build()
	}
	if f.clang {
		command += " LLVM=1"
	}
	return command
}

func notes(v values) (lines []string) {
	for _, name := range []string{"REMAKE_INITRD", "MODULES_CONF", "MODULES_CONF_OBSOLETES", "MODULES_CONF_ALIAS_TYPE", "MODULES_CONF_OBSOLETE_ONLY"} {
		if v.indexes(name) != nil {
			lines = append(lines, name+" is deprecated, and dkms ignores it")
		}
	}
	for _, name := range []string{"PRE_INSTALL", "POST_INSTALL", "POST_ADD", "POST_REMOVE"} {
		if v.one(name) != "" {
			lines = append(lines, name+" is not run: nothing is installed here")
		}
	}
	if strings.HasPrefix(strings.ToLower(v.one("STRIP")), "y") {
		lines = append(lines, "STRIP does nothing: modules keep their debug information here, to name lines by")
	}
	makes := v.indexes("MAKE")
	for _, i := range makes {
		if i >= len(makes) || i > 0 && v.set[element{"MAKE_MATCH", i}] == "" {
			lines = append(lines, fmt.Sprintf("MAKE[%d] is never taken: dkms wants a MAKE_MATCH with it, and no gap before", i))
		}
	}
	for _, name := range v.seen {
		for _, stem := range []string{"BUILT_MODULE", "DEST_MODULE", "BUILD_EXCLUSIVE", "BUILD_DEPEND", "PATCH_", "MAKE_MATCH", "PACKAGE_", "OBSOLETE"} {
			if strings.HasPrefix(name, stem) {
				lines = append(lines, clean(name)+" is no directive: dkms ignores it")
				break
			}
		}
	}
	return lines
}
