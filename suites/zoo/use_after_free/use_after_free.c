// SPDX-License-Identifier: GPL-2.0
/* init reads memory that it has freed. Only a kernel with KASAN detects that. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init zoo_init(void)
{
	char *gone = kmalloc(192, GFP_KERNEL);
	char *still = gone;

	if (!gone)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(still);
	kfree(gone);
	return READ_ONCE(still[100]) == 0 ? 0 : 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: use_after_free");
