/* .bin files of 16-bit tokens, with the header of llm.c or without, through the door of world.  The first two bytes are
 * the vocabulary, the third the context. */
#include <string.h>

#include "fuzz_input.h"
#include "palimpsest/world.h"

static void check_window(const struct world *world, const uint16_t *token, int context)
{
    for (int t = 0; t <= context; t++)
        CHECK(token[t] < world_facts(world)->vocabulary, "token %d of %d", token[t], world_facts(world)->vocabulary);
}

static void check_corpus(const struct world *world, int context)
{
    enum { SAMPLES = 40 };
    uint16_t *token = memory_array((size_t)context + 1, sizeof *token);
    struct reading reading = {.domains = 1, .domain = {0}, .seed = 3, .context = context};
    int windows = world_reference_windows(world, 0, context, 1 << 20);
    CHECK(windows >= 1 && world_facts(world)->domain[0].tokens >= (uint64_t)context, "%d windows", windows);
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        world_read(world, &reading, sample, token);
        check_window(world, token, context);
    }
    for (int w = 0; w < windows && w < SAMPLES; w++) {
        world_reference(world, 0, w, context, token);
        check_window(world, token, context);
    }
    char *text = world_text(world, token, context + 1);
    CHECK(text[0], "tokens are shown as nothing");
    memory_free(text);
    memory_free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    enum { CHOICES = 3, VOCABULARY_MOST = 65534 };
    if (count < CHOICES) return 0;
    struct memory_count before = fuzz_begin();
    const char none[1][NAME_MAX_BYTES] = {""};
    int vocabulary = (bytes[0] | bytes[1] << 8) % VOCABULARY_MOST + 1, context = 1 + bytes[2] % 8;
    char *file = (char *)fuzz_file(0, "corpus.bin", bytes + CHOICES, count - CHOICES);
    struct text_source corpus = {.name = "corpus", .files = &file, .file_count = 1};
    struct world_spec spec = {.kind = WORLD_TEXT,
                              .seed = 1,
                              .tokenizer = TOKENIZER_BINARY,
                              .vocabulary = vocabulary,
                              .held_out = 0.3,
                              .corpora = &corpus,
                              .corpus_count = 1};
    struct world *world = NULL;
    struct error err = {0};
    if (world_create(&spec, none, 0, context, &world, &err) != 0)
        fuzz_refused(&err, "corpus");
    else
        check_corpus(world, context);
    world_destroy(&world);
    fuzz_end(before);
    return 0;
}
