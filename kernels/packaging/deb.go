package packaging

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"

	"github.com/modmatrix/modmatrix/kernels/dkms"
)

//go:embed debian kmod.spec kmod.sh
var templates embed.FS

// debianFiles are those of the folder debian, each with its template.
var debianFiles = []string{"changelog", "control", "copyright", "rules", "source/format"}

// debianBuild has debhelper make the package of the folder that the source was put into.
const debianBuild = `cd package && chmod +x debian/rules && exec dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes --no-check-builddeps`

// writeDeb has debhelper make a -dkms package.
func writeDeb(ctx context.Context, c *content) (string, error) {
	work := filepath.Join(c.r.Work, "debian")
	at := filepath.Join(work, "package")
	if err := errors.Join(os.MkdirAll(filepath.Join(at, "debian/source"), 0o755), os.Rename(c.dir, filepath.Join(at, "module"))); err != nil {
		return "", err
	}
	for _, name := range debianFiles {
		if err := c.fill("debian/"+name, filepath.Join(at, "debian", name)); err != nil {
			return "", err
		}
	}
	conf := filepath.Join(at, "debian", c.DebName()+".dkms") // dh_dkms reads it there
	if err := os.Rename(filepath.Join(at, "module", dkms.ConfName), conf); err != nil {
		return "", err
	}
	if err := c.tool(ctx, work, "sh", "-c", debianBuild); err != nil {
		return "", err
	}
	return made(work, "*.deb")
}

// fill writes what a template says of c to a file.
func (c *content) fill(name, to string) error {
	text, err := templates.ReadFile(name)
	if err != nil {
		return err
	}
	t, err := template.New(name).Parse(string(text))
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, c); err != nil {
		return fmt.Errorf("fill in %s: %w", name, err)
	}
	return os.WriteFile(to, []byte(b.String()), 0o644)
}

// DebName is the name of the package of Debian: deb-control(5) has small letters, digits and + - . alone.
func (c *content) DebName() string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || r == '~' {
			return '-'
		}
		return r
	}, strings.ToLower(c.Name))
	return strings.TrimSuffix(name, "-dkms") + "-dkms"
}

var letterFirst = regexp.MustCompile(`^[vV]?([0-9].*)$`)

// DebVersion is the version in Debian's form, which begins with a digit and has no underscore (deb-version(7)).
func (c *content) DebVersion() string {
	version := strings.ReplaceAll(c.Version, "_", "+")
	if m := letterFirst.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return "0+" + version
}

// Maintainer is who is named as such.
func (c *content) Maintainer() string { return c.r.Maintainer }

// Tool is who made the package.
func (c *content) Tool() string { return c.r.Tool }

// Date is the time of everything in the package, as a mail has it.
func (c *content) Date() string { return c.r.Time.UTC().Format(time.RFC1123Z) }

// Day is the same, as a spec has it.
func (c *content) Day() string { return c.r.Time.UTC().Format("Mon Jan 02 2006") }

// Synopsis is the description in one line of Debian's: without an article, a full stop or a name at its end.
func (c *content) Synopsis() string {
	text := strings.TrimRight(c.Description, ".")
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	if runes := []rune(text); len(runes) > maxSynopsis {
		text = string(runes[:maxSynopsis])
		text = strings.TrimRight(text[:max(strings.LastIndexByte(text, ' '), 0)], " ,;:-")
	}
	if text == "" {
		text = "kernel module " + c.Name
	}
	return text + " (DKMS source)"
}

const maxSynopsis = 60 // characters; Debian's policy has less than 80 with what comes after

// Long is the description in lines of Debian's extended one.
func (c *content) Long() string {
	text := fmt.Sprintf("Source of the kernel module %s, which DKMS builds for the kernels that are installed: %s.", c.Name, c.Summary())
	line := ""
	var lines []string
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+len(word) > maxLine {
			lines, line = append(lines, line), ""
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}

const maxLine = 72 // bytes of a line of a description

// Measured says for which kernels the package is.
func (c *content) Measured() string {
	if c.Kernels.Min == "" {
		return "It was measured on no kernel, and declares none."
	}
	return "It declares what was measured: " + c.Kernels.String() + "."
}

// GPL is the version of the GPL whose text Debian has, where the source is under it; 0 where it is not.
func (c *content) GPL() int {
	switch {
	case !strings.Contains(c.Licence, "GPL"):
		return 0
	case strings.Contains(c.Licence, "GPL-3"):
		return 3
	}
	return 2
}
