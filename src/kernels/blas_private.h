/* Shared by the sources that load BLAS and call it. */
#ifndef PALIMPSEST_BLAS_PRIVATE_H
#define PALIMPSEST_BLAS_PRIVATE_H

#include <cblas.h>

#include "palimpsest/kernels.h"

struct tile_set;
struct blas { /* the library while it is loaded; all NULL: it is not */
    void *handle;
    __typeof__(cblas_sgemm) *sgemm;
    __typeof__(openblas_get_corename) *corename;
    __typeof__(openblas_get_config) *config;
    __typeof__(openblas_set_num_threads) *set_threads;
    const struct tile_set *tiles; /* products are those of tiles; NULL: of the library */
};
extern struct blas blas;

/* Loads the library with this core; NULL: with what it takes by itself. */
int blas_load(const char *core, struct error *err);
bool blas_has(const char *core);            /* whether the loaded library was built with it */
void blas_version(char *text, size_t size); /* of the loaded library: "OpenBLAS 0.3.21" */
/* Products with this core are those of tiles: the program was built with them, and the core has fused multiply-add. */
bool core_takes_tiles(const char *core);
/* What comes before the first product when nobody called kernels_start. */
void blas_start_alone(void);

/* Removes from offer what the environment variable PALIMPSEST_CORES does not name; wanted: its value, or NULL. */
void cores_restrict(struct core_offer *offer, const char *wanted);
/* Adds the cores that this processor can run and `has` answers true for, the best first, but not twice. */
void cores_add(struct core_offer *offer, bool has(const char *core));

#endif
