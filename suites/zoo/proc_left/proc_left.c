// SPDX-License-Identifier: GPL-2.0
/* exit does not remove the entry in /proc that init created. */
#include <linux/module.h>
#include <linux/proc_fs.h>

static int __init zoo_init(void)
{
	return proc_mkdir("zoo_entry", NULL) ? 0 : -ENOMEM;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: proc_left");
