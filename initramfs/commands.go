package initramfs

// initPackage is PID 1, shellPackage the shell for a person, and urootCommands is where the commands beside them come from.
const (
	initPackage   = "github.com/modmatrix/modmatrix/cmd/modmatrix-init"
	shellPackage  = "github.com/modmatrix/modmatrix/cmd/modmatrix-shell"
	urootCommands = "github.com/u-root/u-root/cmds/core/"
	shellTag      = "goshsmall" // gosh, for scripts, without its line editors and the many packages that these need
)

// commands are u-root's commands in every guest: what somebody who looks at a driver by hand needs. Suites may rely on
// them. Where one needs a module that go.mod does not name, it is imported in commands_tools.go.
var commands = []string{
	"basename", "cat", "chmod", "cmp", "cp", "date", "dd", "df", "dirname", "dmesg", "du", "echo", "false", "find", "free",
	"gosh", "grep", "gzip", "head", "hexdump", "hostname", "id", "insmod", "kill", "ln", "ls", "lsdrivers", "lsmod", "mkdir",
	"mknod", "mktemp", "more", "mount", "mv", "pci", "pidof", "poweroff", "printenv", "ps", "pwd", "readlink", "realpath",
	"rm", "rmmod", "seq", "shasum", "sleep", "sort", "strace", "strings", "stty", "sync", "tail", "tar", "tee", "time",
	"timeout", "touch", "tr", "true", "umount", "uname", "uniq", "uptime", "wc", "which", "xargs", "yes",
}
