// SPDX-License-Identifier: GPL-2.0
/* A timer handler never ends, while the suite runs. */
#include <linux/module.h>
#include <linux/timer.h>

static int watch_ms = 20000;
module_param(watch_ms, int, 0444);

static void zoo_spin(struct timer_list *unused)
{
	for (;;)
		cpu_relax();
}

static DEFINE_TIMER(zoo_timer, zoo_spin);

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
MODULE_DESCRIPTION("modmatrix zoo: loop_timer");
