// Package quiet is the suite for the modules of the zoo: it does nothing to a module but wait for as long as the module's
// parameter watch_ms says, so that each fault happens at the stage that it is meant for.
//
// It must never do anything to a module, not even unload it: that is what package lifecycle is for.
package quiet

import (
	"errors"
	"io/fs"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/suites"
)

func TestQuiet(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "quiet")
}

var _ = It("leaves the module alone", func() {
	suites.RequireGuest()
	modules, err := suites.Modules()
	Expect(err).NotTo(HaveOccurred())
	for _, module := range modules {
		text, err := module.Param("watch_ms")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		Expect(err).NotTo(HaveOccurred())
		ms, err := strconv.Atoi(text)
		Expect(err).NotTo(HaveOccurred())
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
})
