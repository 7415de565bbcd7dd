// SPDX-License-Identifier: GPL-2.0
/* init kills the process that loads the module, which is PID 1. */
#include <linux/module.h>
#include <linux/sched/signal.h>

static int __init zoo_init(void)
{
	force_sig(SIGSEGV);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: kill_init");
