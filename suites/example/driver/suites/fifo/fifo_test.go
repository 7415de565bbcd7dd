package fifo_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites"
)

// Names of specs are read without the source: in a matrix, in a mail, under a patch series. "reading returns the bytes that
// were written" says what broke; "test read 1" does not.
var _ = Describe("reading", func() {
	It("returns the bytes that were written", func() {
		// Every value of a byte, twice, in an order in which shifted or swapped bytes are noticed.
		record := make([]byte, 512)
		for i := range record {
			record[i] = byte(i * 7)
		}
		device := open(nonblocking)
		write(device, record)

		got := read(device, len(record))
		Expect(got).To(HaveLen(len(record)))
		for i := range record { // one by one: "byte 77 of 512" says more than two lists of 512 numbers
			Expect(got[i]).To(Equal(record[i]), "byte %d of %d", i, len(record))
		}
	})

	It("returns what fits and keeps the rest", func() {
		device := open(nonblocking)
		write(device, []byte("first and last"))
		Expect(read(device, 5)).To(BeEquivalentTo("first"))
		Expect(fill()).To(Equal("9"))
		Expect(read(device, 100)).To(BeEquivalentTo(" and last"))
		Expect(fill()).To(Equal("0"))
	})

	It("blocks on an empty buffer until something is written", func() {
		reader, writer := open(unix.O_RDONLY), open(unix.O_WRONLY)
		buffer := make([]byte, 10)
		results := background(reader.Read, buffer)

		// That the read blocks is half of the spec: without it, a read that returns 0 at once would pass.
		Consistently(results, aWhile).ShouldNot(Receive())
		write(writer, []byte("wake up"))
		Eventually(results, soon).Should(Receive(Equal(result{n: 7})))
		Expect(buffer[:7]).To(BeEquivalentTo("wake up"))
	})

	It("does not block on a descriptor with O_NONBLOCK", func() {
		_, err := open(nonblocking).Read(make([]byte, 1))
		Expect(err).To(MatchError(unix.EAGAIN))
	})
})

var _ = Describe("writing", func() {
	It("takes a record whole or not at all", func() {
		device := open(nonblocking)
		write(device, make([]byte, defaultCapacity-10))
		_, err := device.Write(make([]byte, 11))
		Expect(err).To(MatchError(unix.EAGAIN))
		Expect(fill()).To(Equal(fmt.Sprint(defaultCapacity - 10)))

		write(device, make([]byte, 10)) // the last byte of the buffer can be used
		Expect(fill()).To(Equal(fmt.Sprint(defaultCapacity)))
	})

	It("blocks on a full buffer until something is read", func() {
		writer, reader := open(unix.O_WRONLY), open(unix.O_RDONLY)
		write(writer, make([]byte, defaultCapacity))
		results := background(writer.Write, []byte("next"))

		Consistently(results, aWhile).ShouldNot(Receive())
		Expect(read(reader, 3)).To(HaveLen(3)) // not yet enough
		Consistently(results, aWhile).ShouldNot(Receive())
		Expect(read(reader, 1)).To(HaveLen(1))
		Eventually(results, soon).Should(Receive(Equal(result{n: 4})))
	})

	It("refuses a record that can never fit", func() {
		_, err := open(unix.O_WRONLY).Write(make([]byte, defaultCapacity+1))
		Expect(err).To(MatchError(unix.EMSGSIZE))
		Expect(fill()).To(Equal("0"))
	})

	It("does not mix or lose the records of two writers", func() {
		// A race happens only sometimes. Many small records through a small buffer make it likely; the check at the end
		// does not depend on luck: every record must have arrived, whole and in its writer's order.
		const count, size = 200, 24
		reload("capacity=64")
		reader := open(unix.O_RDONLY)
		var writers sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			device := open(unix.O_WRONLY)
			writers.Go(func() {
				defer GinkgoRecover()
				for i := range count {
					write(device, fmt.Appendf(nil, "%s%0*d\n", name, size-2, i))
				}
			})
		}
		var stream bytes.Buffer
		for stream.Len() < 2*count*size {
			// A lost record must fail the spec, not hang it.
			Expect(reader.Poll(unix.POLLIN, soon)).NotTo(BeZero(), "%d of %d bytes arrived", stream.Len(), 2*count*size)
			stream.Write(read(reader, 1024))
		}
		writers.Wait()

		next := map[string]int{}
		for line := range strings.Lines(stream.String()) {
			name := line[:1]
			Expect(line).To(Equal(fmt.Sprintf("%s%0*d\n", name, size-2, next[name])))
			next[name]++
		}
		Expect(next).To(Equal(map[string]int{"a": count, "b": count}))
	})
})

var _ = Describe("polling", func() {
	It("reports what would not block", func() {
		device := open(nonblocking)
		Expect(device.Poll(unix.POLLIN|unix.POLLOUT, 0)).To(BeEquivalentTo(unix.POLLOUT))
		write(device, []byte("x"))
		Expect(device.Poll(unix.POLLIN|unix.POLLOUT, 0)).To(BeEquivalentTo(unix.POLLIN | unix.POLLOUT))
		write(device, make([]byte, defaultCapacity-1))
		Expect(device.Poll(unix.POLLIN|unix.POLLOUT, 0)).To(BeEquivalentTo(unix.POLLIN))
	})

	It("is woken by a write", func() {
		// A driver that forgets to wake its pollers passes every spec that polls with a timeout of zero.
		reader, writer := open(unix.O_RDONLY), open(unix.O_WRONLY)
		events := make(chan int16, 1)
		go func() {
			defer GinkgoRecover()
			got, err := reader.Poll(unix.POLLIN, time.Hour)
			Expect(err).NotTo(HaveOccurred())
			events <- got
		}()
		Consistently(events, aWhile).ShouldNot(Receive())
		write(writer, []byte("x"))
		Eventually(events, soon).Should(Receive(BeEquivalentTo(unix.POLLIN)))
	})
})

var _ = Describe("draining", func() {
	It("empties the buffer and wakes waiting writers", func() {
		writer := open(unix.O_WRONLY)
		write(writer, make([]byte, defaultCapacity))
		results := background(writer.Write, []byte("next"))
		Consistently(results, aWhile).ShouldNot(Receive())

		Expect(drain()).To(Succeed())
		Eventually(results, soon).Should(Receive(Equal(result{n: 4})))
		Expect(fill()).To(Equal("4"))
	})

	It("refuses a value that is not a boolean", func() {
		Expect(suites.WriteSysfs("perhaps", sysfsDir, "drain")).To(MatchError(unix.EINVAL))
	})
})

var _ = Describe("the module", func() {
	It("cannot be unloaded while its device is open", func() {
		device := open(unix.O_RDWR)
		Expect(fifo.RefCount()).To(Equal(1))
		// delete_module(2) fails with EWOULDBLOCK, not EBUSY, for a module that is in use.
		Expect(fifo.Unload()).To(MatchError(unix.EWOULDBLOCK))

		Expect(device.Close()).To(Succeed())
		Expect(fifo.RefCount()).To(Equal(0))
	})

	It("removes its device when it is unloaded", func() {
		Expect(fifo.Unload()).To(Succeed())
		DeferCleanup(fifo.Restore)
		_, err := os.Stat("/sys/" + sysfsDir)
		Expect(err).To(MatchError(os.ErrNotExist))
	})

	// One spec for each row. The row's name is part of the spec's, so that each has its own row in the matrix.
	DescribeTable("refuses a capacity",
		func(capacity string) {
			Expect(fifo.Unload()).To(Succeed())
			DeferCleanup(fifo.Restore)
			Expect(fifo.Load("capacity=" + capacity)).To(MatchError(unix.EINVAL))
			// An errno alone sends the user to the source: the driver must log what is wrong.
			Eventually(kernelLog, soon).Should(suites.ContainKernelLine("fifo: capacity must be a power of two"))
		},
		Entry("of 0", "0"),
		Entry("of 8, below the least", "8"),
		Entry("of 100, no power of two", "100"),
		Entry("of 131072, above the most", "131072"),
	)

	DescribeTable("accepts a capacity",
		func(capacity int) {
			reload(fmt.Sprintf("capacity=%d", capacity))
			Expect(fifo.Param("capacity")).To(Equal(fmt.Sprint(capacity)))
			device := open(nonblocking)
			write(device, make([]byte, capacity))
			_, err := device.Write([]byte{0})
			Expect(err).To(MatchError(unix.EAGAIN))
		},
		Entry("of 16, the least", 16),
		Entry("of 65536, the most", 65536),
	)

	It("drops the oldest bytes when it is loaded with overwrite", func() {
		reload("capacity=16", "overwrite=1")
		device := open(nonblocking)
		write(device, []byte("0123456789"))
		write(device, []byte("abcdefghij"))
		Expect(suites.ReadSysfs(sysfsDir, "dropped")).To(Equal("4"))
		Expect(read(device, 100)).To(BeEquivalentTo("456789abcdefghij"))
	})

	// A spec for some kernels only. modmatrix passes the kernel's version, X.Y.Z, to Ginkgo; on others the spec is reported
	// as skipped, with the constraint as its reason. Where a feature can be detected, detect it and Skip: distributions
	// backport features.
	It("shows its inode in fdinfo", SemVerConstraint(">= 5.14.0"), func() {
		// Linux, "procfs/dmabuf: add inode number to /proc/*/fdinfo" (in v5.14)
		device := open(unix.O_RDONLY)
		var stat unix.Stat_t
		Expect(unix.Fstat(device.Fd(), &stat)).To(Succeed())
		Expect(suites.ReadProc("self/fdinfo", fmt.Sprint(device.Fd()))).To(MatchRegexp(`(?m)^ino:\s+%d$`, stat.Ino))
	})
})
