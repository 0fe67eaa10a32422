/* What the Python tests of the results file start: makes a file, fills it from many ranks, checks it, damages it.
 *
 *   store_tool create FILE [zipped]     a skeleton
 *   store_tool write FILE [SECONDS]     under mpirun: all rows, slowly enough that they take so long; then holds the
 * file open until standard input ends store_tool check FILE               prints "committed N damaged M wrong K"
 *   store_tool delete|reshape|flip FILE NAME   an object removed, given another shape, one bit of its data changed
 */
#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "palimpsest/store.h"

#include "plan_fixture.h"

static int fail(const struct error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return 1;
}

static int create(const char *path, bool zipped)
{
    struct error err;
    struct fixture *fixture = fixture_create(zipped, true);
    int status = store_create(path, fixture->plan, "explained", true, &err);
    fixture_destroy(&fixture);
    return status == 0 ? 0 : fail(&err);
}

static int write_stage(struct store *store, const struct plan *plan, int stage, struct error *err)
{
    struct stage_provenance facts = {.started = 1, .seconds = 0.5, .attempts = 1, .host = "here"};
    struct assignment assignment;
    int length, status;
    plan_assign(plan, stage, &assignment);
    double *record = fixture_record(plan, stage, &length);
    status = store_write_record(store, &assignment, plan_views(plan, stage), record, STATUS_DONE, err);
    if (status == 0) status = store_write_provenance(store, assignment.row, &facts, err);
    if (status == 0) status = store_write_mark(store, assignment.row, STATUS_DONE, record, length, err);
    memory_free(record);
    return status;
}

static int write_rows(struct store *store, const struct plan *plan, double seconds, struct error *err)
{
    int rank, ranks, status = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int s = rank; s < plan->stages && status == 0; s += ranks) {
        status = write_stage(store, plan, s, err);
        usleep((useconds_t)(seconds * 1e6 * ranks / plan->stages));
    }
    return status;
}

static int write_file(const char *path, double seconds)
{
    struct error err;
    struct fixture *fixture = fixture_create(false, true);
    struct store *store;
    MPI_Init(NULL, NULL);
    if (store_open(path, fixture->plan, MPI_COMM_WORLD, &store, &err) != 0) return fail(&err);
    printf("pid %ld\n", (long)getpid());
    fflush(stdout);
    if (write_rows(store, fixture->plan, seconds, &err) != 0) return fail(&err);
    MPI_Barrier(MPI_COMM_WORLD);
    printf("written\n");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    MPI_Barrier(MPI_COMM_WORLD); /* only rank 0 has the standard input */
    if (store_close(&store, &err) != 0) return fail(&err);
    fixture_destroy(&fixture);
    MPI_Finalize();
    return 0;
}

/* Committed rows whose first view does not hold the first number of the record. */
static int count_wrong(struct store_reader *reader, const struct plan *plan, const enum stage_status *status)
{
    struct variable loss;
    int wrong = 0;
    if (store_read_variable(reader, "initial_lm_loss", &loss, NULL) != 0) return -1;
    for (int s = 0; s < plan->stages; s++) {
        const struct view *view = plan_views(plan, s);
        if (status[plan->stage[s].row] != STATUS_DONE || view->group != GROUP_INITIAL) continue;
        if (loss.values[view->index * plan->extents.length[DIMENSION_DOMAIN]] != plan->stage[s].row) wrong++;
    }
    variable_reset(&loss);
    return wrong;
}

static int check(const char *path)
{
    struct error err;
    struct fixture *fixture = fixture_create(false, true);
    struct store_reader *reader;
    int rows = fixture->plan->rows, damaged, committed = 0;
    enum stage_status *status = memory_array((size_t)rows, sizeof *status);
    if (store_reader_open(path, &reader, &err) != 0) return fail(&err);
    if (store_read_marks(reader, fixture->plan, status, rows, &damaged, &err) != 0) return fail(&err);
    for (int r = 0; r < rows; r++) committed += status[r] == STATUS_DONE;
    printf("committed %d damaged %d wrong %d\n", committed, damaged, count_wrong(reader, fixture->plan, status));
    store_reader_close(&reader);
    memory_free(status);
    fixture_destroy(&fixture);
    return 0;
}

static void reshape(hid_t file, const char *name)
{
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(dataset), old = H5Dget_space(dataset);
    hsize_t length[2] = {1, (hsize_t)H5Sget_simple_extent_npoints(old)};
    hid_t space = H5Screate_simple(2, length, NULL);
    H5Dclose(dataset);
    H5Ldelete(file, name, H5P_DEFAULT);
    H5Dclose(H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Sclose(old);
    H5Tclose(type);
}

static void flip(const char *path, haddr_t offset)
{
    int descriptor = open(path, O_RDWR);
    unsigned char byte;
    if (pread(descriptor, &byte, 1, (off_t)offset) != 1) exit(1);
    byte ^= 1;
    if (pwrite(descriptor, &byte, 1, (off_t)offset) != 1) exit(1);
    close(descriptor);
}

static int damage(const char *how, const char *path, const char *name)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    haddr_t offset = HADDR_UNDEF;
    if (strcmp(how, "delete") == 0) H5Ldelete(file, name, H5P_DEFAULT);
    if (strcmp(how, "reshape") == 0) reshape(file, name);
    if (strcmp(how, "flip") == 0) {
        hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
        offset = H5Dget_offset(dataset);
        H5Dclose(dataset);
    }
    if (H5Fclose(file) < 0) return 1;
    if (offset != HADDR_UNDEF) flip(path, offset);
    return 0;
}

int main(int count, char **argument)
{
    const char *what = count > 2 ? argument[1] : "", *path = count > 2 ? argument[2] : "";
    if (strcmp(what, "create") == 0) return create(path, count > 3);
    if (strcmp(what, "write") == 0) return write_file(path, count > 3 ? atof(argument[3]) : 0);
    if (strcmp(what, "check") == 0) return check(path);
    if (count == 4) return damage(what, path, argument[3]);
    fprintf(stderr, "store_tool: wrong arguments\n");
    return 2;
}
