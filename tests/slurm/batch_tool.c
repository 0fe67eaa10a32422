/* What the program knows of the batch system, for the tests with a real one.
 * usage: batch_tool ended JOB...   prints "ended" or "alive" for each, named as a lock names it */
#include <string.h>

#include "cli_private.h"

int main(int count, char **arguments)
{
    if (count < 3 || strcmp(arguments[1], "ended") != 0) return 2;
    for (int a = 2; a < count; a++) puts(batch_job_ended(arguments[a]) ? "ended" : "alive");
    return 0;
}
