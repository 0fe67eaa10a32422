/* Where the time of this process goes. */
#include "palimpsest/base_profile.h"

bool profile_is_taken;
static struct profile taken;
static enum profile_part running;
static double since; /* clock_seconds() */

const char *profile_word(enum profile_part part)
{
#define PROFILE_WORD(name, word, key) word,
    static const char *const words[] = {PROFILE_PARTS(PROFILE_WORD)};
    return words[part];
}

const char *profile_key(enum profile_part part)
{
#define PROFILE_KEY(name, word, key) key,
    static const char *const keys[] = {PROFILE_PARTS(PROFILE_KEY)};
    return keys[part];
}

void profile_change(enum profile_part part)
{
    double now = clock_seconds();
    taken.seconds[running] += now - since;
    taken.changes++;
    running = part;
    since = now;
}

void profile_start(void)
{
    taken = (struct profile){.changes = 0};
    running = PROFILE_OTHER;
    profile_is_taken = true;
    since = clock_seconds();
}

void profile_stop(struct profile *profile)
{
    CHECK(profile_is_taken, "no profile was started");
    taken.seconds[running] += clock_seconds() - since;
    profile_is_taken = false;
    *profile = taken;
}

double profile_change_seconds(void)
{
    enum { CHANGES = 2000 };
    struct profile profile;
    CHECK(!profile_is_taken, "a profile is taken");
    profile_start();
    double before = clock_seconds();
    for (int i = 0; i < CHANGES; i++) profile_part(PROFILE_OTHER);
    double seconds = clock_seconds() - before;
    profile_stop(&profile);
    return seconds / CHANGES;
}
