package console

// hangs are the kinds in which the innermost frame is chance: the CPU was interrupted somewhere in a loop.
var hangs = map[string]bool{KindStall: true, KindSoftLockup: true, KindHardLockup: true}

var (
	// interruptNames are where an interrupt broke in: what lies before them belongs to the watchdog.
	interruptNames = newNames(`sysvec_* asm_sysvec_* smp_apic_timer* apic_timer_interrupt reschedule_interrupt ret_from_intr
		common_interrupt asm_common_interrupt nmi end_repeat_nmi exc_nmi asm_exc_nmi el1_irq* el1h_64_irq* irq_svc
		handle_IPI do_IRQ`)
	// anchorNames are the frames below which a piece of work begins: a system call, a worker, a timer, a packet.
	anchorNames = newNames(`sys_* ksys_* do_syscall* do_fast_syscall* do_int80* el0_* entry_* invoke_syscall ret_from_* ret_fast_syscall
		system_call* ia32_sys* kthread worker_thread process_one_work process_scheduled_works smpboot_thread_fn run_ksoftirqd
		call_timer_fn expire_timers run_timer_* run_timers hrtimer_run_queues run_hrtimer hrtimer_* tasklet_action*
		do_softirq* handle_softirqs netif_receive_skb* process_backlog net_rx_action napi_poll sock_sendmsg*
		vfs_* do_vfs_* compat_ioctl compat_vfs_ioctl fput task_work_run exit_to_user* prepare_exit_to* vm_mmap* do_mmap* mmap_region
		do_fault do_readv_writev do_iter_* new_sync_* call_read_iter call_write_iter do_idle cpu_startup_entry default_idle* start_secondary
		start_kernel rest_init secondary_startup* do_one_initcall do_init_module load_module`)
)

// maxInterrupt is how deep in a trace the interrupt that noticed a hang may lie.
const maxInterrupt = 40

// belowAnchor finds the work that a hanging CPU was at: in the first trace with an anchor, the frames from the
// one that the anchor called. The frames of the interrupt that noticed the hang are left out.
func belowAnchor(runs []run) []Frame {
	for _, r := range runs {
		frames := interrupted(r.frames)
		for i, f := range frames {
			if !f.Reliable || !anchorNames.has(f) {
				continue
			}
			for j := i - 1; j >= 0; j-- {
				if frames[j].Reliable && !skipped(frames[j]) {
					return keep(frames[j:])
				}
			}
		}
	}
	return nil
}

// interrupted cuts the frames of a watchdog's interrupt off the top of a trace.
func interrupted(frames []Frame) []Frame {
	for i, f := range frames[:min(len(frames), maxInterrupt)] {
		if interruptNames.has(f) {
			return frames[i+1:]
		}
	}
	return frames
}
