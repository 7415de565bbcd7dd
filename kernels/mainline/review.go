package mainline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
)

// Review is what the kernel's own scripts say of the patches.
type Review struct {
	Findings    []Finding `json:"findings"`    // of scripts/checkpatch.pl --strict
	Maintainers []string  `json:"maintainers"` // of scripts/get_maintainer.pl: whom to send them to; nothing is sent
}

// Finding is one of checkpatch's.
type Finding struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Kind string `json:"kind"` // ERROR, WARNING or CHECK
	Type string `json:"type"` // as its option --ignore takes it
	Text string `json:"text"`
}

// guestLinux is where the kernel's source is in the sandbox.
const guestLinux = "/usr/src/linux"

// finding is a line of checkpatch's, with --terse --show-types.
var finding = regexp.MustCompile(`^(.+?):(\d+): (ERROR|WARNING|CHECK):([A-Z0-9_]+): (.*)$`)

// Check has the scripts of the tree that the patches are for look at them. They are Perl of a stranger, and run in the sandbox.
func Check(ctx context.Context, s *Shape, root kernels.Root, linux, work string) (r Review, err error) {
	dir := filepath.Join(work, "patches")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	r.Findings, r.Maintainers = []Finding{}, []string{}
	box := sandbox.Box{Root: root, Dir: dir, Mounts: []kernels.Mount{{Host: linux, Guest: guestLinux}}}
	var names []string
	for _, p := range s.Patches {
		if err := os.WriteFile(filepath.Join(dir, p.Name), []byte(p.Text), 0o644); err != nil {
			return r, err
		}
		names = append(names, sandbox.Home+"/"+p.Name)
	}
	// In a folder that it may write to, since it keeps what it learned of the headers.
	said, err := inTree(ctx, box, "cd "+sandbox.Home+" && perl "+guestLinux+"/scripts/checkpatch.pl --root="+guestLinux+" --strict --no-signoff --no-summary --terse --show-types --showfile \"$@\"", names)
	if err != nil {
		return r, fmt.Errorf("run the kernel's checkpatch.pl: %w", err)
	}
	for line := range strings.Lines(said) {
		if f := finding.FindStringSubmatch(strings.TrimRight(line, "\n")); f != nil {
			n, _ := strconv.Atoi(f[2])
			r.Findings = append(r.Findings, Finding{strings.TrimPrefix(f[1], sandbox.Home+"/"), n, f[3], f[4], f[5]})
		} else if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "NOTE") && len(r.Findings) == 0 {
			r.Findings = append(r.Findings, Finding{Kind: "ERROR", Type: "SCRIPT", Text: clean(text)})
		}
	}
	said, err = inTree(ctx, box, "perl scripts/get_maintainer.pl --nogit --nogit-fallback --norolestats --nofixes \"$@\"", names)
	if err != nil {
		return r, fmt.Errorf("run the kernel's get_maintainer.pl: %w", err)
	}
	for line := range strings.Lines(said) {
		if strings.Contains(line, "@") {
			r.Maintainers = append(r.Maintainers, strings.TrimSpace(clean(line)))
		}
	}
	return r, nil
}

// inTree runs a script with the kernel's tree as its folder, and returns what it said. checkpatch ends with 1 where it found something.
func inTree(ctx context.Context, box sandbox.Box, script string, args []string) (string, error) {
	var out bytes.Buffer
	exit, err := box.Run(ctx, &out, append([]string{"sh", "-c", "cd " + guestLinux + " && " + script, "sh"}, args...)...)
	if err == nil && exit > 1 {
		err = fmt.Errorf("exit status %d: %s", exit, strings.TrimSpace(clean(out.String())))
	}
	return out.String(), err
}
