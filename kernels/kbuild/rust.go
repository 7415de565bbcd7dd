package kbuild

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// rustMetadata is what a module in Rust is compiled against, in the kernel's build folder.
const rustMetadata = "rust/libkernel.rmeta"

// otherRust is what rustc says of metadata that another version of it made.
const otherRust = "E0514"

// noRust says why no module in Rust can be built for the kernel, if the build was of one; else nil. It is an ErrUnavailable: the kernel's
// packages lack what that takes, which is neither the module's fault nor anybody's to install.
func (s scene) noRust(log *buildLog) error {
	if !log.rust {
		return nil
	}
	tree := s.r.Tree
	_, err := s.view.Find(path.Join(tree.KDIR, rustMetadata))
	why := ""
	switch {
	case !tree.Config.Enabled("RUST"):
		why = "it is built without CONFIG_RUST"
	case err != nil:
		why = "its headers do not bring " + rustMetadata + ", which modules in Rust are compiled against (it is built with " +
			cmp.Or(tree.Config.Value("RUSTC_VERSION_TEXT"), "CONFIG_RUST") + ")"
	case log.tool != nil && strings.Contains(log.tool.text, otherRust):
		why = "it is built with " + tree.Config.Value("RUSTC_VERSION_TEXT") + ", and the root's rustc is another one"
	default:
		return nil
	}
	return fmt.Errorf("%w: no module in Rust can be built for %s: %s", kernels.ErrUnavailable, tree.Target.Release, why)
}
