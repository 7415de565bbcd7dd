// SPDX-License-Identifier: GPL-2.0
/* exit leaves a timer behind, whose handler, which sets it again, is gone when it fires. */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/timer.h>

static struct timer_list *zoo_timer;

/* a slow machine may take longer than the first 30 ms until it frees the module */
static void zoo_fire(struct timer_list *timer)
{
	mod_timer(timer, jiffies + 1);
}

static int __init zoo_init(void)
{
	zoo_timer = kzalloc(sizeof(*zoo_timer), GFP_KERNEL);
	if (!zoo_timer)
		return -ENOMEM;
	timer_setup(zoo_timer, zoo_fire, 0);
	return 0;
}

static void __exit zoo_exit(void)
{
	mod_timer(zoo_timer, jiffies + msecs_to_jiffies(30));
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: timer_left");
