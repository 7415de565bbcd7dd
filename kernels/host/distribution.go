package host

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// part is one of the two packages that an installed kernel is made of.
type part int

const (
	image part = iota
	headers
)

// distribution is what os-release(5) says of the host.
type distribution struct {
	id, like, name string
	root           string
}

func (s *Source) distribution() distribution {
	d := distribution{root: s.cfg.Root}
	for _, path := range []string{"etc/os-release", "usr/lib/os-release"} {
		f, err := os.Open(filepath.Join(s.cfg.Root, path))
		if err != nil {
			continue
		}
		defer f.Close()
		scan := bufio.NewScanner(f)
		for scan.Scan() {
			key, value, _ := strings.Cut(scan.Text(), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "ID":
				d.id = value
			case "ID_LIKE":
				d.like = value
			case "PRETTY_NAME":
				d.name = value
			}
		}
		return d
	}
	return d
}

// recipes say for each distribution, and what is derived from it, how a part of a kernel is installed.
var recipes = map[string]func(d distribution, p part, release string) string{
	"debian":   debianPackage,
	"ubuntu":   debianPackage,
	"fedora":   fedoraPackage,
	"rhel":     fedoraPackage,
	"centos":   fedoraPackage,
	"amzn":     fedoraPackage,
	"opensuse": susePackage,
	"suse":     susePackage,
	"sles":     susePackage,
	"arch":     archPackage,
	"alpine":   alpinePackage,
}

// install is the command that brings a part of the kernel that is called release; "" means any kernel.
func (d distribution) install(p part, release string) string {
	for _, id := range append([]string{d.id}, strings.Fields(d.like)...) {
		if recipe, ok := recipes[id]; ok {
			return recipe(d, p, release)
		}
		if strings.HasPrefix(id, "opensuse-") {
			return susePackage(d, p, release)
		}
	}
	what := map[part]string{image: "the kernel", headers: "the headers of the kernel"}[p]
	return fmt.Sprintf("install %s %s with the package manager of %s", what, cmp.Or(release, "of your choice"), cmp.Or(d.name, "this system"))
}

func debianPackage(d distribution, p part, release string) string {
	if release == "" {
		release = "amd64"
		if d.id == "ubuntu" || strings.Contains(d.like, "ubuntu") {
			release = "generic"
		}
	}
	if p == image {
		return "sudo apt install linux-image-" + release
	}
	return "sudo apt install linux-headers-" + release
}

// fedoraPackage: the package of a flavour is named after it, and the release then ends with +FLAVOUR.
func fedoraPackage(_ distribution, p part, release string) string {
	base, flavour, _ := strings.Cut(release, "+")
	name := "kernel"
	if flavour != "" {
		name += "-" + flavour
	}
	if p == image {
		name += "-core"
	} else {
		name += "-devel"
	}
	if base != "" {
		name += "-" + base
	}
	return "sudo dnf install " + name
}

// susePackage: a release is VERSION-FLAVOUR. A package's own version has a number of its build behind that, but it provides the
// one without as well (openSUSE kernel-source, %source_rel), and that is what zypper goes by.
func susePackage(_ distribution, p part, release string) string {
	version, kind := "", "default"
	if at := strings.LastIndexByte(release, '-'); at > 0 {
		version, kind = release[:at], release[at+1:]
	}
	name := "kernel-" + kind
	if p == headers {
		name += "-devel"
	}
	if version != "" {
		name = "'" + name + "=" + version + "'"
	}
	return "sudo zypper install " + name
}

// archPackage: the kernel's package says its own name beside its modules.
func archPackage(d distribution, p part, release string) string {
	name := "linux"
	if text, err := os.ReadFile(filepath.Join(d.root, "usr/lib/modules", release, "pkgbase")); err == nil {
		name = strings.TrimSpace(string(text))
	} else {
		for _, kind := range []string{"lts", "zen", "hardened"} {
			if strings.HasSuffix(release, "-"+kind) {
				name = "linux-" + kind
			}
		}
	}
	if p == headers {
		name += "-headers"
	}
	return "sudo pacman -S " + name
}

func alpinePackage(_ distribution, p part, release string) string {
	name := "linux-" + cmp.Or(release[strings.LastIndexByte(release, '-')+1:], "lts")
	if p == headers {
		name += "-dev"
	}
	return "doas apk add " + name
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
