// SPDX-License-Identifier: GPL-2.0
/* exit does not destroy the slab cache that init created. */
#include <linux/module.h>
#include <linux/slab.h>

static struct kmem_cache *zoo;

static int __init zoo_init(void)
{
	/* A user region keeps the cache from being merged with another of its size. */
	zoo = kmem_cache_create_usercopy("zoo_cache", 1000, 0, 0, 8, 16, NULL);
	return zoo ? 0 : -ENOMEM;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: slab_left");
