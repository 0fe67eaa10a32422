/* Which cores of OpenBLAS a processor can run, and which one several processors have in common. */
#include <stdio.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "blas_private.h"

/* The cores that a processor may run although OpenBLAS takes another there, the best first.  What is not in this list
 * (of one family of processors, or with sums as long as a machine's vectors) is offered only where OpenBLAS takes it
 * itself. */
static const char *const ladder[] = {
#if defined(__x86_64__)
    "Cooperlake", "SkylakeX", "Haswell", "Zen", "Sandybridge", "Nehalem", "Penryn", "Core2", "Prescott",
#elif defined(__aarch64__)
    "neoversen1",
    "armv8",
#else
    "generic",
#endif
};
enum { LADDER = sizeof ladder / sizeof *ladder };

#if defined(__x86_64__)
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

/* The instructions that OpenBLAS compiles a core with; the operating system has to keep their registers as well, which
 * the compiler's test includes. */
static bool processor_runs(const char *core)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const struct {
        const char *core;
        bool runs;
    } rows[] = {
        {"Cooperlake", avx2 && has_avx512() && __builtin_cpu_supports("avx512bf16")},
        {"SkylakeX", avx2 && has_avx512()},
        {"Haswell", avx2},
        {"Zen", avx2},
        {"Sandybridge", __builtin_cpu_supports("avx")},
        {"Nehalem", __builtin_cpu_supports("sse4.2")},
        {"Penryn", __builtin_cpu_supports("sse4.1")},
        {"Core2", __builtin_cpu_supports("ssse3")},
        {"Prescott", __builtin_cpu_supports("sse3")},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        if (strcmp(rows[r].core, core) == 0) return rows[r].runs;
    return false;
}
#elif defined(__aarch64__)
static bool processor_runs(const char *core)
{
    unsigned long features = getauxval(AT_HWCAP);
    if (strcmp(core, "neoversen1") == 0) return (features & HWCAP_ATOMICS) != 0 && (features & HWCAP_ASIMDDP) != 0;
    return (features & HWCAP_ASIMD) != 0;
}
#else
static bool processor_runs(const char *core)
{
    (void)core;
    return false;
}
#endif

void cores_add(struct core_offer *offer, bool has(const char *core))
{
    for (int l = 0; l < LADDER; l++)
        if (offer->cores < CORES_MOST && !core_offered(offer, ladder[l]) && processor_runs(ladder[l]) && has(ladder[l]))
            snprintf(offer->core[offer->cores++], CORE_NAME, "%s", ladder[l]);
}

/* Whether a list of names with commas between them holds this one. */
static bool list_names(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == length && strncasecmp(at, name, length) == 0) return true;
    return false;
}

void cores_restrict(struct core_offer *offer, const char *wanted)
{
    int kept = 0;
    if (!wanted || !*wanted) return;
    for (int c = 0; c < offer->cores; c++)
        if (list_names(wanted, offer->core[c])) memmove(offer->core[kept++], offer->core[c], CORE_NAME);
    offer->cores = kept;
}

const char *core_offered(const struct core_offer *offer, const char *core)
{
    for (int c = 0; c < offer->cores; c++)
        if (strcasecmp(offer->core[c], core) == 0) return offer->core[c];
    return NULL;
}

/* Later is better: -1 for a core that is on no ladder. */
static int grade(const char *core)
{
    for (int l = 0; l < LADDER; l++)
        if (strcasecmp(ladder[l], core) == 0) return LADDER - l;
    return -1;
}

static bool all_have(const struct core_offer *offer, int offers, const char *core)
{
    for (int o = 0; o < offers; o++)
        if (!core_offered(&offer[o], core)) return false;
    return true;
}

static bool all_take(const struct core_offer *offer, int offers, const char *core)
{
    for (int o = 0; o < offers; o++)
        if (strcasecmp(offer[o].core[0], core) != 0) return false;
    return true;
}

const char *cores_choose(const struct core_offer *offer, int offers)
{
    const char *best = NULL;
    if (all_take(offer, offers, offer->core[0])) return offer->core[0];
    for (int c = 0; c < offer->cores; c++) {
        const char *core = offer->core[c];
        if (all_have(offer, offers, core) && (!best || grade(core) > grade(best))) best = core;
    }
    return best;
}

bool core_takes_tiles(const char *core)
{
#if !PALIMPSEST_TILES
    (void)core;
    return false;
#elif defined(__x86_64__)
    static const char *const fused[] = {"Cooperlake", "SkylakeX", "Haswell", "Zen", "Sapphirerapids"};
    for (size_t f = 0; f < sizeof fused / sizeof *fused; f++)
        if (strcasecmp(core, fused[f]) == 0) return true;
    return false;
#else
    (void)core;
#if defined(__aarch64__)
    return true;
#else
    return false; /* nobody has measured that plain C pays */
#endif
#endif
}
