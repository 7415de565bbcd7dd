package procfs

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

const modulesText = `paira 16384 1 pairb, Live 0xffffffffc0a4f000 (OE)
perm 16384 1 [permanent], Live 0xffffffffc0a4a000 (OE)
nvme_core 192512 2 nvme,[permanent], Live 0x0000000000000000
warn 16384 0 - Unloading 0xffffffffc02c8000 (OE-)
fifo 16384 - - Live 0xffffffffc02c0000
`

func TestParseModules(t *testing.T) {
	got, err := ParseModules(strings.NewReader(modulesText))
	want := []Module{
		{Name: "paira", Size: 16384, RefCount: 1, Holders: []string{"pairb"}, State: "Live", Address: 0xffffffffc0a4f000, Taints: "OE"},
		{Name: "perm", Size: 16384, RefCount: 1, Permanent: true, State: "Live", Address: 0xffffffffc0a4a000, Taints: "OE"},
		{Name: "nvme_core", Size: 192512, RefCount: 2, Holders: []string{"nvme"}, Permanent: true, State: "Live"},
		{Name: "warn", Size: 16384, State: "Unloading", Address: 0xffffffffc02c8000, Taints: "OE-"},
		{Name: "fifo", Size: 16384, RefCount: -1, State: "Live", Address: 0xffffffffc02c0000},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

const devicesText = `Character devices:
  1 mem
  4 /dev/vc/0
242 leaky

Block devices:
259 blkext
`

func TestParseDevices(t *testing.T) {
	got, err := ParseDevices(strings.NewReader(devicesText))
	want := Devices{Char: []Device{{1, "mem"}, {4, "/dev/vc/0"}, {242, "leaky"}}, Block: []Device{{259, "blkext"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

const interruptsText = `           CPU0       CPU1       
  0:         33          0   IO-APIC    2-edge      timer
  9:          0          1   IO-APIC    9-fasteoi   acpi, fifo
 24:          0          0   PCI-MSI-0000:00:1f.2    0-edge      ahci[0000:00:1f.2]
NMI:          0          0   Non-maskable interrupts
ERR:          7
`

func TestParseInterrupts(t *testing.T) {
	got, err := ParseInterrupts(strings.NewReader(interruptsText))
	want := []Interrupt{
		{"0", []uint64{33, 0}, "IO-APIC    2-edge      timer"},
		{"9", []uint64{0, 1}, "IO-APIC    9-fasteoi   acpi, fifo"},
		{"24", []uint64{0, 0}, "PCI-MSI-0000:00:1f.2    0-edge      ahci[0000:00:1f.2]"},
		{"NMI", []uint64{0, 0}, "Non-maskable interrupts"},
		{"ERR", []uint64{7}, ""},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
	}
	if !got[1].HasAction("fifo") || !got[1].HasAction("acpi") || got[1].HasAction("fif") || got[1].HasAction("fasteoi") {
		t.Errorf("actions of %q are confused", got[1].Desc)
	}
	if got[1].Total() != 1 {
		t.Errorf("total is %d, want 1", got[1].Total())
	}
}

const regionsText = `00000000-00000fff : Reserved
c0000000-febfffff : PCI Bus 0000:00
  fd000000-fdffffff : 0000:00:01.0
    fd000000-fd2fffff : efifb
`

func TestParseRegions(t *testing.T) {
	got, err := ParseRegions(strings.NewReader(regionsText))
	want := []Region{
		{0, 0xfff, "Reserved", 0},
		{0xc0000000, 0xfebfffff, "PCI Bus 0000:00", 0},
		{0xfd000000, 0xfdffffff, "0000:00:01.0", 1},
		{0xfd000000, 0xfd2fffff, "efifb", 2},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestParseKmsg(t *testing.T) {
	for _, c := range []struct {
		name, record string
		want         KmsgRecord
	}{
		{"plain", "6,339,5140900,-;NET: Registered PF_INET6\n", KmsgRecord{0, 6, 339, 5140900, "NET: Registered PF_INET6", "", ""}},
		{"of a device", "3,160,424069,-;pci root: bridge\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n",
			KmsgRecord{0, 3, 160, 424069, "pci root: bridge", "+acpi:PNP0A03:00", ""}},
		{"of a process", "12,1,0,-;modmatrix: hello\n", KmsgRecord{1, 4, 1, 0, "modmatrix: hello", "", ""}},
		{"of two lines", "4,2,3,c,caller=T1;one\\x0atwo \\x5c \\xzz\n", KmsgRecord{0, 4, 2, 3, "one\ntwo \\ \\xzz", "", "T1"}},
		{"empty", "6,0,0,-;", KmsgRecord{Level: 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseKmsg(c.record)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

// What the kernel would never write is an error that names the place, and never a shorter list.
func TestBadLines(t *testing.T) {
	for _, c := range []struct {
		name string
		read func(io.Reader) error
		text string
		want string
	}{
		{"module without fields", modulesError, "fifo 16384 0 - Live 0x0\nfifo\n", "read /proc/modules: line 2: want 6 or 7 fields, not 1"},
		{"module of no size", modulesError, "fifo x 0 - Live 0x0\n", "line 1: size: "},
		{"module of no count", modulesError, "fifo 1 x - Live 0x0\n", "line 1: reference count: "},
		{"module of no address", modulesError, "fifo 1 0 - Live zero\n", "line 1: address: "},
		{"device in no list", devicesError, "  1 mem\n", "outside of the lists"},
		{"device without a name", devicesError, "Character devices:\n  1\n", "line 2: want a major and a name"},
		{"device of no major", devicesError, "Character devices:\n  x mem\n", "line 2: major: "},
		{"interrupt without a colon", interruptsError, "CPU0\n0 1\n", "line 2: want a name and a colon"},
		{"interrupt without a count", interruptsError, "CPU0\n0: timer\n", `no count in "0: timer"`},
		{"region without a name", regionsError, "0-1\n", "want START-END : NAME"},
		{"region of no start", regionsError, "x-1 : a\n", "start: "},
		{"region of no end", regionsError, "1-x : a\n", "end: "},
		{"record without a semicolon", kmsgError, "6,1,2,-", "no semicolon"},
		{"record of two fields", kmsgError, "6,1;x", "want priority, sequence and time"},
		{"record of no number", kmsgError, "6,x,2,-;x", "field 2: "},
		{"line without an end", modulesError, strings.Repeat("x", maxLine+1), "line 1: bufio.Scanner: token too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func modulesError(r io.Reader) error    { _, err := ParseModules(r); return err }
func devicesError(r io.Reader) error    { _, err := ParseDevices(r); return err }
func interruptsError(r io.Reader) error { _, err := ParseInterrupts(r); return err }
func regionsError(r io.Reader) error    { _, err := ParseRegions(r); return err }
func kmsgError(r io.Reader) error {
	text, err := io.ReadAll(r)
	_, parseErr := ParseKmsg(string(text))
	return errors.Join(err, parseErr)
}

// FuzzLists holds the readers of lists to one rule: no line is lost. Either each gives an entry, or there is an error.
func FuzzLists(f *testing.F) {
	for _, text := range []string{modulesText, devicesText, interruptsText, regionsText, "", "\n", "a b c d e f", "0: 0", " - : "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := len(strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
		if text == "" {
			lines = 0
		}
		if got, err := ParseModules(strings.NewReader(text)); err == nil && len(got) != lines {
			t.Errorf("%d modules of %d lines", len(got), lines)
		}
		if got, err := ParseRegions(strings.NewReader(text)); err == nil && len(got) != lines {
			t.Errorf("%d regions of %d lines", len(got), lines)
		}
		if got, err := ParseInterrupts(strings.NewReader(text)); err == nil && len(got) != max(0, lines-1) {
			t.Errorf("%d interrupts of %d lines", len(got), lines)
		}
		if got, err := ParseDevices(strings.NewReader(text)); err == nil && len(got.Char)+len(got.Block) > lines {
			t.Errorf("%d devices of %d lines", len(got.Char)+len(got.Block), lines)
		}
	})
}

// FuzzParseKmsg checks that what is read stays within the bounds of the format, whatever comes.
func FuzzParseKmsg(f *testing.F) {
	for _, record := range []string{"6,339,5140900,-;NET\n", "3,1,2,-;a\\x0ab\n DEVICE=c1:3\n", ";", "6,1,2;", "4,2,3,-;\\x", "-1,2,3,-;x"} {
		f.Add(record)
	}
	f.Fuzz(func(t *testing.T, record string) {
		got, err := ParseKmsg(record)
		if err != nil {
			return
		}
		if got.Level < 0 || got.Level > 7 || got.Facility < 0 || len(got.Text) > len(record) {
			t.Errorf("%q gives %+v", record, got)
		}
	})
}
