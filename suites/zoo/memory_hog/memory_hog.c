// SPDX-License-Identifier: GPL-2.0
/* init allocates all memory there is, page by page. */
#include <linux/module.h>
#include <linux/gfp.h>
#include <linux/mm.h>

static int __init zoo_init(void)
{
	struct page *page;
	unsigned long n;

	for (n = 0; (page = alloc_page(GFP_KERNEL)); n++)
		memset(page_address(page), 0xa5, PAGE_SIZE);
	pr_info("memory_hog: ate %lu pages\n", n);
	return -ENOMEM;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: memory_hog");
