package mainline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/checks"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

// Review is what the kernel's own scripts say of the patches.
type Review struct {
	Findings    []results.Finding `json:"findings"`    // of scripts/checkpatch.pl --strict
	Maintainers []string          `json:"maintainers"` // of scripts/get_maintainer.pl: whom to send them to; nothing is sent
}

// guestLinux is where the kernel's source is in the sandbox.
const guestLinux = "/usr/src/linux"

// Check has the scripts of the tree that the patches are for look at them. They are Perl of a stranger, and run in the sandbox.
func Check(ctx context.Context, s *Shape, root kernels.Root, linux, work string) (r Review, err error) {
	dir := filepath.Join(work, "patches")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	r.Findings, r.Maintainers = []results.Finding{}, []string{}
	box := sandbox.Box{Root: root, Dir: dir, Mounts: []kernels.Mount{{Host: linux, Guest: guestLinux}}}
	var names []string
	for _, p := range s.Patches {
		if err := os.WriteFile(filepath.Join(dir, p.Name), []byte(p.Text), 0o644); err != nil {
			return r, err
		}
		names = append(names, sandbox.Home+"/"+p.Name)
	}
	// In a folder that it may write to, since it keeps what it learned of the headers.
	said, err := inTree(ctx, box, "cd "+sandbox.Home+" && perl "+guestLinux+"/scripts/checkpatch.pl --root="+guestLinux+" --strict --no-signoff --summary-file --terse --show-types --showfile --color=never \"$@\"", names)
	if err != nil {
		return r, fmt.Errorf("run the kernel's checkpatch.pl: %w", err)
	}
	found, unread := checks.ParseCheckpatch([]byte(said))
	if len(unread) > 0 {
		return r, fmt.Errorf("read what the kernel's checkpatch.pl says: %q", clean(unread[0]))
	}
	for _, f := range found {
		f.Where, f.Message = strings.TrimPrefix(f.Where, sandbox.Home+"/"), clean(f.Message)
		r.Findings = append(r.Findings, f)
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
