package harness

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

func TestDisown(t *testing.T) {
	ko := filepath.Join(t.TempDir(), "vhba.ko")
	if err := os.WriteFile(ko, []byte("\x00vhba_cache\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	all := []string{slabTrace + "scsi_sense_cache", slabTrace + "vhba_cache", "kernel thread: scsi_eh_0"}
	tests := []struct {
		name   string
		module kbuild.Module
		given  []string // as the kernel asked for it
		beside []string // as guest.modules names it
		left   []string
	}{
		{"on top of others", kbuild.Module{Name: "vhba", Path: ko, Depends: []string{"scsi_mod"}}, nil, nil, all[1:]},
		{"on what was asked for", kbuild.Module{Name: "vhba", Path: ko}, []string{"scsi_mod"}, nil, all[1:]},
		{"beside others", kbuild.Module{Name: "vhba", Path: ko}, nil, []string{"scsi_mod"}, all[1:]},
		{"on nothing", kbuild.Module{Name: "vhba", Path: ko}, nil, nil, all},
		{"of a file that is gone", kbuild.Module{Name: "vhba", Path: ko + "x", Depends: []string{"scsi_mod"}}, nil, nil, all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cell{tree: &kernels.Tree{}, run: &run{plan: &Plan{Spec: Spec{Modules: tt.beside}}}, built: built{product: product{Modules: []kbuild.Module{tt.module}}}}
			e := judge.Evidence{Guest: judge.NewGuest("n")}
			e.Guest.Residue = slices.Clone(all)
			c.dropForeignResidue(&e, &part{requested: requested{modules: tt.given}})
			if !slices.Equal(e.Guest.Residue, tt.left) || len(e.Notes) != len(all)-len(tt.left) {
				t.Errorf("left %q, notes %q", e.Guest.Residue, e.Notes)
			}
		})
	}
}
