/* OpenBLAS is opened while the program runs and not linked: it takes its core from the environment when it is loaded,
 * and which one all ranks have is known only after they have talked to each other.  Loading takes about 10 ms. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blas_private.h"
#include "tiles_private.h"

#define CORE_VARIABLE "OPENBLAS_CORETYPE"

struct blas blas;
static struct core_offer known; /* cores 0: not yet */
static bool wish_read;
static char wish[64]; /* of the environment before we wrote to it */

/* Integers of 32 or 64 bits are two interfaces of the same names. */
#ifdef OPENBLAS_USE64BITINT
static const bool wide = true;
#else
static const bool wide = false;
#endif

static int refuse(struct blas *opened, const char *what, struct error *err)
{
    if (opened->handle) dlclose(opened->handle);
    return error_set(err, ERROR_OUTSIDE,
                     "no OpenBLAS: %s; palimpsest needs the one it was built with (Debian: libopenblas0; on a cluster: "
                     "load its module, or name its folder in LD_LIBRARY_PATH)",
                     what);
}

static int open_library(struct blas *opened, struct error *err)
{
    opened->handle = dlopen(PALIMPSEST_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
    if (!opened->handle) return refuse(opened, dlerror(), err);
    opened->sgemm = (__typeof__(opened->sgemm))dlsym(opened->handle, "cblas_sgemm");
    opened->corename = (__typeof__(opened->corename))dlsym(opened->handle, "openblas_get_corename");
    opened->config = (__typeof__(opened->config))dlsym(opened->handle, "openblas_get_config");
    opened->set_threads = (__typeof__(opened->set_threads))dlsym(opened->handle, "openblas_set_num_threads");
    if (!opened->sgemm || !opened->corename || !opened->config || !opened->set_threads)
        return refuse(opened, PALIMPSEST_OPENBLAS " is another library under this name, or one built without cblas",
                      err);
    if ((strstr(opened->config(), "USE64BITINT") != NULL) != wide)
        return refuse(opened,
                      wide ? PALIMPSEST_OPENBLAS " has integers of 32 bits, not 64"
                           : PALIMPSEST_OPENBLAS " has integers of 64 bits, not 32",
                      err);
    opened->set_threads(1);
    return 0;
}

/* Closing unloads only what nobody else holds; what stays keeps its core. */
static void close_library(void)
{
    if (blas.handle) dlclose(blas.handle);
    blas = (struct blas){.handle = NULL};
}

int blas_load(const char *core, struct error *err)
{
    struct blas opened = {.handle = NULL};
    close_library();
    if (core)
        setenv(CORE_VARIABLE, core, 1);
    else
        unsetenv(CORE_VARIABLE);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    TRY(open_library(&opened, err));
    if (core && strcasecmp(core, opened.corename()) != 0) {
        char loaded[CORE_NAME];
        snprintf(loaded, sizeof loaded, "%s", opened.corename());
        dlclose(opened.handle);
        return error_set(err, ERROR_OUTSIDE,
                         "OpenBLAS computes with its core %s and not with %s, as if another library or LD_PRELOAD had "
                         "loaded it already; set " CORE_VARIABLE "=%s for all ranks (mpirun -x " CORE_VARIABLE
                         "=%s ...)",
                         loaded, core, core, core);
    }
    if (core_takes_tiles(opened.corename())) opened.tiles = tile_set(0);
    blas = opened;
    return 0;
}

/* A library for many cores has one table for each, named after it in capitals; one for a single core has none. */
bool blas_has(const char *core)
{
    char symbol[CORE_NAME + 16];
    int length = snprintf(symbol, sizeof symbol, "gotoblas_%s", core);
    for (int i = 0; i < length; i++)
        if (i > 8 && symbol[i] >= 'a' && symbol[i] <= 'z') symbol[i] -= 'a' - 'A';
    return dlsym(blas.handle, symbol) != NULL;
}

/* The configuration starts with the words "OpenBLAS" and the version. */
void blas_version(char *text, size_t size)
{
    const char *config = blas.config();
    int words = 0, length = 0;
    while (config[length] && !(config[length] == ' ' && ++words == 2)) length++;
    snprintf(text, size, "%.*s", length, config);
}

/* ---- the door ---- */

const char *core_wished(void)
{
    const char *wished = getenv(CORE_VARIABLE);
    if (!wish_read && wished) snprintf(wish, sizeof wish, "%s", wished);
    wish_read = true;
    return *wish ? wish : NULL;
}

static int look(struct core_offer *offer, struct error *err)
{
    const char *only = getenv("PALIMPSEST_CORES");
    *offer = (struct core_offer){.cores = 1};
    TRY(blas_load(NULL, err)); /* without the wish: a core whose instructions are missing here may end the program */
    blas_version(offer->library, sizeof offer->library);
    snprintf(offer->core[0], CORE_NAME, "%s", blas.corename());
    cores_add(offer, blas_has);
    cores_restrict(offer, only);
    setenv(CORE_VARIABLE, blas.corename(), 1); /* so that later changes of it move nothing in the environment */
    if (offer->cores > 0) return 0;
    return error_set(err, ERROR_OUTSIDE, "PALIMPSEST_CORES=%s leaves nothing of what this processor and %s offer", only,
                     offer->library);
}

int cores_offer(struct core_offer *offer, struct error *err)
{
    (void)core_wished();
    if (known.cores == 0) {
        struct core_offer found;
        TRY(look(&found, err));
        known = found;
    }
    *offer = known;
    return 0;
}

int kernels_start(const char *core, struct error *err)
{
    struct core_offer offer;
    TRY(cores_offer(&offer, err));
    const char *named = core_offered(&offer, core);
    if (!named) return error_set(err, ERROR_OUTSIDE, "%s has no core %s for this processor", offer.library, core);
    return blas.handle && strcmp(named, blas.corename()) == 0 ? 0 : blas_load(named, err);
}

void blas_start_alone(void)
{
    struct core_offer offer;
    struct error err = {.text = ""};
    int status = cores_offer(&offer, &err);
    if (status == 0) status = kernels_start(core_wished() ? core_wished() : offer.core[0], &err);
    CHECK(status == 0, "%s", err.text);
}

void kernels_numerics(char *text, size_t size)
{
    struct core_offer offer;
    if (!blas.handle) blas_start_alone();
    blas_version(offer.library, sizeof offer.library);
    kernels_numerics_of(&offer, blas.corename(), text, size);
}

void kernels_numerics_of(const struct core_offer *offer, const char *core, char *text, size_t size)
{
    snprintf(text, size, "%s %s%s", offer->library, core, core_takes_tiles(core) ? " with tiles" : "");
}
