/* base: where the time of this process goes.  One clock that changes hands: whoever starts a piece of work names it,
 * and what passes from then on counts for it until the next piece is named.  So the parts add up to the whole, nothing
 * is ended, and while no profile is taken a name costs one comparison.  Not for threads: the one that names is timed.
 */
#ifndef PALIMPSEST_BASE_PROFILE_H
#define PALIMPSEST_BASE_PROFILE_H

#include "palimpsest/base.h"

/* X(name, word for people, key for programs) */
#define PROFILE_PARTS(X)                                                                                               \
    X(PROFILE_OTHER, "the rest", "other") /* gradients cleared, batches checked */                                     \
    X(PROFILE_DATA, "data", "data")                                                                                    \
    X(PROFILE_EMBEDDING, "embedding and rows", "embedding")                                                            \
    X(PROFILE_NORM, "norm", "norm")                                                                                    \
    X(PROFILE_PRODUCT_FORWARD, "products forward", "products_forward") /* with bias and residual */                    \
    X(PROFILE_PRODUCT_BACKWARD, "products backward", "products_backward")                                              \
    X(PROFILE_ATTENTION, "attention", "attention") /* with its products */                                             \
    X(PROFILE_GELU, "GELU", "gelu")                                                                                    \
    X(PROFILE_LOSS, "softmax and loss", "loss")                                                                        \
    X(PROFILE_UPDATE, "clip and AdamW", "update")
#define PROFILE_ENUM(name, word, key) name,
enum profile_part { PROFILE_PARTS(PROFILE_ENUM) PROFILE_PART_COUNT };
#undef PROFILE_ENUM
const char *profile_word(enum profile_part part);
const char *profile_key(enum profile_part part);

struct profile {
    double seconds[PROFILE_PART_COUNT];
    int64_t changes; /* how often work was named */
};
void profile_start(void); /* from nothing; what passes counts for PROFILE_OTHER until work is named */
void profile_stop(struct profile *profile);
double
profile_change_seconds(void); /* what naming work costs while a profile is taken, measured now; takes none itself */

/* What follows is this. */
extern bool profile_is_taken;
void profile_change(enum profile_part part);
static inline void profile_part(enum profile_part part)
{
    if (profile_is_taken) profile_change(part);
}

#endif
