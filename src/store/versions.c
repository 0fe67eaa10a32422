/* Which HDF5 and which MPI are in use. */
#include <stdio.h>
#include <string.h>

#include "store_private.h"

void store_versions(char *text, size_t size)
{
    char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
    unsigned major, minor, release;
    int length;
    H5get_libversion(&major, &minor, &release);
    MPI_Get_library_version(mpi, &length); /* allowed before MPI_Init */
    mpi[strcspn(mpi, ",\n")] = '\0';
    snprintf(text, size, "HDF5 %u.%u.%u, %s", major, minor, release, mpi);
}
