/* Between the training of byte-pair merges and their use. */
#ifndef PALIMPSEST_TOKENIZER_BPE_PRIVATE_H
#define PALIMPSEST_TOKENIZER_BPE_PRIVATE_H

#include "text_private.h"

enum {
    BPE_FIRST_MERGE = 258, /* 256 bytes, the separator, the mask, then merge r makes token BPE_FIRST_MERGE + r */
    CHUNK_MOST = 64        /* bytes of a chunk, which merges never cross; so also of a token */
};
static inline uint64_t bpe_pair(unsigned left, unsigned right) { return (uint64_t)left << 16 | right; }

/* Byte pair encoding (Sennrich et al. 2016) over distinct chunks, value: how often each occurs.  merges, empty before:
 * number r is the r-th pair merged, at most `wanted`; it ends early when no pair occurs twice.  The most frequent pair
 * goes first, of equally frequent ones that of the lowest tokens. */
void bpe_train(const struct string_table *chunks, int wanted, struct key_table *merges);

#endif
