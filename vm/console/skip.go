package console

import "regexp"

// Frames that many bugs share say nothing of any of them.

// skipRE matches the functions that are never guilty: those that print reports, checkers that found it, and the
// primitives that everything uses.
var skipRE = regexp.MustCompile(`^(?:` +
	// printing and dying
	`_*dump_stack\w*|dump_backtrace|_*show_stack|_*show_regs\w*|show_trace\w*|dump_header|print_\w+|panic|vpanic|nmi_panic|_*die\w*|oops_\w+|_*warn(?:_\w+)?|warn_slowpath\w*|` +
	`report_bug|_*report_bug|fixup_bug\w*|bug_handler|handle_bug\w*|check_panic_on_warn|end_report|add_taint|unwind_\w+|_*unwind_start|arch_stack_walk\w*|walk_stackframe|stack_trace_\w+|save_stack\w*|_*save_stack_trace\w*|` +
	// traps
	`do_error_trap|do_(?:invalid_op|trap|divide_error|general_protection|page_fault|int3|undefinstr|DataAbort|mem_abort|translation_fault|bad_area|kernel_fault|sea|alignment\w*|PrefetchAbort|user_addr_fault)|` +
	`_*do_page_fault|_*do_user_fault|_*do_kernel_fault|(?:asm_)?exc_\w+|invalid_op|divide_error|general_protection|page_fault|async_page_fault|(?:__)?bad_area\w*|no_context|pgtable_bad|error_entry|double_fault|math_error|trap_\w+|` +
	`page_fault_oops|kernelmode_fixup_or_oops|search_exception_tables|fixup_exception|idtentry\w*|handle_exception|el1h?_\w+|_+dabt_svc|_+und_svc|_+pabt_svc|call_on_stack|brk_handler|do_debug_exception|do_el1_\w+|arm64_notify_die|` +
	`program_check_\w+|data_access_common\w*|handle_page_fault|do_program_check|` +
	// the checkers
	`\w*kasan\w*|__asan_\w+|__hwasan_\w+|__kcsan_\w+|kcsan_\w+|__tsan_\w+|\w*kmsan\w*|__msan_\w+|kfence_\w+|__kfence_\w+|ubsan_\w+|__ubsan_\w+|handle_overflow|val_to_string|` +
	`__sanitizer_cov\w*|check_memory_region\w*|debug_\w+|__debug_\w+|lockdep_\w+|_*lock_acquire\w*|lock_release\w*|_*lock_release|lock_is_held\w*|validate_chain|check_\w+|mark_(?:lock|usage|held_locks|irqflags|lock_irq)|register_lock_class|` +
	`reacquire_held_locks|match_held_lock|find_held_lock|rcu_lockdep\w*|assign_lock_key|save_trace|__bfs|might_fault|___?might_(?:sleep|resched)|__cant_\w+|spin_(?:dump|bug)|rwlock_bug|do_raw_\w+|__schedule_bug|refcount_\w+|__refcount_\w+|` +
	`__list_\w+_valid\w*|__list_\w+_report|list_(?:add|del)\w*|__list_(?:add|del)\w*|fortify_\w+|__fortify_\w+|usercopy_abort|__check_\w+|slab_\w+|object_\w*err|set_track\w*|alloc_debug\w*|free_debug\w*|___?slab_\w+|__slab_\w+|kmemleak\w*|create_object|` +
	`report_usercopy|print_trailer|init_object|debug_smp_\w+|__this_cpu_preempt_check|inject_\w+|should_fail\w*|fail_\w+|should_failslab|raw_local_irq\w*|warn_bogus\w+|trace_hardirqs\w*|trace_irq\w+|` +
	// memory
	`\w*k[mzcvr]*alloc(?:_\w+)?|kv?malloc\w*|__kmalloc\w*|__do_kmalloc\w*|kmem_cache_\w+|kfree\w*|kvfree\w*|vfree|__vfree|v[mz]alloc\w*|__vmalloc\w*|kzfree|kmalloc_\w+|cache_\w*|__alloc_pages\w*|alloc_pages\w*|__get_free_pages|get_page_from_freelist|krealloc\w*|kmemdup\w*|kstrdup\w*|memdup\w*|vmemdup\w*|__do_krealloc|kvmemdup\w*|__kv\w+|___cache_free|__cache_free|do_slab_free|free_large_kmalloc|post_alloc_hook|prep_new_page|` +
	`_*mem(?:cpy|set|move|cmp|chr|scan)\w*|str(?:n|l|s)?(?:cpy|cmp|len|chr|cat|str|nlen|casecmp|sep|lcpy|rchr|ncmp)\w*|strnstr|sized_strscpy|_*copy_(?:to|from|in)_\w+|copy_user_\w+|_copy_\w+|clear_user\w*|__clear_user|csum_\w+|crc\d\w*|_*find_(?:first|next)_\w+|_*asan_\w+|` +
	`instrument_\w+|__read_once\w*|read_word_at_a_time|__write_once\w*|arch_atomic\w*|atomic(?:64)?_\w+|arch_\w*bit|_*(?:test|set|clear|change)_(?:and_\w+_)?bit\w*|__fls|__ffs|get_\w*unaligned\w*|` +
	// locks, waits, scheduler
	`_*raw_(?:spin|read|write)_\w+|_raw_\w+|_*spin_(?:lock|unlock|trylock)\w*|_*(?:read|write)_(?:lock|unlock)\w*|queued_\w+|native_queued\w*|__pv_\w+|pv_\w+|_*mutex_\w+|_*rt_mutex\w*|rt_spin\w*|_*(?:down|up)(?:_(?:read|write|killable|interruptible|timeout|trylock)\w*)?|rwsem_\w+|percpu_(?:down|up)\w*|` +
	`_*(?:io_)?schedule(?:_\w+)?|preempt_\w+|_*cond_resched\w*|context_switch|__switch_to\w*|_*wait_(?:for_(?:completion|common)\w*|on_bit\w*|woken)|do_wait_for_common|bit_wait\w*|out_of_line_wait\w*|_*wait_on_\w+|__wait_rcu_gp|_*might_sleep\w*|_*local_bh_\w+|__local_bh\w+|rcu_(?:read_(?:un)?lock|note_context_switch|is_watching|gp_is\w*)\w*|` +
	`_*flush_work\w*|__cancel_work\w*|_*complete(?:_all)?|__wake_up\w*|wake_up_\w+|autoremove_wake_function|prepare_to_wait\w*|finish_task_switch|` +
	// objects
	`kobject_\w+|kref_\w+|device_(?:add|del|register|unregister|create|initialize)|_*cpumask_\w+|sysfs_warn_dup|sysfs_do_create_link\w*|sysfs_create_\w+|refcount_t|percpu_ref_\w+|idr_\w+|ida_\w+|proc_register|add_timer\w*|mod_timer\w*|__mod_timer|del_timer\w*|timer_\w+|call_rcu\w*|__call_rcu\w*|__traceiter_\w+|` +
	// what the rest of the kernel calls without being at fault: trees, strings, work queues, pages, sockets, I/O
	`rb_\w+|__rb_\w+|xas_\w+|xa_\w+|radix_tree_\w+|idr_get_free|maple_\w+|mas_\w+|timerqueue_\w+|lock_timer_base|string|vsnprintf|v?s[nc]*printf|pointer|v?printk\w*|_printk|console_\w+|` +
	`__queue_work|queue_(?:delayed_)?work\w*|insert_work|try_to_grab_pending|work_is_static_object|work_grab_pending|(?:__)?cancel_(?:delayed_)?work\w*|drain_workqueue|__flush_\w+|kthread_stop|finish_wait|add_wait_queue\w*|remove_wait_queue|osq_lock|ldsem_\w+|_*lock_page\w*|unlock_page|folio_(?:un)?lock\w*|folio_wait\w*|` +
	`lock_sock\w*|_*release_sock|skb_(?:panic|over_panic|under_panic|put|push|pull|trim)|bad_page\w*|free_page_is_bad|assertfail|__stack_chk_fail|rust_helper_BUG|__panic|rust_begin_unwind|\w+_noprof|_*alloc_\w*pages?\w*|_*page_cache_alloc|alloc_inode|pcpu_\w*alloc|_*kmem_cache_alloc\w*|` +
	`usb_(?:submit_urb|kill_urb|unlink_urb|poison_urb|hcd_submit_urb|start_wait_urb|internal_control_msg|control_msg\w*|bulk_msg|interrupt_msg)|_atomic_dec_and\w*|crc_\w+|__raw_(?:read|write)[bwlq]|(?:read|write)[bwlq]|(?:in|out)[bwl]|simple_copy_to_iter|_*copy_\w*(?:to|from)_iter\w*|iov_iter_\w*copy\w*|` +
	`sysfs_remove_\w+|device_destroy|device_unregister|get_device_parent|add_uevent_var|kobject_uevent\w*|devres_release_\w+|dev_(?:warn|err)\w*|look_up_lock_class|__x86_indirect_thunk\w*|__x86_return_thunk|retint_\w+|do_tag_check_fault|__hwasan_\w+|notifier_call_chain|` +
	// where work begins
	`entry_\w+|do_syscall\w*|_*do_fast_syscall\w*|do_int80\w*|el0\w*|invoke_syscall|ret_from_\w+|ret_fast_syscall|kthread|worker_thread|process_one_work|process_scheduled_works|__?sys_trace_return|system_call\w*|ia32_sys\w*|sysenter\w*|` +
	// watchdogs
	`watchdog\w*|rcu_(?:gp_\w+|print_\w+|sched_clock_irq|check_callbacks|dump\w*|stall\w*|pending)|nmi_(?:cpu_backtrace|trigger\w*)\w*|arch_trigger\w*|trigger_\w+|_?sched_show_task|show_state\w*|dump_cpu_task|debug_show\w*|__sysrq\w*|sysrq_\w+` +
	`)$`)

func skipped(function string) bool { return skipRE.MatchString(function) }

// hangs are the kinds in which the innermost frame is chance: the CPU was interrupted somewhere in a loop.
var hangs = map[string]bool{KindStall: true, KindSoftLockup: true, KindHardLockup: true}

var (
	// entryRE is where an interrupt broke in: what lies before it belongs to the watchdog.
	entryRE = regexp.MustCompile(`^(?:asm_)?(?:sysvec_\w+|smp_apic_timer\w*|apic_timer_interrupt|reschedule_interrupt|ret_from_intr|common_interrupt|nmi|end_repeat_nmi|exc_nmi|el1h?_(?:irq|64_irq)\w*|__irq_svc|handle_IPI|do_IRQ|irq_exit\w*)$`)
	// anchorRE is the frame below which a piece of work begins: a system call, a worker, a timer, a packet.
	anchorRE = regexp.MustCompile(`^(?:(?:do_|__do_|el0_|compat_)?(?:fast_|slow_)?sys(?:call|enter)\w*|do_(?:syscall|int80|fast_syscall)\w*|entry_\w+|invoke_syscall|ret_from_fork\w*|ret_fast_syscall|kthread|worker_thread|process_one_work|process_scheduled_works|` +
		`call_timer_fn|expire_timers|run_timer_\w+|__run_timers|__hrtimer_run_queues|__run_hrtimer|hrtimer_\w+|tasklet_action\w*|__do_softirq|do_softirq\w*|handle_softirqs|run_ksoftirqd|smpboot_thread_fn|` +
		`__netif_receive_skb\w*|netif_receive_skb\w*|process_backlog|net_rx_action|__napi_poll|napi_poll|sys_\w+|ksys_\w+|_+sys_\w+|vfs_\w+|do_vfs_\w+|compat_\w*ioctl|_*sock_sendmsg\w*|_*fput|task_work_run|exit_to_user\w*|prepare_exit_to\w*|vm_mmap\w*|do_mmap\w*|mmap_region|__do_fault|do_(?:readv|writev|iter)_\w+|new_sync_\w+|call_(?:read|write)_iter|__vfs_\w+|` +
		`do_idle|cpu_startup_entry|default_idle\w*|start_secondary|start_kernel|rest_init|secondary_startup\w*|__handle_\w+|do_one_initcall|do_init_module|load_module)$`)
)

// belowAnchor finds the work that a hanging CPU was at: in the first trace that tells, the frames from the one
// that an anchor called. The frames of the interrupt that noticed the hang are left out.
func belowAnchor(runs []run) []Frame {
	for _, r := range runs {
		frames := interrupted(r.frames)
		for i, f := range frames {
			if !f.Reliable || !anchorRE.MatchString(f.Function) {
				continue
			}
			for j := i - 1; j >= 0; j-- {
				if frames[j].Reliable && !skipped(frames[j].Function) {
					return keep(frames[j:])
				}
			}
		}
	}
	return nil
}

// interrupted cuts the frames of a watchdog's interrupt off the top of a trace.
func interrupted(frames []Frame) []Frame {
	for i, f := range frames {
		if i > 40 {
			break
		}
		if entryRE.MatchString(f.Function) {
			return frames[i+1:]
		}
	}
	return frames
}
