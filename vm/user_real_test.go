package vm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/vm"
)

// QEMU owns nothing and may do nothing on the host, though we are root and its files are ours alone.
func TestRealUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has rights that QEMU must not have")
	}
	eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
		m, dir := realTemplate(t, ctx, kernel, nil)
		for _, path := range []string{m.Initrd, m.Drive} {
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := clone(ctx, m, dir)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Wait()
		defer c.Kill()
		if got, err := c.ask("hello"); got != "you said hello" || err != nil {
			t.Fatalf("the clone says %q, %v\n%s", got, err, c.console)
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID()))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{`Uid:\s65534\s65534\s65534\s65534`, `Gid:\s65534\s65534\s65534\s65534`, `Groups:\s`, `CapEff:\s0+`,
			`CapPrm:\s0+`, `CapInh:\s0+`, `CapAmb:\s0+`, `NoNewPrivs:\s1`, `Seccomp:\s2`} {
			if !regexp.MustCompile(`(?m)^` + line + `\s*$`).Match(status) {
				t.Errorf("no %s in\n%s", line, status)
			}
		}
		if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.PID())); len(env) > 0 || err != nil {
			t.Errorf("it knows %q, %v", env, err)
		}
		forbidden(t, ctx, c.Process)
		diesWithParent(t, kernel) // a change of user clears PDEATHSIG if it was set before (prctl(2))
	})
}

// forbidden asks QEMU to do what a guest that took it over would.
func forbidden(t *testing.T, ctx context.Context, p *vm.Process) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, args := range map[string]map[string]any{
		"blockdev-add": {"driver": "file", "node-name": "x", "filename": secret, "read-only": true},
		"pmemsave":     {"val": 0, "size": 4096, "filename": "/etc/modmatrix-was-here"},
	} {
		if out, err := p.QMP().Exec(ctx, what, args); err == nil || !strings.Contains(err.Error(), "ermission denied") {
			t.Errorf("%s: %s, %v", what, out, err)
		}
	}
}
