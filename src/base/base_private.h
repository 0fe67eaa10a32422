/* Shared between the sources of base only. */
#ifndef PALIMPSEST_BASE_PRIVATE_H
#define PALIMPSEST_BASE_PRIVATE_H

int log_rank(void); /* as configured; -1 without one */

#endif
