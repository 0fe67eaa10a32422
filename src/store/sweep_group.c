/* The group /sweep: what was asked for, with what data, and by which program. */
#include <stdio.h>
#include <string.h>

#include "store_private.h"

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

static int put_hash(const struct hdf *hdf, const char *name, struct hash128 hash)
{
    char text[HASH_TEXT];
    hash_text(hash, text);
    return hdf_put_text(hdf, name, text);
}

/* A column of texts, one taken from each element of an array of structs: at `offset` lies a char array. */
static int put_names(const struct hdf *hdf, const char *name, int count, const void *first, size_t size, size_t offset)
{
    const char **texts = memory_array((size_t)count, sizeof *texts);
    for (int i = 0; i < count; i++) texts[i] = (const char *)first + (size_t)i * size + offset;
    int status = hdf_put_texts(hdf, name, count, texts);
    memory_free(texts);
    return status;
}

static int put_hashes(const struct hdf *hdf, const char *name, int count, const void *first, size_t size, size_t offset)
{
    char(*text)[HASH_TEXT] = memory_array((size_t)count, sizeof *text);
    for (int i = 0; i < count; i++) {
        struct hash128 hash;
        memcpy(&hash, (const char *)first + (size_t)i * size + offset, sizeof hash);
        hash_text(hash, text[i]);
    }
    int status = put_names(hdf, name, count, text, sizeof *text, 0);
    memory_free(text);
    return status;
}

static int put_domains(const struct hdf *hdf, const struct world_facts *facts)
{
    const struct domain_facts *domain = facts->domain;
    int count = facts->domains + facts->task_domains;
    TRY(hdf_group(hdf, "sweep/domains"));
    TRY(put_names(hdf, "sweep/domains/name", count, MEMBER(domain, name)));
    TRY(hdf_put_member(hdf, "sweep/domains/tokens", H5T_NATIVE_UINT64, count, MEMBER(domain, tokens)));
    TRY(hdf_put_member(hdf, "sweep/domains/reserved", H5T_NATIVE_UINT8, count, MEMBER(domain, reserved)));
    TRY(put_hashes(hdf, "sweep/domains/training", count, MEMBER(domain, training)));
    return put_hashes(hdf, "sweep/domains/reference", count, MEMBER(domain, reference));
}

static int put_tasks(const struct hdf *hdf, const struct world_facts *facts)
{
    const struct task_facts *task = facts->task;
    TRY(hdf_group(hdf, "sweep/tasks"));
    TRY(put_names(hdf, "sweep/tasks/name", facts->tasks, MEMBER(task, name)));
    TRY(hdf_put_member(hdf, "sweep/tasks/classes", H5T_NATIVE_INT, facts->tasks, MEMBER(task, classes)));
    TRY(hdf_put_member(hdf, "sweep/tasks/train_items", H5T_NATIVE_INT, facts->tasks, MEMBER(task, train_items)));
    TRY(hdf_put_member(hdf, "sweep/tasks/test_items", H5T_NATIVE_INT, facts->tasks, MEMBER(task, test_items)));
    TRY(hdf_put_member(hdf, "sweep/tasks/majority", H5T_NATIVE_DOUBLE, facts->tasks, MEMBER(task, majority)));
    TRY(hdf_put_member(hdf, "sweep/tasks/mean_tokens", H5T_NATIVE_DOUBLE, facts->tasks, MEMBER(task, mean_tokens)));
    TRY(put_hashes(hdf, "sweep/tasks/training", facts->tasks, MEMBER(task, training)));
    return put_hashes(hdf, "sweep/tasks/test", facts->tasks, MEMBER(task, test));
}

static int put_claims(const struct hdf *hdf, const struct sweep *sweep)
{
    const struct claim *claim = sweep->claims;
    int count = sweep->claim_count;
    if (count == 0) return 0;
    TRY(hdf_group(hdf, "sweep/claims"));
    TRY(put_names(hdf, "sweep/claims/name", count, MEMBER(claim, name)));
    TRY(put_names(hdf, "sweep/claims/axis", count, MEMBER(claim, axis)));
    TRY(put_names(hdf, "sweep/claims/outcome", count, MEMBER(claim, outcome)));
    TRY(put_names(hdf, "sweep/claims/statistic", count, MEMBER(claim, statistic)));
    TRY(put_names(hdf, "sweep/claims/direction", count, MEMBER(claim, direction)));
    TRY(put_names(hdf, "sweep/claims/reading", count, MEMBER(claim, reading)));
    TRY(hdf_put_member(hdf, "sweep/claims/alpha", H5T_NATIVE_DOUBLE, count, MEMBER(claim, alpha)));
    TRY(hdf_put_member(hdf, "sweep/claims/equivalence", H5T_NATIVE_DOUBLE, count, MEMBER(claim, equivalence)));
    return hdf_put_member(hdf, "sweep/claims/minimum_seeds", H5T_NATIVE_INT, count, MEMBER(claim, minimum_seeds));
}

static int put_program(const struct hdf *hdf, const struct numerics *numerics)
{
    TRY(hdf_put_text(hdf, "sweep/numerics_class", numerics->class_name));
    TRY(hdf_put(hdf, "sweep/numerics_version", H5T_NATIVE_INT, 1, &numerics->version));
    TRY(hdf_put_text(hdf, "sweep/program_version", PALIMPSEST_VERSION));
    return hdf_put_text(hdf, "sweep/compiler", COMPILER);
}

int sweep_create(const struct hdf *hdf, const struct plan *plan, const char *explained)
{
    TRY(hdf_group(hdf, "sweep"));
    TRY(hdf_put_text(hdf, "sweep/name", plan->sweep->name));
    TRY(hdf_put_text(hdf, "sweep/yaml", plan->sweep->text));
    if (explained) TRY(hdf_put_text(hdf, "sweep/explained", explained));
    TRY(put_hash(hdf, "sweep/hash", plan->sweep_hash));
    TRY(put_program(hdf, &plan->numerics));
    TRY(put_domains(hdf, &plan->facts));
    TRY(put_tasks(hdf, &plan->facts));
    return put_claims(hdf, plan->sweep);
}
