// SPDX-License-Identifier: GPL-2.0
/* init arms a timer, which writes through a NULL pointer while the suite runs. */
#include <linux/module.h>
#include <linux/timer.h>

static int watch_ms = 4000;
module_param(watch_ms, int, 0444);

static void zoo_fire(struct timer_list *unused)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	WRITE_ONCE(*nowhere, 1);
}

static DEFINE_TIMER(zoo_timer, zoo_fire);

static int __init zoo_init(void)
{
	mod_timer(&zoo_timer, jiffies + 2 * HZ);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: null_timer");
