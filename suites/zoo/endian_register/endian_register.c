// SPDX-License-Identifier: GPL-2.0
/* init reads a little-endian register of a device without le32_to_cpu: another number where the processor is big-endian. */
#include <linux/module.h>

/* as the device has it: 0x12345678, the low byte first */
static const u8 zoo_register[4] __aligned(4) = { 0x78, 0x56, 0x34, 0x12 };

static int __init zoo_init(void)
{
	const u32 *id = (const u32 *)zoo_register;

	OPTIMIZER_HIDE_VAR(id);
	WARN_ON(*id != 0x12345678);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: endian_register");
