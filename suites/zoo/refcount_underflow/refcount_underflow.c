// SPDX-License-Identifier: GPL-2.0
/* init drops more references than there are. */
#include <linux/module.h>
#include <linux/refcount.h>

static refcount_t zoo = REFCOUNT_INIT(1);

static int __init zoo_init(void)
{
	if (refcount_dec_and_test(&zoo))
		pr_info("refcount_underflow: the last one went\n");
	if (refcount_dec_and_test(&zoo))
		pr_info("refcount_underflow: and one more\n");
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: refcount_underflow");
