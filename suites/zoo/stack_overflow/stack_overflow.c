// SPDX-License-Identifier: GPL-2.0
/* init calls a function that calls itself until the stack is used up. */
#include <linux/module.h>

static int depth = 1000000;
module_param(depth, int, 0444);

static noinline int zoo_dive(int left)
{
	char frame[256];

	memset(frame, left, sizeof(frame));
	OPTIMIZER_HIDE_VAR(left);
	barrier_data(frame);
	if (left == 0)
		return frame[17];
	return zoo_dive(left - 1) + frame[left & 255];
}

static int __init zoo_init(void)
{
	pr_info("stack_overflow: %d\n", zoo_dive(depth));
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: stack_overflow");
