// SPDX-License-Identifier: GPL-2.0
/* exit leaves a kernel thread behind, which runs in the module's code, which is freed. */
#include <linux/module.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>

static int zoo_walk(void *unused)
{
	for (;;)
		msleep(10);
	return 0;
}

static int __init zoo_init(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(zoo_walk, NULL, "zoo_dies"));
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: thread_dies");
