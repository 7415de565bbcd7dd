// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/firmware.h>
#include <linux/init.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/platform_device.h>

static int there(const char *name)
{
	struct path path;
	int ret = kern_path(name, 0, &path);

	if (!ret)
		path_put(&path);
	return ret;
}

static int __init sv_main_init(void)
{
	struct platform_device *device;
	const struct firmware *fw;
	int ret;

	if (there("/sys/module/sv_soft"))
		return -ESRCH;
	if (request_module("sv-%s", "io") || there("/sys/module/sv_io"))
		return -ENOPKG;
	device = platform_device_register_simple("several", -1, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	ret = request_firmware(&fw, "several.bin", &device->dev);
	if (!ret)
		release_firmware(fw);
	platform_device_unregister(device);
	return ret;
}

static void __exit sv_main_exit(void)
{
}

module_init(sv_main_init);
module_exit(sv_main_exit);

MODULE_SOFTDEP("pre: sv_soft");
MODULE_FIRMWARE("several.bin");
MODULE_DESCRIPTION("needs two others of its package, and a file");
MODULE_LICENSE("GPL");
