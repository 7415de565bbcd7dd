// SPDX-License-Identifier: GPL-2.0
/* Logs the words of faults in the middle of sentences, and does nothing wrong. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	pr_info("harmless_words: DEBUG: nothing to see\n");
	pr_info("harmless_words: ODEBUG is off, BUG_ON disabled, no WARNING\n");
	pr_warn("harmless_words: Oops: just kidding\n");
	pr_err("harmless_words: panic button pressed, not syncing\n");
	pr_notice("harmless_words: MY_BUG: 7, _INFO: task list blocked for no more than 5 seconds\n");
	pr_notice("harmless_words: general protection is on, invalid opcodes: 0, KASAN: off\n");
	pr_info("harmless_words: 3 warnings, 0 errors; call trace: none; RIP: not today\n");
	pr_info("harmless_words: refcount_test: 1, list_add works, use-after-free: never\n");
	pr_info("harmless_words: stall detector ready, no soft lockup, out of memory: no\n");
	return 0;
}

static void __exit zoo_exit(void)
{
	pr_info("harmless_words: FAIL: 0, leaked: 0, double-free: 0\n");
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: harmless_words");
