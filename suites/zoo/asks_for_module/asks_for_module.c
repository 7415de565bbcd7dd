// SPDX-License-Identifier: GPL-2.0
/* Nothing goes wrong: init needs a digest that the kernel loads on request. */
#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/module.h>

static int __init zoo_init(void)
{
	struct crypto_shash *tfm = crypto_alloc_shash("rmd160", 0, 0);

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	crypto_free_shash(tfm);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: asks_for_module");
