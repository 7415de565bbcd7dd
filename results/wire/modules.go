package wire

import "strings"

// MaxWanted bounds the module requests that are reported of one guest.
const MaxWanted = 64

// IsRequest says whether name can be what a kernel asks modprobe for: a module, or an alias such as crypto-ecb(aes) and
// net-pf-10-proto-132. Linux itself asks for names of less than 64 bytes (MODULE_NAME_LEN, kernel/module/kmod.c).
func IsRequest(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:*,.+=()"
	return name != "" && len(name) <= 64 && strings.Trim(name, allowed) == ""
}
