// SPDX-License-Identifier: GPL-2.0
/* exit does not unregister the network device that init registered. */
#include <linux/module.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/slab.h>

static int __init zoo_init(void)
{
	struct net_device *dev = alloc_netdev(0, "zoo%d", NET_NAME_ENUM, ether_setup);
	struct net_device_ops *ops = kzalloc(sizeof(*ops), GFP_KERNEL);

	if (!dev || !ops)
		return -ENOMEM;
	dev->netdev_ops = ops;
	eth_hw_addr_random(dev);
	return register_netdev(dev);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: netdev_left");
