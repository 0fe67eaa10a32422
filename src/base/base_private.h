/* Shared between the sources of base only. */
#ifndef PALIMPSEST_BASE_PRIVATE_H
#define PALIMPSEST_BASE_PRIVATE_H

#include <stddef.h>

int log_rank(void); /* as configured; -1 without one */
_Noreturn void memory_exhausted(size_t asked, size_t in_use); /* ends the program with exit status 3 */

#endif
