// SPDX-License-Identifier: GPL-2.0
/* exit never ends. */
#include <linux/module.h>

static noinline void zoo_spin(void)
{
	for (;;)
		cpu_relax();
}

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
	zoo_spin();
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: loop_exit");
