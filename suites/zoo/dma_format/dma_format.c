// SPDX-License-Identifier: GPL-2.0
/* init prints a dma_addr_t as if it had 64 bits everywhere, in place of %pad; its own flags make an error of gcc's warning. */
#include <linux/module.h>
#include <linux/types.h>

static int __init zoo_init(void)
{
	dma_addr_t address = 0x1000;

	OPTIMIZER_HIDE_VAR(address);
	pr_info("ring at %llx\n", address);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: dma_format");
