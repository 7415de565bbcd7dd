// SPDX-License-Identifier: GPL-2.0
/* Claims in .modinfo, before the real entry, to be built for another kernel. */
#include <linux/module.h>

/* What modpost adds comes behind it, and the kernel believes the first. */
MODULE_INFO(vermagic, "2.6.32-zoo SMP mod_unload ");

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
MODULE_DESCRIPTION("modmatrix zoo: wrong_vermagic");
