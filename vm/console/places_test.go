package console

import (
	"strings"
	"testing"
)

// asked are answers of real kernels that hung under a module.
var asked = []struct {
	name, log, want string
}{
	{"nothing was said", "", ""},
	{"a spin with interrupts off, 7.3", `[   75.852200] Uhhuh. NMI received for unknown reason 31 on CPU 0.
[   75.927662] Kernel panic - not syncing: NMI: Not continuing
[   75.989582] CPU: 0 UID: 0 PID: 97 Comm: init Tainted: G           OE       7.3.4+deb13-amd64 #1 PREEMPT(lazy)  Debian 7.3.4-1
[   76.003517] Call Trace:
[   76.006363]  <NMI>
[   76.012974]  dump_stack_lvl+0x5d/0x80
[   76.020772]  vpanic+0x166/0x360
[   76.021912]  unknown_nmi_error+0x77/0xa0
[   76.026098]  end_repeat_nmi+0xf/0x53
[   76.027709] RIP: 0010:zoo_spin+0x7/0x10 [loop_irqs_off]
[   76.042786] RSP: 0018:ff6b915b80607a98 EFLAGS: 00000046
[   76.057380]  ? __pfx_init_module+0x10/0x10 [loop_irqs_off]
[   76.122817]  </NMI>
[   76.123515]  <TASK>
[   76.124725]  zoo_init+0x14/0xff0 [loop_irqs_off]
[   76.124963]  do_one_initcall+0x57/0x310
`, "zoo_spin [loop_irqs_off]"},
	{"an idle processor and a task that waits, 7.3", `[   69.424099] sysrq: Show backtrace of all active CPUs
[   69.427909] NMI backtrace for cpu 0
[   69.428371] CPU: 0 UID: 0 PID: 0 Comm: swapper/0 Tainted: G           OE       7.3.4+deb13-amd64 #1 PREEMPT(lazy)  Debian 7.3.4-1
[   69.428742] Call Trace:
[   69.443468]  <IRQ>
[   69.443880]  dump_stack_lvl+0x5d/0x80
[   69.448083]  </IRQ>
[   69.448218] RIP: 0010:pv_native_safe_halt+0xf/0x20
[   69.448930]  default_idle+0x9/0x20
[   69.949245] sysrq: Show Blocked State
[   69.949533] task:init            state:D stack:0     pid:99    tgid:1     ppid:0      task_flags:0x400140 flags:0x00080000
[   69.949879] Call Trace:
[   69.949967]  <TASK>
[   69.950002]  __schedule+0x52a/0x1080
[   69.950114]  schedule+0x28/0xa0
[   69.950137]  __mutex_lock.constprop.0+0x56e/0xa30
[   69.950161]  ? __pfx_init_module+0x10/0x10 [mutex_deadlock]
[   69.950242]  zoo_init+0x21/0xff0 [mutex_deadlock]
[   69.950296]  do_one_initcall+0x57/0x310
`, "zoo_init [mutex_deadlock]"},
	{"two processors that no NMI reaches, arm64 6.1", `[    6.785299] sysrq: Show backtrace of all active CPUs
[    6.788501] sysrq: CPU0:
[    6.788749] Call trace:
[    6.789053]  dump_backtrace+0xe4/0x140
[    6.789602]  sysrq_handle_showallcpus+0xa4/0xb0
[    6.789987]  el1h_64_irq+0x64/0x68
[    6.790058]  zoo_spin+0x8/0x20 [loop_init]
[    6.790137]  zoo_init+0x18/0x1000 [loop_init]
[    6.794352] sysrq: CPU1:
[    6.794559] Call trace:
[    6.794631]  dump_backtrace+0xe4/0x140
[    6.794848]  showacpu+0xa0/0x124
[    6.795996]  el1h_64_irq+0x64/0x68
[    6.796073]  fifo_drain+0x10/0x84 [fifo]
[    6.796265]  process_one_work+0x128/0x150
[    7.302010] sysrq: Show Blocked State
`, "zoo_spin [loop_init], fifo_drain [fifo]"},
	{"two tasks in two modules", `[    1.000000] task:kworker/0:1     state:D stack:0     pid:9
[    1.000100]  io_wait+0x1/0x2 [virtio_blk]
[    1.000200]  more_wait+0x1/0x2 [virtio_blk]
[    1.000300] task:init            state:D stack:0     pid:99
[    1.000400]  zoo_exit+0x1/0x2 [wait_exit]
`, "io_wait [virtio_blk], zoo_exit [wait_exit]"},
	{"a process says so", "<12>[    1.000000] RIP: 0010:zoo_spin+0x7/0x10 [zoo]\n", ""},
}

func TestPlaces(t *testing.T) {
	for _, a := range asked {
		var got []string
		for _, f := range Places([]byte(a.log)) {
			got = append(got, f.Function+" ["+f.Module+"]")
		}
		if text := strings.Join(got, ", "); text != a.want {
			t.Errorf("%s: %s, want %s", a.name, text, a.want)
		}
	}
}

// The stacks that somebody asked for are no faults of the kernel's.
func TestAskedIsNoFault(t *testing.T) {
	for _, a := range asked {
		if strings.Contains(a.log, "panic") {
			continue // that one comes of asking with an NMI, after which nothing is read as a fault
		}
		if s := Scan([]byte(a.log)); len(s) > 0 {
			t.Errorf("%s: %q", a.name, describe(s))
		}
	}
}
