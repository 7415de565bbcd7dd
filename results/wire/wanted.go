package wire

// Bounds of what a kernel may ask modprobe for. Linux itself asks for names of less than 64 bytes (MODULE_NAME_LEN in
// include/linux/module.h, kernel/module/kmod.c).
const (
	MaxWanted     = 64 // names that are told of one guest
	maxWantedName = 64 // bytes
)

// CanBeAsked tells whether name may be that of a module, or an alias such as crypto-ecb(aes) and net-pf-10-proto-132.
func CanBeAsked(name string) bool {
	if name == "" || len(name) > maxWantedName {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		switch c {
		case '_', '-', ':', '*', ',', '.', '+', '=', '(', ')':
		default:
			if !letter {
				return false
			}
		}
	}
	return true
}
