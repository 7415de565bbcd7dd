static inline __attribute__((always_inline)) int inner(int n)
{
	mark(in_inner);
	return n ^ sink;
}
