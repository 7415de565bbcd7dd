// SPDX-License-Identifier: GPL-2.0
/* init taints the kernel with W and logs nothing. */
#include <linux/module.h>
#include <linux/kernel.h>

static int __init zoo_init(void)
{
	add_taint(TAINT_WARN, LOCKDEP_STILL_OK);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: taint_only");
