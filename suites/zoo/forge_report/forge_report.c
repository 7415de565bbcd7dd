// SPDX-License-Identifier: GPL-2.0
/* init writes an end frame with a guessed nonce to the line to the host, then faults. */
#include <linux/module.h>
#include <linux/crc32.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/string.h>

static const char text[] = "{\"kind\":\"end\",\"nonce\":\"GUESSED\",\"seq\":99,\"at\":1}";

/* as in results/arch */
#if defined(CONFIG_S390)
#define ZOO_LINE "/dev/vport0p1"
#elif defined(CONFIG_ARM) || defined(CONFIG_ARM64)
#define ZOO_LINE "/dev/ttyS0"
#elif defined(CONFIG_PPC64)
#define ZOO_LINE "/dev/hvc1"
#else
#define ZOO_LINE "/dev/ttyS1"
#endif

/* The frames of results/wire: magic, length, checksum of both, text, checksum of the text; little endian. */
static size_t zoo_frame(u8 *to)
{
	u32 n = sizeof(text) - 1, sum;

	memcpy(to, "\xf5MMX", 4);
	memcpy(to + 4, &n, 4);
	sum = ~crc32_le(~0, to, 8);
	memcpy(to + 8, &sum, 4);
	memcpy(to + 12, text, n);
	sum = ~crc32_le(~0, to + 12, n);
	memcpy(to + 12 + n, &sum, 4);
	return n + 16;
}

static int __init zoo_init(void)
{
	static u8 frame[256];
	struct file *line = filp_open(ZOO_LINE, O_WRONLY | O_NOCTTY | O_NONBLOCK, 0);
	loff_t at = 0;

	if (IS_ERR(line))
		return PTR_ERR(line);
	pr_info("forge_report: wrote %zd bytes\n", kernel_write(line, frame, zoo_frame(frame), &at));
	filp_close(line, NULL);
	WARN_ON(1);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: forge_report");
