/* The hash of a tiny run, per BLAS kernel.  When this fails, the program computes other bits than before: raise the
 * numerics version (stage/workshop.c), or results of two versions would be mixed as if they were one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree_runner.h"

#define CHOSEN "PALIMPSEST_TEST_CORE" /* set for the process that checks one kernel */

/* OpenBLAS takes its kernel from this variable when it is loaded; all of these run on any processor with AVX2. */
static const struct {
    const char *core, *hash;
} golden[] = {
    {"Haswell", "a64683232ce4cafb9ab1f1e79360c61e"},
    {"Nehalem", "d71d002c5c6937784dd6f95c74c4ff0f"},
};
enum { GOLDEN = sizeof golden / sizeof *golden };

static const char sweep[] =
    "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [tense, subject_number]\n"
    "model: {context: 32, sizes: {a: {layers: 2, width: 16, heads: 2}}}\n"
    "pretrain: {batch: 4, warmup: 512}\nfinetune: {batch: 4, steps: 8}\nevaluate: {tokens: 128, items: 64}\n"
    "axes: {tokens: [0, 4Ki], variety: [2], model.objective: [causal, masked], seed: 1}\n";

static void a_tiny_run_has_the_committed_bits(void **context)
{
    (void)context;
    const char *core = getenv(CHOSEN);
    bool known = false;
    struct tree_run run;
    char text[HASH_TEXT];
    tree_run(sweep, &run);
    hash_text(tree_hash(&run), text);
    tree_run_reset(&run);
    for (int g = 0; g < GOLDEN; g++) {
        if (strcmp(core, golden[g].core) != 0) continue;
        assert_string_equal(text, golden[g].hash);
        known = true;
    }
    assert_true(known);
}

static bool can_run(int core)
{
#if defined(__x86_64__)
    return core > 0 || __builtin_cpu_supports("avx2");
#else
    (void)core;
    return false;
#endif
}

/* One process per kernel: this program again, with the variable set. */
static int run_each(char *program)
{
    int failed = 0, ran = 0;
    for (int g = 0; g < GOLDEN; g++) {
        if (!can_run(g)) {
            printf("skipped: this processor cannot run the BLAS kernel %s\n", golden[g].core);
            continue;
        }
        char command[4096];
        snprintf(command, sizeof command, CHOSEN "=%s OPENBLAS_CORETYPE=%s '%s'", golden[g].core, golden[g].core,
                 program);
        failed += system(command) != 0;
        ran++;
    }
    if (ran == 0) printf("skipped: no golden bits for this kind of processor\n");
    return failed;
}

int main(int count, char **arguments)
{
    (void)count;
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_tiny_run_has_the_committed_bits)};
    if (!getenv(CHOSEN)) return run_each(arguments[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
