#define mark(name) asm volatile(".globl " #name "\n" #name ":")
int sink;
#include "inner.h"
__attribute__((noinline)) static int twice(int n) { mark(in_twice); sink += n; return n * 2; }
static inline __attribute__((always_inline)) int middle(int n)
{
	return inner(n) + 1;
}
int plain(int n)
{
	sink = n;
	n = middle(n);
	return twice(n) + sink;
}
__attribute__((section(".init.text"), cold)) int begin(int n)
{
	mark(in_begin);
	sink += n;
	return n;
}
__attribute__((section(".exit.text"))) void end(void)
{
	mark(in_end);
	sink = 0;
}
static __attribute__((noinline, used)) int split(int n) { sink = n; return n; }
