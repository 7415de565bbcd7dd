// SPDX-License-Identifier: GPL-2.0
/* init writes to a page of high memory by page_address(), without kmap: such a page has no address. */
#include <linux/module.h>
#include <linux/gfp.h>
#include <linux/highmem.h>

static int __init zoo_init(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER);

	if (!page)
		return -ENOMEM;
	memset(page_address(page), 0, PAGE_SIZE);
	__free_page(page);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: highmem_address");
