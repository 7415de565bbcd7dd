// SPDX-License-Identifier: GPL-2.0
/* init warns in the middle of more noise than a console log keeps. */
#include <linux/module.h>

static void zoo_noise(int lines)
{
	while (lines-- > 0)
		pr_info("flood_hides_warn: the quick brown fox jumps over the lazy dog, and then over it again and again and again\n");
}

static int __init zoo_init(void)
{
	zoo_noise(20000);
	WARN_ON(1);
	zoo_noise(60000);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: flood_hides_warn");
