// SPDX-License-Identifier: GPL-2.0
/* The kernel itself refuses the text that is given for a number. */
#include <linux/module.h>

static int capacity = 16;
module_param(capacity, int, 0444);

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: param_garbage");
