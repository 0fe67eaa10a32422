/* The answer of another program, within a time, or word of why there is none. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli_private.h"

extern char **environ;

/* The environment without what would make squeue leave out jobs or print them in another way. */
static char **plain_environment(void)
{
    size_t count = 0, kept = 0;
    while (environ[count]) count++;
    char **plain = memory_array(count + 1, sizeof *plain);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "SQUEUE_", 7) != 0) plain[kept++] = environ[i];
    return plain;
}

/* At the head of a process group of its own, so that it can be ended with whatever it starts. */
static int start(const char *const arguments[], int output, pid_t *process)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **plain = plain_environment();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawnp(process, arguments[0], &actions, &attributes, (char *const *)arguments, plain);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    memory_free(plain);
    return failed;
}

/* Until it closes its output or the time is over; what does not fit into text is read and dropped. */
static void listen(int input, double limit, char *text, size_t size)
{
    char bytes[512];
    size_t used = 0;
    struct pollfd waiting = {.fd = input, .events = POLLIN};
    for (double left; (left = limit - clock_seconds()) > 0;) {
        if (poll(&waiting, 1, (int)(1e3 * left) + 1) <= 0) continue;
        ssize_t count = read(input, bytes, sizeof bytes);
        if (count == 0 || (count < 0 && errno != EINTR)) break;
        size_t fits = count < 0 ? 0 : (size_t)count < size - 1 - used ? (size_t)count : size - 1 - used;
        memcpy(text + used, bytes, fits);
        used += fits;
    }
    while (used > 0 && strchr(" \n", text[used - 1])) used--;
    text[used] = '\0';
}

static int end(pid_t process, double limit, int *status)
{
    pid_t ended;
    while ((ended = waitpid(process, status, WNOHANG)) == 0 && clock_seconds() < limit)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    if (ended == 0) {
        kill(-process, SIGKILL);
        while (waitpid(process, status, 0) < 0 && errno == EINTR) {
        }
    }
    return ended == process ? 0 : -1;
}

int ask(const char *const arguments[], double seconds, char *text, size_t size)
{
    int pipes[2], status, failed;
    pid_t process;
    double limit = clock_seconds() + seconds;
    text[0] = '\0';
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        snprintf(text, size, "%s cannot be asked: %s", arguments[0], strerror(errno));
        return -1;
    }
    failed = start(arguments, pipes[1], &process);
    close(pipes[1]);
    if (failed)
        snprintf(text, size, "%s cannot be started: %s", arguments[0], strerror(failed));
    else {
        listen(pipes[0], limit, text, size);
        failed = end(process, limit, &status);
        if (failed) snprintf(text, size, "%s did not answer within %g seconds", arguments[0], seconds);
    }
    close(pipes[0]);
    if (failed || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}
