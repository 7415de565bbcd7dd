// SPDX-License-Identifier: GPL-2.0
/* init leaks memory. Only a kernel with kmemleak detects that. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init zoo_init(void)
{
	int i;

	for (i = 0; i < 8; i++) {
		char *lost = kzalloc(192, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(lost);
		if (!lost)
			return -ENOMEM;
	}
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: memory_leak");
