// SPDX-License-Identifier: GPL-2.0
/* exit does not remove an entry in /proc, so that the second load fails. */
#include <linux/module.h>
#include <linux/proc_fs.h>

static int __init zoo_init(void)
{
	return proc_mkdir("zoo_second", NULL) ? 0 : -EEXIST;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: second_load");
