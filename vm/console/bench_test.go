package console

import (
	"bytes"
	"fmt"
	"testing"
)

// quietLog is a log of about n bytes as a healthy kernel writes it.
func quietLog(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "[%5d.%06d][ T%4d] usb %d-1: New USB device found, idVendor=1d6b, idProduct=%04x, bcdDevice= 6.12\n", i/1000, i%1000000, i%5000, i%8, i%65536)
		fmt.Fprintf(&b, "[%5d.%06d][    C%d] virtio_blk virtio2: [vda] %d 512-byte logical blocks (1.07 GB/1.00 GiB)\n", i/1000, i%1000000, i%4, i)
		fmt.Fprintf(&b, "[%5d.%06d][    T1] Run /init as init process, WARNING level %d, no BUG, no Oops\n", i/1000, i%1000000, i)
	}
	return b.Bytes()
}

// BenchmarkScan reads 100 MB without a fault; one core must manage 100 MB/s.
func BenchmarkScan(b *testing.B) {
	log := quietLog(100e6)
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		if len(Scan(log)) != 0 {
			b.Fatal("found a fault in a quiet log")
		}
	}
}

// BenchmarkScanFlood reads a log that is nothing but faults.
func BenchmarkScanFlood(b *testing.B) {
	one := []byte("[    1.000000] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 foo+0x1/0x2\n[    1.000000] Call Trace:\n[    1.000000]  foo+0x1/0x2\n")
	log := bytes.Repeat(one, 100e6/len(one))
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		Scan(log)
	}
}
