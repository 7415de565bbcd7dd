package harness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
)

// The modules of one package in its guests: those that are loaded, those that are there for modprobe, and what both want of the kernel.

// all are the modules under test, loaded by themselves or on request.
func (b *built) all() []kbuild.Module { return slices.Concat(b.Modules, b.spare) }

// choose leaves in b.Modules those that are to be loaded: the ones called names, of all that were built, with what they depend on. The
// rest is spare. Without names all that are installed are loaded.
func (b *built) choose(names []string) error {
	if len(names) == 0 {
		return nil
	}
	every := slices.Concat(b.Modules, b.Unlisted)
	wanted := map[string]bool{}
	var want func(name string) bool
	want = func(name string) bool {
		i := slices.IndexFunc(every, func(m kbuild.Module) bool { return m.Name == wire.ModuleName(name) })
		if i < 0 || wanted[every[i].Name] {
			return i >= 0
		}
		wanted[every[i].Name] = true
		for _, need := range every[i].Depends {
			want(need)
		}
		return true
	}
	for _, name := range names {
		if !want(name) {
			return fmt.Errorf("no module %s was built, which is to be loaded (module.load, --load): there are %s", name, list(moduleNamesOf(every)))
		}
	}
	chosen := func(m kbuild.Module) bool { return wanted[m.Name] }
	b.spare = slices.DeleteFunc(slices.Clone(b.Modules), chosen)
	b.Modules = kbuild.LoadOrder(slices.DeleteFunc(every, func(m kbuild.Module) bool { return !chosen(m) }))
	return nil
}

// unlistedNeeds are, by module, the modules that it depends on and that were built, but that the package does not name, nor tree has.
func (b *built) unlistedNeeds(tree *kernels.Tree) (map[string][]string, error) {
	needs := map[string][]string{}
	for _, m := range b.Modules {
		for _, d := range m.Depends {
			name := wire.ModuleName(d)
			if slices.Contains(moduleNamesOf(b.all()), name) || !slices.Contains(moduleNamesOf(b.Unlisted), name) {
				continue
			}
			if _, ok, err := tree.Module(name); err != nil {
				return nil, err
			} else if !ok {
				needs[m.Name] = append(needs[m.Name], name)
			}
		}
	}
	return needs, nil
}

// unlistedNotes say what dkms would not install.
func (b *built) unlistedNotes(tree *kernels.Tree) error {
	needs, err := b.unlistedNeeds(tree)
	for _, m := range b.Modules {
		if missing := needs[m.Name]; len(missing) > 0 {
			b.Notes = append(b.Notes, fmt.Sprintf("%s depends on %s, %s", m.Name, strings.Join(missing, ", "), notInstalled))
		}
	}
	return err
}

const notInstalled = "built but not listed in dkms.conf, so dkms does not install it"

// soft are the kernel's own modules that those under test ask for softly, as far as tree has them.
func (c *cell) soft() (names []string) {
	for _, m := range slices.Concat(c.built.depends, c.built.all()) {
		for _, wish := range m.Soft() {
			if slices.ContainsFunc(c.built.all(), func(own kbuild.Module) bool { return own.Answers(wish) }) {
				continue
			}
			found, _ := c.tree.Alias(wish) // a wish that cannot be met is none
			for _, name := range found {
				if !c.brings(name) && !slices.Contains(names, name) && c.fits(append(slices.Clone(names), name)) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// planned is m as the guest is to load it. before are the modules that come before it, the only ones that it can wait for.
func (s *session) planned(m kbuild.Module, before []kbuild.Module) wire.Module {
	w := wire.Module{Name: m.Name, Path: wire.ModuleDir + "/" + m.Name + ".ko", Params: paramsFor(m, s.cell.spec().Params),
		Declared: listOf(m.Params, declared), Aliases: requestable(m.Aliases)}
	for _, need := range m.Depends {
		if name := wire.ModuleName(need); slices.Contains(moduleNamesOf(before), name) {
			w.Needs = append(w.Needs, name)
		}
	}
	return w
}

// maxAliases bounds the aliases of one module in a plan.
const maxAliases = 200

// requestable leaves out the aliases by which udev finds a module for a device: no kernel asks for those itself.
func requestable(aliases []string) (some []string) {
	for _, alias := range aliases {
		if kind, ok := aliasKind(alias); ok && slices.Contains(busKinds, kind) || len(some) == maxAliases {
			continue
		}
		some = append(some, alias)
	}
	return some
}

// busKinds are what aliases of devices begin with (Linux scripts/mod/file2alias.c), as far as they come by the hundred.
var busKinds = []string{"pci", "usb", "hid", "of", "acpi", "dmi", "pnp", "i2c", "spi", "sdio", "virtio", "input", "pcmcia", "cpu", "mdio", "platform", "wmi", "vmbus"}
