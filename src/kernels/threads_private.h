/* Sharing rows among the threads of this process. */
#ifndef PALIMPSEST_THREADS_PRIVATE_H
#define PALIMPSEST_THREADS_PRIVATE_H

#include "palimpsest/kernels.h"

/* One share of a work: parts number `share` of `shares`. */
typedef void share_f(void *context, int share, int shares);
/* Carries out all shares, share 0 in the calling thread, and returns when they are done.  Within a share, and where one
 * thread is all there is, shares is 1.  `work`: multiply-adds or the like; little of it is not shared. */
void threads_share(share_f *share, void *context, double work);
/* The first of `count` things of a share; the next share begins where it ends. */
int share_begin(int count, int share, int shares);

#endif
