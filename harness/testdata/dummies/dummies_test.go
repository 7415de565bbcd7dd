// Package dummies_test asks for one of the kernel's own modules beside the one under test.
package dummies_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/suites"
)

func TestDummies(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "dummies")
}

var _ = It("finds the kernel's own dummy loaded", func() {
	suites.RequireGuest()
	Expect("/sys/module/dummy/refcnt").To(BeARegularFile())
	Expect("/sys/module/edu/refcnt").To(BeARegularFile())
})
