package initramfs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// envChannels names the uncompressed modules of the test kernel's that virtio disks need, in load order, with colons
// between them; empty where they are built in.
const envChannels = "MODMATRIX_TEST_CHANNELS"

// machine is a guest that is controlled while it runs.
type machine struct {
	cmd     *exec.Cmd
	frames  chan wire.Frame
	reader  *wire.Reader
	end     error
	console string
	qmp     *json.Decoder
	control net.Conn
}

// start starts a guest with a drive that takes its payload from there, and memory in a file.
func start(t *testing.T, dir, image, memory, drive, share string, more ...string) *machine {
	t.Helper()
	name := filepath.Base(drive)
	m := &machine{frames: make(chan wire.Frame, 1000), console: filepath.Join(dir, name+".console")}
	socket := filepath.Join(dir, name+".qmp")
	// Without ERMS the kernel fills and copies pages by words (arch/x86/lib/clear_page_64.S), which TCG does several times faster.
	args := []string{"-machine", "q35,memory-backend=mem", "-object", "memory-backend-file,id=mem,size=256M,mem-path=" + memory + ",share=" + share,
		"-accel", "tcg", "-cpu", "max,-erms", "-m", "256", "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot",
		"-serial", "file:" + m.console, "-serial", "stdio", "-qmp", "unix:" + socket + ",server=on,wait=off",
		"-drive", "if=none,id=payload,format=raw,read-only=on,file=" + drive, "-device", "virtio-blk-pci,drive=payload",
		"-kernel", os.Getenv(envKernel), "-initrd", image,
		"-append", "console=ttyS0 panic=-1 oops=panic ignore_loglevel printk.devkmsg=on " + wire.NonceArg + "t3mplate"}
	m.cmd = exec.CommandContext(t.Context(), "qemu-system-x86_64", append(args, more...)...)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.cmd.Stderr = os.Stderr
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.cmd.Process.Kill(); _ = m.cmd.Wait() })
	m.reader = wire.NewReader(out)
	go func() {
		defer close(m.frames)
		for {
			f, err := m.reader.Next()
			if err != nil {
				m.end = err
				return
			}
			m.frames <- f
		}
	}()
	for range 1000 {
		if m.control, err = net.Dial("unix", socket); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.qmp = json.NewDecoder(m.control)
	m.do(t, "qmp_capabilities", nil)
	m.do(t, "migrate-set-capabilities", map[string]any{"capabilities": []any{map[string]any{"capability": "x-ignore-shared", "state": true}}})
	return m
}

// do runs a command of the monitor and returns what it answers.
func (m *machine) do(t *testing.T, command string, args map[string]any) (answer map[string]any) {
	t.Helper()
	request := map[string]any{"execute": command}
	if args != nil {
		request["arguments"] = args
	}
	if err := json.NewEncoder(m.control).Encode(request); err != nil {
		t.Fatal(err)
	}
	for {
		var said map[string]any
		if err := m.qmp.Decode(&said); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if said["error"] != nil {
			t.Fatalf("%s: %v", command, said["error"])
		}
		if said["return"] != nil {
			answer, _ = said["return"].(map[string]any)
			return answer
		}
	}
}

// until asks for a status until it is one of wanted.
func (m *machine) until(t *testing.T, command string, wanted func(string) bool) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(2 * time.Millisecond) {
		if status, _ := m.do(t, command, nil)["status"].(string); wanted(status) {
			return
		}
	}
	t.Fatalf("%s: not as wanted in time", command)
}

// first waits for the first frame.
func (m *machine) first(t *testing.T) wire.Frame {
	t.Helper()
	select {
	case f := <-m.frames:
		if f.Kind == "" {
			t.Fatalf("no frame: %v", m.end)
		}
		return f
	case <-time.After(2 * time.Minute):
		t.Fatal("no frame in time")
	}
	return wire.Frame{}
}

// finish takes in what comes after the first frames, to the end.
func (m *machine) finish(t *testing.T, began time.Time, frames ...wire.Frame) booted {
	t.Helper()
	b := booted{frames: frames}
	for f := range m.frames {
		if len(b.frames) == 0 {
			b.hello = time.Since(began)
		}
		t.Logf("%7.1f %6d %s", float64(time.Since(began).Microseconds())/1000, f.At, show(f))
		b.frames = append(b.frames, f)
	}
	b.end, b.garbage = m.end, m.reader.Garbage
	if err := m.cmd.Wait(); err != nil {
		t.Error(err)
	}
	b.whole = time.Since(began)
	text, _ := os.ReadFile(m.console)
	b.console = string(text)
	if t.Failed() {
		t.Log(b.console)
	}
	return b
}

// templateImage is an image without a payload.
func templateImage(t *testing.T, dir string) string {
	t.Helper()
	var modules []File
	for i, path := range strings.FieldsFunc(os.Getenv(envChannels), func(r rune) bool { return r == ':' }) {
		modules = append(modules, File{Guest: fmt.Sprintf("%s/%02d-%s", wire.BaseDir, i, filepath.Base(path)), Host: path})
	}
	image := filepath.Join(dir, "image")
	if err := WriteTemplateImage(image, base(t), modules); err != nil {
		t.Fatal(err)
	}
	return image
}

// seeded is the payload of a cell on a drive.
func seeded(t *testing.T, seed byte) Payload {
	t.Helper()
	p := cell(t, needKernel(t), "--ginkgo.skip=hanging|crashing")
	p.Plan.Seed = bytes.Repeat([]byte{seed}, wire.SeedSize)
	return p
}

// TestBootFromDrive boots a guest whose payload is on its drive from the beginning.
func TestBootFromDrive(t *testing.T) {
	needKernel(t)
	dir := t.TempDir()
	drive := filepath.Join(dir, "drive")
	if err := WriteDrive(drive, seeded(t, 1)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	m := start(t, dir, templateImage(t, dir), filepath.Join(dir, "memory"), drive, "off")
	if f := m.first(t); f.Kind != wire.KindReady || f.Nonce != "t3mplate" || f.Seq != 1 || f.Release == "" {
		t.Errorf("the first frame is %+v", f)
	}
	b := m.finish(t, began)
	b.check(t)
	checkSpecs(t, b)
	if f := b.of(wire.KindTrouble); len(f) != 0 {
		t.Errorf("trouble: %v", f)
	}
}
