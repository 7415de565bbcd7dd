// SPDX-License-Identifier: GPL-2.0
/* init frees the same memory twice. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init zoo_init(void)
{
	void *once = kmalloc(192, GFP_KERNEL);
	void *twice = once;

	OPTIMIZER_HIDE_VAR(twice);
	kfree(once);
	kfree(twice);
	/* Caches with sheaves (mm/slub.c, since 6.18) do not see it: take the memory twice, so that nobody shares it. */
	twice = kmalloc(192, GFP_KERNEL);
	OPTIMIZER_HIDE_VAR(twice);
	twice = kmalloc(192, GFP_KERNEL);
	OPTIMIZER_HIDE_VAR(twice);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: double_free");
