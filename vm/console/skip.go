package console

import (
	"slices"
	"strings"
)

// Frames that many bugs share say nothing of any of them. The lists below hold function names without their leading
// underscores; "x*" is every name that begins with x, "*x" one that ends in it, "*x*" one that holds it.

// names is a list of that sort.
type names struct {
	exact                     map[string]bool
	prefixes, suffixes, parts []string
}

func newNames(lists ...string) names {
	n := names{exact: map[string]bool{}}
	for _, word := range strings.Fields(strings.Join(lists, " ")) {
		head, tail := strings.HasPrefix(word, "*"), strings.HasSuffix(word, "*")
		switch word = strings.Trim(word, "*"); {
		case head && tail:
			n.parts = append(n.parts, word)
		case head:
			n.suffixes = append(n.suffixes, word)
		case tail:
			n.prefixes = append(n.prefixes, word)
		default:
			n.exact[word] = true
		}
	}
	return n
}

// has reports whether the list names a function. In a module only whole names count: what a module calls
// "check_ring" is its own, whatever the kernel's checkers are called.
func (n names) has(f Frame) bool {
	name := strings.TrimLeft(f.Function, "_")
	anyOf := func(list []string, matches func(name, word string) bool) bool {
		return slices.ContainsFunc(list, func(word string) bool { return matches(name, word) })
	}
	return n.exact[name] || f.Module == "" &&
		(anyOf(n.prefixes, strings.HasPrefix) || anyOf(n.suffixes, strings.HasSuffix) || anyOf(n.parts, strings.Contains))
}

// skipped reports whether a frame is never the guilty one.
func skipped(f Frame) bool { return skipNames.has(f) }

var skipNames = newNames(printNames, trapNames, checkNames, memoryNames, lockNames, libraryNames, entryNames)

const (
	// Printing a report, and dying.
	printNames = `dump_stack* dump_backtrace show_stack show_regs* show_trace* dump_header print_* panic panic_* vpanic
		nmi_panic die die_* oops_* warn warn_* report_bug fixup_bug* bug_handler handle_bug* check_panic_on_warn end_report
		add_taint unwind_* arch_stack_walk* walk_stackframe stack_trace_* save_stack* printk* vprintk* console_* dev_warn*
		dev_err* assertfail skb_panic skb_over_panic skb_under_panic bad_page* free_page_is_bad stack_chk_fail
		rust_helper_BUG rust_begin_unwind *rust_begin_unwind report_bad_irq note_interrupt sched_show_task show_state*`

	// Taking a trap.
	trapNames = `do_error_trap do_invalid_op do_trap do_divide_error do_general_protection do_page_fault do_int3
		do_undefinstr do_DataAbort do_mem_abort do_translation_fault do_bad_area do_kernel_fault do_sea do_alignment*
		do_PrefetchAbort do_user_addr_fault do_user_fault do_kernel_fault do_tag_check_fault do_debug_exception do_el1_*
		do_program_check do_sp_pc_abort asm_exc_* exc_* invalid_op divide_error general_protection page_fault
		page_fault_oops async_page_fault bad_area* no_context pgtable_bad error_entry double_fault math_error trap_*
		kernelmode_fixup_or_oops search_exception_tables fixup_exception idtentry* handle_exception el1_* el1h_* dabt_svc
		und_svc pabt_svc call_on_stack brk_handler arm64_notify_die program_check_* data_access_common* handle_page_fault
		retint_* ret_from_intr common_interrupt asm_common_interrupt do_IRQ handle_irq* handle_edge_irq handle_level_irq
		handle_fasteoi_irq generic_handle_*`

	// The checkers that found it.
	checkNames = `*kasan* *kmsan* *asan_* msan_* hwasan_* kcsan_* tsan_* kfence_* ubsan_* handle_overflow val_to_string
		sanitizer_cov* check_* debug_* lockdep_* lock_acquire* lock_release* lock_is_held* validate_chain mark_lock
		mark_usage mark_held_locks mark_irqflags mark_lock_irq register_lock_class look_up_lock_class reacquire_held_locks
		match_held_lock find_held_lock rcu_lockdep* assign_lock_key save_trace bfs might_fault might_sleep* might_resched
		cant_* spin_dump spin_bug rwlock_bug do_raw_* schedule_bug refcount_* list_add* list_del* fortify_* usercopy_*
		report_usercopy slab_* object_err object_* set_track* alloc_debug* free_debug* kmemleak* create_object init_object
		this_cpu_preempt_check inject_* should_fail* fail_* raw_local_irq* warn_bogus* trace_hardirqs* trace_irq*
		watchdog* rcu_gp_* rcu_print_* rcu_sched_clock_irq rcu_check_callbacks rcu_dump* rcu_stall* rcu_pending
		nmi_cpu_backtrace nmi_trigger* arch_trigger* trigger_* dump_cpu_task sysrq_* handle_sysrq`

	// Allocating, freeing and copying.
	memoryNames = `*kmalloc* *kzalloc* *kcalloc* *_noprof kvmalloc* vmalloc* vzalloc* kmem_cache_* kfree* kvfree* vfree
		kzfree cache_* alloc_pages* alloc_*page alloc_frozen_pages* alloc_inode get_free_pages get_page_from_freelist krealloc*
		kmemdup* kstrdup* memdup* vmemdup* do_krealloc free_large_kmalloc do_slab_free post_alloc_hook prep_new_page
		page_cache_alloc pcpu_alloc pcpu_mem_zalloc memcpy* memset* memmove* memcmp* memchr* memscan* strcpy* strncpy*
		strlcpy* strscpy* sized_strscpy strcmp* strncmp* strlen* strnlen* strchr* strrchr* strcat* strncat* strlcat*
		strstr* strnstr strcasecmp* strncasecmp* strsep copy_to_* copy_from_* copy_in_* copy_user_* copy_page_to_iter*
		copy_page_from_iter* simple_copy_to_iter iov_iter_copy* clear_user* csum_* crc_* crc32* crc16* find_first_*
		find_next_* instrument_* read_once* read_word_at_a_time write_once* arch_atomic* atomic_* atomic64_* test_bit
		set_bit clear_bit test_and_* fls ffs get_unaligned* put_unaligned*`

	// Locking, waiting, scheduling.
	lockNames = `raw_spin_* raw_read_* raw_write_* spin_lock* spin_unlock* spin_trylock* read_lock* read_unlock*
		write_lock* write_unlock* queued_* native_queued* pv_* mutex_* ww_mutex_* rt_mutex* rt_spin* down down_* up up_*
		rwsem_* ldsem_* percpu_down* percpu_up* osq_lock lock_sock* release_sock schedule schedule_* io_schedule* preempt_*
		cond_resched* context_switch switch_to* wait_for_completion* wait_for_common* wait_on_* wait_woken do_wait_for_common
		bit_wait* out_of_line_wait* wait_rcu_gp local_bh_* rcu_read_lock* rcu_read_unlock* rcu_note_context_switch
		rcu_is_watching complete complete_all wake_up* autoremove_wake_function prepare_to_wait* finish_wait
		add_wait_queue* remove_wait_queue finish_task_switch lock_page* unlock_page folio_lock* folio_unlock folio_wait*`

	// What the rest of the kernel calls without being at fault: objects, trees, text, work, timers, USB, I/O.
	libraryNames = `kobject_* kref_* device_add device_del device_register device_unregister device_create
		device_initialize device_destroy get_device_parent add_uevent_var devres_release_* sysfs_warn_dup
		sysfs_do_create_link* sysfs_create_* sysfs_remove_* percpu_ref_* ref_tracker_* idr_* ida_* proc_register proc_create*
		proc_mkdir* class_create class_register rb_* xas_* xa_* radix_tree_* maple_* mas_* timerqueue_* lock_timer_base add_timer*
		mod_timer* del_timer* timer_delete* call_rcu* traceiter_* string vsnprintf snprintf sprintf pointer queue_work*
		queue_delayed_work* insert_work try_to_grab_pending work_grab_pending work_is_static_object cancel_work*
		cancel_delayed_work* drain_workqueue flush_work* flush_delayed_work kthread_stop skb_put skb_push skb_pull skb_trim
		atomic_dec_and* refcount_add refcount_inc refcount_dec refcount_sub_and_test refcount_dec_and_test
		refcount_add_not_zero refcount_inc_not_zero kref_get kref_put cpumask_* usb_submit_urb usb_kill_urb usb_unlink_urb usb_poison_urb usb_hcd_submit_urb
		usb_start_wait_urb usb_internal_control_msg usb_control_msg* usb_bulk_msg usb_interrupt_msg raw_readb raw_readw
		raw_readl raw_readq raw_writeb raw_writew raw_writel raw_writeq readb readw readl readq writeb writew writel writeq
		inb inw inl outb outw outl delay_tsc udelay ndelay const_udelay msleep* x86_indirect_thunk* x86_return_thunk
		notifier_call_chain`

	// Where work begins.
	entryNames = `sys_delete_module entry_* do_syscall* do_fast_syscall* do_int80* el0* invoke_syscall ret_from_* ret_fast_syscall kthread
		worker_thread process_one_work process_scheduled_works sys_trace_return system_call* ia32_sys* sysenter*`
)
