/* Nobody leaves a collective step alone. */
#include "schedule_private.h"

int schedule_agree(MPI_Comm comm, int status, struct error *err)
{
    int rank, ranks, lowest;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    int own = status == 0 ? ranks : rank;
    MPI_Allreduce(&own, &lowest, 1, MPI_INT, MPI_MIN, comm);
    if (lowest == ranks) return 0;
    struct error shared = {.kind = ERROR_OUTSIDE, .text = "failed without a reason"};
    if (rank == lowest && err && err->kind != ERROR_NONE) shared = *err;
    MPI_Bcast(&shared, sizeof shared, MPI_BYTE, lowest, comm);
    if (err) *err = shared;
    return -1;
}
