// SPDX-License-Identifier: GPL-2.0
/* init has the kernel show all tasks and processors, which looks much like faults and is none. */
#include <linux/module.h>
#include <linux/sysrq.h>

static void zoo_press(const char *keys)
{
	for (; *keys; keys++)
		handle_sysrq(*keys);
}

static int __init zoo_init(void)
{
	zoo_press("lwtmq");
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: stacks_on_demand");
