// SPDX-License-Identifier: GPL-2.0
/* exit warns. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
	WARN(1, "warn_exit: the door is stuck\n");
	barrier(); /* arm would jump to what warns, and have no frame of this function */
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: warn_exit");
