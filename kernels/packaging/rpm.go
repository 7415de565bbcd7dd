package packaging

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// rpmBuild makes a source package of what stands in the folder rpm, without a word of the machine that it is made on.
var rpmBuild = []string{"rpmbuild", "-bs", "--nodeps", "--define", "_topdir /build/rpm", "--define", "_buildhost modmatrix",
	"--define", "use_source_date_epoch_as_buildtime 1", "--define", "source_date_epoch_from_changelog 0",
	"--define", "_source_payload w9.gzdio", "--define", "_build_id_links none"}

// writeRPM has rpmbuild make a source package whose spec builds a kmod for one kernel.
func writeRPM(ctx context.Context, c *content) (string, error) {
	work := filepath.Join(c.r.Work, "redhat")
	sources := filepath.Join(work, "rpm/SOURCES")
	if err := os.MkdirAll(sources, 0o755); err != nil {
		return "", err
	}
	top := c.Name + "-" + c.Version
	err := writeArchive(filepath.Join(sources, top+".tar.gz"), c.r.Time, func(a *archive) { a.tree(ctx, c.dir, top) })
	script, readErr := templates.ReadFile("kmod.sh")
	err = errors.Join(err, readErr, os.WriteFile(filepath.Join(sources, "kmod.sh"), script, 0o644),
		c.fill("kmod.spec", filepath.Join(work, c.Name+"-kmod.spec")))
	for _, file := range []string{filepath.Join(sources, top+".tar.gz"), filepath.Join(sources, "kmod.sh"), filepath.Join(work, c.Name+"-kmod.spec")} {
		err = errors.Join(err, os.Chtimes(file, c.r.Time, c.r.Time)) // the package has the times of its files
	}
	if err != nil {
		return "", err
	}
	if err := c.tool(ctx, work, append(rpmBuild, c.Name+"-kmod.spec")...); err != nil {
		return "", err
	}
	return made(filepath.Join(work, "rpm/SRPMS"), "*.src.rpm")
}

// RPMVersion is the version in RPM's form, which has no hyphen.
func (c *content) RPMVersion() string { return strings.ReplaceAll(c.Version, "-", ".") }

// Summary is the description as RPM has it: one line without a full stop.
func (c *content) Summary() string { return strings.TrimRight(c.Description, ".") }

// licences are the kernel's words for one, and SPDX's former names, with what RPM has for them (Linux Documentation/process/license-rules.rst).
var licences = map[string]string{
	"GPL": "GPL-2.0-only", "GPL v2": "GPL-2.0-only", "GPL-2.0": "GPL-2.0-only", "GPL-2.0+": "GPL-2.0-or-later",
	"Dual BSD/GPL": "BSD-3-Clause OR GPL-2.0-only", "Dual MIT/GPL": "MIT OR GPL-2.0-only", "Dual MPL/GPL": "MPL-2.0 OR GPL-2.0-only",
}

// RPMLicence is the licence as RPM has it.
func (c *content) RPMLicence() string { return cmp.Or(licences[c.Licence], c.Licence) }
