// SPDX-License-Identifier: GPL-2.0
/* exit leaves delayed work behind, whose function, which queues it again, is gone when it is due. */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

static struct delayed_work *zoo_work;

/* a slow machine may take longer than the first 30 ms until it frees the module */
static void zoo_toil(struct work_struct *work)
{
	schedule_delayed_work(to_delayed_work(work), 1);
}

static int __init zoo_init(void)
{
	zoo_work = kzalloc(sizeof(*zoo_work), GFP_KERNEL);
	if (!zoo_work)
		return -ENOMEM;
	INIT_DELAYED_WORK(zoo_work, zoo_toil);
	return 0;
}

static void __exit zoo_exit(void)
{
	schedule_delayed_work(zoo_work, msecs_to_jiffies(30));
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: work_left");
