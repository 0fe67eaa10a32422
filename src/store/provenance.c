/* The group /provenance: all that may differ between two runs of one sweep. */
#include <limits.h>
#include <stddef.h>
#include <sys/time.h>
#include <unistd.h>

#include "store_private.h"

static hid_t fixed_text(size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

#define PROVENANCE_NUMBERS(X)                                                                                          \
    X(started, H5T_NATIVE_DOUBLE)                                                                                      \
    X(seconds, H5T_NATIVE_DOUBLE)                                                                                      \
    X(flops_per_second, H5T_NATIVE_DOUBLE)                                                                             \
    X(peak_bytes, H5T_NATIVE_INT64)                                                                                    \
    X(rank, H5T_NATIVE_INT)                                                                                            \
    X(attempts, H5T_NATIVE_INT)
#define CERTIFICATE_NUMBERS(X)                                                                                         \
    X(ranks, H5T_NATIVE_INT)                                                                                           \
    X(makespan, H5T_NATIVE_DOUBLE)                                                                                     \
    X(work, H5T_NATIVE_DOUBLE)                                                                                         \
    X(critical_path, H5T_NATIVE_DOUBLE)                                                                                \
    X(lower_bound, H5T_NATIVE_DOUBLE)                                                                                  \
    X(idle_parent, H5T_NATIVE_DOUBLE)                                                                                  \
    X(idle_tail, H5T_NATIVE_DOUBLE) X(idle_io, H5T_NATIVE_DOUBLE) X(idle_drain, H5T_NATIVE_DOUBLE)                     \
        X(steps_executed, H5T_NATIVE_INT64) X(steps_tree, H5T_NATIVE_INT64) X(flops_per_cell_alone, H5T_NATIVE_DOUBLE) \
            X(flops_one_pretraining_each, H5T_NATIVE_DOUBLE) X(flops_tree, H5T_NATIVE_DOUBLE)                          \
                X(stages_done, H5T_NATIVE_INT) X(stages_failed, H5T_NATIVE_INT) X(stages_skipped, H5T_NATIVE_INT)      \
                    X(starting, H5T_NATIVE_DOUBLE) X(peak_bytes, H5T_NATIVE_INT64)                                     \
                        X(peak_bytes_rank_0, H5T_NATIVE_INT64)

/* The members of a struct time_spent that stands at `offset`, as training_seconds and so on. */
static void insert_spent(hid_t type, size_t offset)
{
#define INSERT(member, name)                                                                                           \
    H5Tinsert(type, #member "_seconds", offset + offsetof(struct time_spent, member), H5T_NATIVE_DOUBLE);
    TIME_SPENT(INSERT)
#undef INSERT
}

hid_t provenance_type(void)
{
    typedef struct stage_provenance row;
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(row)), host = fixed_text(sizeof((row *)0)->host),
          reason = fixed_text(sizeof((row *)0)->reason);
#define INSERT(member, memory) H5Tinsert(type, #member, HOFFSET(row, member), memory);
    PROVENANCE_NUMBERS(INSERT)
    insert_spent(type, HOFFSET(row, spent));
    INSERT(host, host)
    INSERT(reason, reason)
#undef INSERT
    H5Tclose(host);
    H5Tclose(reason);
    return type;
}

hid_t certificate_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct certificate));
#define INSERT(member, memory) H5Tinsert(type, #member, HOFFSET(struct certificate, member), memory);
    CERTIFICATE_NUMBERS(INSERT)
    insert_spent(type, HOFFSET(struct certificate, spent));
#undef INSERT
    return type;
}

static int put_rows(const struct hdf *hdf, const char *name, hid_t type, int rows)
{
    int status = hdf_put(hdf, name, type, rows, NULL);
    H5Tclose(type);
    return status;
}

static int put_attempts(const struct hdf *hdf, int rows)
{
    struct dimensions dimensions = {.count = 2, .length = {(hsize_t)rows, ATTEMPT_WORDS}};
    hid_t dataset = hdf_dataset(hdf, PROVENANCE_ATTEMPT, H5T_NATIVE_UINT64, &dimensions, NULL, NULL);
    if (dataset < 0) return -1;
    H5Dclose(dataset);
    return 0;
}

int provenance_create(const struct hdf *hdf, const struct plan *plan)
{
    char host[HOST_NAME_MAX + 1] = "", versions[512];
    struct timeval now;
    gettimeofday(&now, NULL);
    double created = (double)now.tv_sec + 1e-6 * (double)now.tv_usec;
    gethostname(host, sizeof host - 1);
    store_versions(versions, sizeof versions);
    TRY(hdf_group(hdf, "provenance"));
    TRY(put_rows(hdf, PROVENANCE_STAGE, provenance_type(), plan->rows));
    TRY(put_attempts(hdf, plan->rows));
    TRY(put_rows(hdf, PROVENANCE_CERTIFICATE, certificate_type(), CERTIFICATES));
    TRY(hdf_put(hdf, "provenance/created", H5T_NATIVE_DOUBLE, 1, &created));
    TRY(hdf_put_text(hdf, "provenance/created_on", host));
    TRY(hdf_put_text(hdf, "provenance/libraries", versions));
    return hdf_put_text(hdf, "provenance/sweep_path", plan->sweep->path);
}
