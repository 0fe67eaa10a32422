/* Reads tests/golden/reference.bin, whose format tools/make_fixture.py describes. */
#ifndef PALIMPSEST_FIXTURE_H
#define PALIMPSEST_FIXTURE_H

#include "palimpsest/base.h"

struct fixture;
int fixture_read(const char *path, struct fixture **fixture, struct error *err);
void fixture_destroy(struct fixture **fixture);
/* The values of an entry, borrowed; NULL when there is none of that name and type. */
const float *fixture_floats(const struct fixture *fixture, size_t *count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const int32_t *fixture_integers(const struct fixture *fixture, size_t *count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
