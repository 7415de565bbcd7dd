package api

import (
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

const gccPointer = `vhba.c:532:21: error: initialization of ‘enum scsi_qc_status (*)(struct Scsi_Host *, struct scsi_cmnd *)’ from incompatible pointer type ‘int (*)(struct Scsi_Host *, struct scsi_cmnd *)’ [-Wincompatible-pointer-types]
  532 |     .queuecommand = vhba_queuecommand,
      |                     ^~~~~~~~~~~~~~~~~
vhba.c:532:21: note: (near initialization for ‘vhba_template.queuecommand’)
`

const clangPointer = `vhba.c:532:21: error: incompatible function pointer types initializing 'enum scsi_qc_status (*)(struct Scsi_Host *, struct scsi_cmnd *)' with an expression of type 'int (struct Scsi_Host *, struct scsi_cmnd *)' [-Wincompatible-function-pointer-types]
  532 |     .queuecommand = vhba_queuecommand,
`

const gccNested = `dm.c:482:29: error: initialization of 'void (*)(long unsigned int,  long unsigned int,  void *)' from incompatible pointer type 'void (*)(long unsigned int,  void *)' [-Wincompatible-pointer-types]
  482 |                 .notify.fn = dmio_done,
dm.c:482:29: note: (near initialization for 'io_req.notify.fn')
`

const gccAssigned = `x.c:9:2: error: assignment to 'void (*)(long unsigned int,  long unsigned int,  void *)' from incompatible pointer type 'void (*)(long unsigned int,  void *)'
    9 |         req->notify.fn = done;
`

const gccArgument = `dm.c:7:40: error: passing argument 6 of 'dm_kcopyd_copy' from incompatible pointer type
    7 |         dm_kcopyd_copy(a, b, 1, c, 0, done, d);
include/linux/dm-kcopyd.h:69:64: note: expected 'dm_kcopyd_notify_fn' {aka 'void (*)(int,  long unsigned int,  void *)'} but argument is of type 'void (*)(int,  void *)'
`

const scsiOld = `struct other { int (*queuecommand)(int); };
struct scsi_host_template {
	/* The queuecommand function is used to queue up a scsi */
	int (* queuecommand)(struct Scsi_Host *, struct scsi_cmnd *);
};
struct same { int (*queuecommand)(struct Scsi_Host *h, struct scsi_cmnd *c); };
typedef void (*io_notify_fn)(unsigned int long error, void *context);
typedef void (*dm_kcopyd_notify_fn)(int read_err, void *context);
struct dm_io_notify { io_notify_fn fn; void *context; };
struct work { work_func_t fn; };
`

const scsiNew = `struct other { int (*queuecommand)(int); };
struct scsi_host_template {
	enum scsi_qc_status (*queuecommand)(struct Scsi_Host *,
					    struct scsi_cmnd *);
};
struct same { int (*queuecommand)(struct Scsi_Host *h, struct scsi_cmnd *c); };
typedef void (*io_notify_fn)(unsigned long int error, unsigned long int unsup, void *context);
typedef void (*dm_kcopyd_notify_fn)(int read_err, unsigned long write_err, void *context);
struct dm_io_notify { io_notify_fn fn; void *context; };
struct work { work_func_t fn; };
`

// A compiler shows the types of two functions and a member's name; which struct of the kernel's has the member is found out.
func TestPointers(t *testing.T) {
	old, fresh := tree(t, header{"include/scsi/host.h": scsiOld}), tree(t, header{"include/scsi/host.h": scsiNew})
	for log, want := range map[string]struct {
		id       string
		old, new string
	}{
		gccPointer:   {"struct scsi_host_template.queuecommand", "int (* queuecommand)(struct Scsi_Host *, struct scsi_cmnd *)", "enum scsi_qc_status (*queuecommand)(struct Scsi_Host *, struct scsi_cmnd *)"},
		clangPointer: {"struct scsi_host_template.queuecommand", "int (* queuecommand)(struct Scsi_Host *, struct scsi_cmnd *)", "enum scsi_qc_status (*queuecommand)(struct Scsi_Host *, struct scsi_cmnd *)"},
		gccNested:    {"io_notify_fn", "typedef void (*io_notify_fn)(unsigned int long error, void *context)", "typedef void (*io_notify_fn)(unsigned long int error, unsigned long int unsup, void *context)"},
		gccAssigned:  {"io_notify_fn", "typedef void (*io_notify_fn)(unsigned int long error, void *context)", "typedef void (*io_notify_fn)(unsigned long int error, unsigned long int unsup, void *context)"},
	} {
		changes := Compare(old, fresh, Faults(log))
		if len(changes) != 1 {
			t.Errorf("%s: %+v", log, changes)
			continue
		}
		c := changes[0]
		if c.Ident.String() != want.id || c.What != results.DeclChanged || c.Old.Text != want.old || c.New.Text != want.new {
			t.Errorf("%s: %+v, %+v, %+v", log, c, c.Old, c.New)
		}
	}
	changes := Compare(old, fresh, Faults(gccArgument))
	if len(changes) != 2 || changes[1].Ident.Name != "dm_kcopyd_notify_fn" || changes[1].What != results.DeclChanged {
		t.Errorf("an argument: %+v", changes)
	}
}

// What is of no member, or of one that neither tree has with these types, is said to be unseen.
func TestPointersThatAreNone(t *testing.T) {
	old := tree(t, header{"include/a.h": "struct a { int (*f)(int); };\n"})
	for log, want := range map[string]int{
		"a.c:1:2: error: initialization of 'int *' from incompatible pointer type 'long int *'\n  1 | .x = y,\n":                                 0,
		"a.c:1:2: error: initialization of 'int (*)(long int)' from incompatible pointer type 'int (*)(int)'\n":                                  0,
		"a.c:1:2: error: initialization of 'int (*)(long int)' from incompatible pointer type 'int (*)(int)'\n  1 | .f = y,\n":                   1,
		"a.c:1:2: error: initialization of 'int (*)(long int)' from incompatible pointer type 'int (*)(int)'\na.c:2:1: error: x\n 1 |  .f = y\n": 0,
	} {
		ids := Faults(log)
		if len(ids) != want {
			t.Errorf("%s: %+v", log, ids)
			continue
		}
		for _, c := range Compare(old, old, ids) {
			if c.What != results.DeclUnseen || c.Ident.String() != "f" {
				t.Errorf("%s: %+v", log, c)
			}
		}
	}
}

func TestSignature(t *testing.T) {
	for _, c := range []struct{ text, name, want string }{
		{"int (* queuecommand)(struct Scsi_Host *, struct scsi_cmnd *)", "queuecommand", "int(*)(struct Scsi_Host*,struct scsi_cmnd*)"},
		{"typedef void (*f)(unsigned int long error, void *context)", "f", "void(*)(unsigned long,void*)"},
		{"void (*)(long unsigned int,  void *)", "", "void(*)(unsigned long,void*)"},
		{"const char *(*get)(const struct x *a, char const b[], ...)", "get", "const char*(*)(const struct x*,const char*,...)"},
		{"unsigned (*n)(unsigned, short int, signed long, char, u32 x, size_t)", "n", "unsigned int(*)(unsigned int,short,long,char,u32,size_t)"},
		{"void (*f)(void)", "f", "void(*)(void)"},
		{"int f(int)", "f", ""},
		{"int (*g)(int)", "f", ""},
		{"int *", "", ""},
	} {
		if got, ok := signature(c.text, c.name); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
}
