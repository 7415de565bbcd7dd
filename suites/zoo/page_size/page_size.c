// SPDX-License-Identifier: GPL-2.0
/* init takes the page behind the first 4096 bytes for another one: pages may have 16 or 64 KiB. */
#include <linux/module.h>
#include <linux/gfp.h>
#include <linux/mm.h>

static int __init zoo_init(void)
{
	unsigned long two = __get_free_pages(GFP_KERNEL, 1);

	if (!two)
		return -ENOMEM;
	WARN_ON(virt_to_page((void *)two) == virt_to_page((void *)(two + 4096)));
	free_pages(two, 1);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: page_size");
