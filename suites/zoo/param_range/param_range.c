// SPDX-License-Identifier: GPL-2.0
/* init refuses a parameter that is out of range. */
#include <linux/module.h>

static int capacity = 16;
module_param(capacity, int, 0444);

static int __init zoo_init(void)
{
	if (capacity < 1 || capacity > 1024) {
		pr_err("param_range: capacity %d is out of range\n", capacity);
		return -EINVAL;
	}
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: param_range");
