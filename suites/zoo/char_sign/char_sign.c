// SPDX-License-Identifier: GPL-2.0
/* init keeps -1 in a plain char, which is unsigned but for PCs, and since v6.2 there, too (Linux commit 3bc753c06dd0 ("kbuild: treat char as always unsigned")). */
#include <linux/module.h>

static int __init zoo_init(void)
{
	char none = -1;

	OPTIMIZER_HIDE_VAR(none);
	WARN_ON(none != -1);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: char_sign");
