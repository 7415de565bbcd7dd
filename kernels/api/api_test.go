package api

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

const gcc12 = `make[1]: Entering directory '/usr/src/linux-headers-6.12.117+deb13-amd64'
  CC [M]  /build/src/v4l2loopback.o
/build/src/v4l2loopback.c: In function 'vidioc_querycap':
/build/src/v4l2loopback.c:645:9: error: implicit declaration of function ‘strlcpy’; did you mean ‘strscpy’? [-Wimplicit-function-declaration]
  645 |         strlcpy(cap->driver, "v4l2 loopback", sizeof(cap->driver));
/build/src/v4l2loopback.c:650:9: error: implicit declaration of function 'strlcpy' [-Werror]
/build/src/a.c:1:2: error: 'struct block_device' has no member named 'bd_inode'; did you mean 'bd_mapping'?
`

func TestFaults(t *testing.T) {
	for log, want := range map[string][]results.Ident{
		gcc12: {{Name: "strlcpy", Hint: "strscpy"}, {Name: "bd_inode", Of: "struct block_device", Kind: Member, Hint: "bd_mapping"}},
		"a.c:3:9: error: call to undeclared function 'del_timer'; ISO C99 and later do not support it":               {{Name: "del_timer"}},
		"a.c:3:9: error: call to undeclared library function 'strlcpy' with type 'x'":                                {{Name: "strlcpy"}},
		"a.c:1:2: error: no member named 'bd_inode' in 'struct block_device'":                                        {{Name: "bd_inode", Of: "struct block_device", Kind: Member}},
		"a.c:1:2: error: 'struct proto_ops' has no member named 'sendpage'":                                          {{Name: "sendpage", Of: "struct proto_ops", Kind: Member}},
		"a.c:1:2: error: 'bdev_t' {aka 'struct block_device'} has no member named 'bd_inode'":                        {{Name: "bd_inode", Of: "struct block_device", Kind: Member}},
		"a.c:1:2: error: too few arguments to function 'v4l2_fh_add'":                                                {{Name: "v4l2_fh_add"}},
		"a.c:1:2: error: too many arguments to function 'class_create'; expected 1, have 2":                          {{Name: "class_create"}},
		"a.c:1:2: error: too few arguments to function call, expected 2, have 1":                                     nil,
		`a.c:9:4: error: macro "assign_str" passed 2 arguments, but takes just 1`:                                    {{Name: "assign_str"}},
		"a.c:1:2: error: passing argument 2 of 'bus_find' from incompatible pointer type [-Werror=incompatible-poi]": {{Name: "bus_find"}},
		"a.c:1:2: error: unknown type name 'u_long_t'; did you mean 'ulong'?":                                        {{Name: "u_long_t", Hint: "ulong"}},
		"a.c:1:2: error: 'FOLL_TOUCH' undeclared (first use in this function); did you mean 'FOLL_PIN'?":             {{Name: "FOLL_TOUCH", Hint: "FOLL_PIN"}},
		"a.c:1:2: error: use of undeclared identifier 'FOLL_TOUCH'":                                                  {{Name: "FOLL_TOUCH"}},
		"a.c:1:2: error: invalid use of undefined type 'struct timeval'":                                             {{Name: "timeval", Kind: Type}},
		"a.c:1:2: error: incomplete definition of type 'struct timeval'":                                             {{Name: "timeval", Kind: Type}},
		"a.c:5:10: fatal error: linux/genhd.h: No such file or directory":                                            {{Name: "linux/genhd.h", Kind: Header}},
		"a.c:5:10: fatal error: 'linux/genhd.h' file not found":                                                      {{Name: "linux/genhd.h", Kind: Header}},
		`ERROR: modpost: "kallsyms_lookup_name" [/build/src/a.ko] undefined!`:                                        {{Name: "kallsyms_lookup_name", Kind: Symbol}},
		"ERROR: modpost: a.o: symbol 'kallsyms_lookup_name' undefined!":                                              {{Name: "kallsyms_lookup_name", Kind: Symbol}},
		"a.ko: undefined symbol kallsyms_lookup_name (and 2 more)":                                                   {{Name: "kallsyms_lookup_name", Kind: Symbol}},
		"a.c:1:2: warning: unused variable 'strlcpy'":                                                                nil,
		"  645 |  strlcpy(cap->driver) // error: implicit declaration":                                               nil,
		strings.Repeat("a.c:1:2: error: 'struct x' has no member named 'y'\n", 9):                                    {{Name: "y", Of: "struct x", Kind: Member}},
	} {
		got := Faults(log)
		if len(got) != len(want) {
			t.Errorf("%s: got %+v; want %+v", log, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: got %+v; want %+v", log, got[i], want[i])
			}
		}
	}
}

// header is written into a tree of headers: path and text.
type header map[string]string

func tree(t *testing.T, files header) *Headers {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &Headers{dirs: []dir{{filepath.Join(root, "include"), "include"}}, symvers: filepath.Join(root, "Module.symvers")}
}

const blkTypes = `/* SPDX */
#ifndef BLK_TYPES_H
#define BLK_TYPES_H
struct inode; // of bd_inode
struct block_device {
	sector_t		bd_start_sect;
	struct {
		int a;
	} nested;
	union {
		struct inode *	bd_inode;	/* will die */
		int bd_flags:3, bd_more;
	};
	void (*bd_release)(struct inode *bd_arg, int);
#ifdef CONFIG_X
	char bd_name[32];
#endif
} __randomize_layout;
#endif
`

const funcs = `#ifdef CONFIG_A
extern int __must_check two_lines(struct inode *inode,
				  const char *name);
#else
static inline int two_lines(struct inode *inode, const char *name) { return 0; }
#endif
#ifdef BROKEN
static inline void half(void) {
#else
static inline void half(int a) {
#endif
	call_me(1);
}
size_t strlcpy(char *, const char *, size_t);
#define from_timer(var, callback_timer, timer_fieldname) \
	container_of(callback_timer, typeof(*var), timer_fieldname)
enum fault_flag {
	FAULT_FLAG_WRITE =	1 << 0,
	FAULT_FLAG_LAST,
};
typedef void (*work_func_t)(struct work_struct *work);
typedef struct { int counter; } atomic_t;
typedef unsigned int __bitwise gfp_t;
extern unsigned long volatile jiffies;
const char *words = "strange { brace", c = '"';
struct file *alloc_file_pseudo(struct inode *, struct vfsmount *,
	const char *, int flags, const struct file_operations *);
DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))
void after_guard(void);
`

func TestFind(t *testing.T) {
	h := tree(t, header{"include/linux/blk_types.h": blkTypes, "include/linux/funcs.h": funcs,
		"Module.symvers": "0x12345678\tsym_one\tvmlinux\tEXPORT_SYMBOL_GPL\t\nbad line\n0x1\tsym_two\tdrivers/x\tEXPORT_SYMBOL\tNS\n"})
	for _, c := range []struct {
		id   results.Ident
		want string
		line int
	}{
		{results.Ident{Name: "bd_inode", Of: "struct block_device", Kind: Member}, "member: struct inode * bd_inode", 11},
		{results.Ident{Name: "bd_flags", Of: "struct block_device", Kind: Member}, "member: int bd_flags:3, bd_more", 12},
		{results.Ident{Name: "bd_more", Of: "struct block_device", Kind: Member}, "member: int bd_flags:3, bd_more", 12},
		{results.Ident{Name: "bd_release", Of: "struct block_device", Kind: Member}, "member: void (*bd_release)(struct inode *bd_arg, int)", 14},
		{results.Ident{Name: "bd_name", Of: "struct block_device", Kind: Member}, "member: char bd_name[32]", 16},
		{results.Ident{Name: "bd_gone", Of: "struct block_device", Kind: Member}, "", 0},
		{results.Ident{Name: "block_device", Kind: Type}, "struct: struct block_device", 5},
		{results.Ident{Name: "two_lines"}, "function: extern int __must_check two_lines(struct inode *inode, const char *name)", 2},
		{results.Ident{Name: "strlcpy"}, "function: size_t strlcpy(char *, const char *, size_t)", 14},
		{results.Ident{Name: "from_timer"}, "macro: define from_timer(var, callback_timer, timer_fieldname) container_of(callback_timer, typeof(*var), timer_fieldname)", 15},
		{results.Ident{Name: "FAULT_FLAG_WRITE"}, "constant: enum fault_flag: FAULT_FLAG_WRITE = 1 << 0", 18},
		{results.Ident{Name: "FAULT_FLAG_LAST"}, "constant: enum fault_flag: FAULT_FLAG_LAST", 19},
		{results.Ident{Name: "work_func_t"}, "typedef: typedef void (*work_func_t)(struct work_struct *work)", 21},
		{results.Ident{Name: "atomic_t"}, "typedef: typedef struct {} atomic_t", 22},
		{results.Ident{Name: "gfp_t"}, "typedef: typedef unsigned int __bitwise gfp_t", 23},
		{results.Ident{Name: "jiffies"}, "variable: extern unsigned long volatile jiffies", 24},
		{results.Ident{Name: "alloc_file_pseudo"}, "function: struct file *alloc_file_pseudo(struct inode *, struct vfsmount *, const char *, int flags, const struct file_operations *)", 26},
		{results.Ident{Name: "half"}, "inline: static inline void half(int a)", 10},
		{results.Ident{Name: "call_me"}, "", 0},
		{results.Ident{Name: "inode"}, "", 0},
		{results.Ident{Name: "linux/funcs.h", Kind: Header}, "header: funcs.h", 0},
		{results.Ident{Name: "sym_one", Kind: Symbol}, "export: EXPORT_SYMBOL_GPL(sym_one) in vmlinux", 1},
		{results.Ident{Name: "sym_two", Kind: Symbol}, "export: EXPORT_SYMBOL(sym_two) in drivers/x, namespace NS", 3},
	} {
		got, line := "", 0
		if d := h.Find([]results.Ident{c.id})[0].best(); d != nil {
			got, line = d.Form+": "+d.Text, d.Line
		}
		if got != c.want || line != c.line {
			t.Errorf("%s: got %q:%d; want %q:%d", c.id, got, line, c.want, c.line)
		}
	}
}
