// SPDX-License-Identifier: GPL-2.0
/* init never ends on one of two CPUs and cannot be preempted; the other CPU goes on. */
#include <linux/module.h>
#include <linux/preempt.h>

static noinline void zoo_spin(void)
{
	for (;;)
		cpu_relax();
}

static int __init zoo_init(void)
{
	preempt_disable();
	zoo_spin();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: loop_on_one_of_two");
