// SPDX-License-Identifier: GPL-2.0
/* init writes past the end of an array on its stack, over the compiler's canary. */
#include <linux/module.h>

static noinline int zoo_smash(int n)
{
	char small[16];
	volatile char *p = small;
	int i;

	OPTIMIZER_HIDE_VAR(p);
	for (i = 0; i < n; i++)
		p[i] = 'x';
	return p[0];
}

static int __init zoo_init(void)
{
	return zoo_smash(32) == 'y' ? -EINVAL : 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: stack_smash");
