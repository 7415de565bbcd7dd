package host

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results/arch"
)

type part int

const (
	image part = iota
	headers
)

type distribution struct {
	id, like, name, version string
	root                    string
}

func (s *Source) distribution() distribution {
	text, err := os.ReadFile(filepath.Join(s.cfg.Root, "etc/os-release"))
	if err != nil {
		text, _ = os.ReadFile(filepath.Join(s.cfg.Root, "usr/lib/os-release"))
	}
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		set[key] = strings.Trim(value, `"'`)
	}
	return distribution{set["ID"], set["ID_LIKE"], set["PRETTY_NAME"], set["VERSION_ID"], s.cfg.Root}
}

// Distribution is what this machine's distribution calls itself; empty where it does not say.
func Distribution() string { return named("/") }

func named(root string) string {
	d := (&Source{cfg: Config{Root: root}}).distribution()
	return cmp.Or(d.name, strings.TrimSpace(d.id+" "+d.version))
}

// recipes say for distributions, and what is derived from them, how each part of a kernel is installed.
var recipes = []struct {
	ids  string
	make func(d distribution, release string) [2]string
}{
	{"debian ubuntu", debianPackages},
	{"fedora rhel centos amzn", fedoraPackages},
	{"opensuse suse sles", susePackages},
	{"arch", archPackages},
	{"alpine", alpinePackages},
}

// install is the command that brings a part of the kernel that is called release; "" means any kernel.
func (d distribution) install(p part, release string) string {
	for _, id := range append([]string{d.id}, strings.Fields(d.like)...) {
		id, _, _ = strings.Cut(id, "-") // opensuse-leap
		for _, r := range recipes {
			if slices.Contains(strings.Fields(r.ids), id) {
				return r.make(d, release)[p]
			}
		}
	}
	what := [...]string{image: "the kernel", headers: "the headers of the kernel"}[p]
	return fmt.Sprintf("install %s %s with the package manager of %s", what, cmp.Or(release, "of your choice"), cmp.Or(d.name, "this system"))
}

func debianPackages(d distribution, release string) [2]string {
	if release == "" {
		release = arch.Host().Flavour
		if d.id == "ubuntu" || strings.Contains(d.like, "ubuntu") {
			release = "generic"
		}
	}
	return [...]string{image: "sudo apt install linux-image-" + release, headers: "sudo apt install linux-headers-" + release}
}

// fedoraPackages: the package of a flavour is named after it, and the release then ends with +FLAVOUR.
func fedoraPackages(_ distribution, release string) [2]string {
	base, flavour, _ := strings.Cut(release, "+")
	command := "sudo dnf install kernel"
	if flavour != "" {
		command += "-" + flavour
	}
	if base != "" {
		base = "-" + base
	}
	return [...]string{image: command + "-core" + base, headers: command + "-devel" + base}
}

// susePackages: a release is VERSION-FLAVOUR. A package's own version has a number of its build behind that, but it provides the
// one without as well (openSUSE kernel-source, %source_rel), and that is what zypper goes by.
func susePackages(_ distribution, release string) [2]string {
	at := strings.LastIndexByte(release, '-')
	if at <= 0 {
		return [...]string{image: "sudo zypper install kernel-default", headers: "sudo zypper install kernel-default-devel"}
	}
	command, version := "sudo zypper install 'kernel-"+release[at+1:], "="+release[:at]+"'"
	return [...]string{image: command + version, headers: command + "-devel" + version}
}

// archPackages: the kernel's package says its own name beside its modules.
func archPackages(d distribution, release string) [2]string {
	name := "linux"
	if text, err := os.ReadFile(filepath.Join(d.root, "usr/lib/modules", release, "pkgbase")); err == nil {
		name = strings.TrimSpace(string(text))
	} else if kind := release[strings.LastIndexByte(release, '-')+1:]; slices.Contains([]string{"lts", "zen", "hardened"}, kind) {
		name = "linux-" + kind
	}
	return [...]string{image: "sudo pacman -S " + name, headers: "sudo pacman -S " + name + "-headers"}
}

func alpinePackages(_ distribution, release string) [2]string {
	command := "doas apk add linux-" + cmp.Or(release[strings.LastIndexByte(release, '-')+1:], "lts")
	return [...]string{image: command, headers: command + "-dev"}
}

// flavourWord is what distributions write behind a release's numbers: cloud-amd64, generic, default.
var flavourWord = regexp.MustCompile(`^\d[^-]*(?:-\d[^-]*)*(?:-rc\d+)?-((?:[a-z][0-9a-z]*-)*[a-z][0-9a-z]*)$`)

// flavour is "" where the release names none.
func flavour(release string) string {
	if m := flavourWord.FindStringSubmatch(release); m != nil {
		return m[1]
	}
	return ""
}
