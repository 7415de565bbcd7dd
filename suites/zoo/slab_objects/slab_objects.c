// SPDX-License-Identifier: GPL-2.0
/* exit destroys a slab cache of which an object is still in use. */
#include <linux/module.h>
#include <linux/slab.h>

static struct kmem_cache *zoo;

static int __init zoo_init(void)
{
	zoo = kmem_cache_create_usercopy("zoo_objects", 1000, 0, 0, 8, 16, NULL);
	if (!zoo)
		return -ENOMEM;
	return kmem_cache_alloc(zoo, GFP_KERNEL) ? 0 : -ENOMEM;
}

static void __exit zoo_exit(void)
{
	kmem_cache_destroy(zoo);
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: slab_objects");
