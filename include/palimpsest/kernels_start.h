/* kernels: what they compute with, settled before the first of them is called: the core of BLAS, and threads. */
#ifndef PALIMPSEST_KERNELS_START_H
#define PALIMPSEST_KERNELS_START_H

#include <stddef.h>

#include "palimpsest/base.h"

/* ---- which BLAS kernel: all ranks of a sweep take the same one ---- */

/* Products are computed by tiles of our own on cores that fuse multiply and add, and by OpenBLAS on others, or where the
 * program was built without tiles.  OpenBLAS has one kernel per core type, and takes one when it is loaded.  The bits of
 * its products depend on the core and on the version of the library; not on the number of ranks, nor on the machine.
 * Libraries built for threads, OpenMP or neither are alike here: there is one BLAS thread per process, since threads must
 * not split sums. */
enum { CORE_NAME = 24, CORES_MOST = 16 };
struct core_offer { /* what this process can compute with */
    char library[32]; /* "OpenBLAS 0.3.21" */
    int cores;
    char core[CORES_MOST][CORE_NAME]; /* first what the library takes by itself, then the others, the best first */
};
/* Loads the library, if it is not, to see.  A core is offered when the library has it and this processor its instructions;
 * PALIMPSEST_CORES in the environment ("Haswell,Nehalem") leaves only those that it names.  May write to the environment
 * on its first call, which therefore belongs before other threads run.  ERROR_OUTSIDE: no OpenBLAS can be loaded, or
 * another than the program was compiled for. */
int cores_offer(struct core_offer *offer, struct error *err);
/* The name as offer spells it, upper and lower case being alike; NULL: not offered. */
const char *core_offered(const struct core_offer *offer, const char *core);
/* What all of them take by themselves, else the best that all of them have; NULL: they have none in common.  Pure;
 * borrowed from the first of offer[offers]. */
const char *cores_choose(const struct core_offer *offer, int offers);
/* OPENBLAS_CORETYPE as the program found it, which is somebody's wish; NULL: not set. */
const char *core_wished(void);
/* From now on products are those of this core, which cores_offer must name.  ERROR_OUTSIDE: it cannot be loaded.  Without
 * this the first product takes the wish, else what the library takes by itself. */
int kernels_start(const char *core, struct error *err);
/* Name of what the bits of the products depend on: library, version, core ("OpenBLAS 0.3.21 Zen"). */
void kernels_numerics(char *text, size_t size);
void kernels_numerics_of(const struct core_offer *offer, const char *core, char *text, size_t size);

/* ---- threads ---- */

enum { KERNEL_THREADS_MOST = 64 };
/* How many threads share the rows of a kernel from now on, the calling one included; they wait for each other at the end
 * of each.  The bits are those of one thread.  ERROR_OUTSIDE: they could not be started; then there is one.  Products of
 * BLAS, on cores without tiles, stay in one thread.  Kernels are called by one thread. */
int kernels_set_threads(int threads, struct error *err);
int kernels_threads(void); /* 1 to begin with */
/* Bytes that every thread after the first needs, where no sequence has more rows than `longest`. */
size_t kernels_thread_bytes(int longest);

#endif
