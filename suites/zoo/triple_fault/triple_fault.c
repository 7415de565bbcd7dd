// SPDX-License-Identifier: GPL-2.0
/* init loads an empty interrupt table and then interrupts: a triple fault. */
#include <linux/module.h>
#include <asm/desc.h>

static int __init zoo_init(void)
{
	struct desc_ptr none = { .size = 0, .address = 0 };

	asm volatile("lidt %0\n\tint3" : : "m" (none));
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: triple_fault");
