/* A world small enough to see through, in place of the real one: the tests of train and measure link it instead.
 *
 * Domain d counts upwards by d + 1 modulo 24 with a random start, so the next token is certain after two; task 0 asks
 * whether a sequence of 3 to 8 tokens rises by 1 or by 2; task 1, of three classes, which third its last token is in.
 */
#ifndef PALIMPSEST_FAKE_WORLD_H
#define PALIMPSEST_FAKE_WORLD_H

#include "palimpsest/world.h"

enum { FAKE_WORDS = 24, FAKE_CONTEXT = 8, FAKE_ITEMS = 50, FAKE_DOMAINS = 2, FAKE_TASKS = 2 };

/* Of a model for it: two blocks, 16 channels. */
struct model_shape fake_shape(enum objective objective);

#endif
