#include "fake_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], commands[8][96], path_before[4096];
static int count;

int fake_commands_begin(void **context)
{
    static const char *const names[] = {"SLURM_JOB_ID", "SLURM_JOB_END_TIME",   "SLURM_CLUSTER_NAME", "SLURM_PROCID",
                                        "PBS_JOBID",    "OMPI_COMM_WORLD_RANK", "PMIX_RANK",          "PMI_RANK"};
    char path[4200];
    (void)context;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) unsetenv(names[n]);
    snprintf(folder, sizeof folder, "/tmp/palimpsest-test-cli-%s", "XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path_before, sizeof path_before, "%s", getenv("PATH"));
    snprintf(path, sizeof path, "%s:%s", folder, path_before);
    return setenv("PATH", path, 1);
}

int fake_commands_end(void **context)
{
    (void)context;
    for (; count > 0; count--) unlink(commands[count - 1]);
    setenv("PATH", path_before, 1);
    return rmdir(folder);
}

void fake_command(const char *name, const char *body)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *script = fopen(path, "w");
    if (!script) abort();
    fprintf(script, "#!/bin/sh\n%s\n", body);
    if (fclose(script) != 0 || chmod(path, 0755) != 0) abort();
    if (count == 0 || strcmp(commands[count - 1], path) != 0) strcpy(commands[count++], path);
}
