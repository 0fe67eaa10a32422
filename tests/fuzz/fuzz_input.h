/* What all fuzz targets share: a failed CHECK is a finding, inputs as files, memory that is given back. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "palimpsest/base.h"

/* What libFuzzer calls; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* The first call of every target, in every input: from here on a failed CHECK and exhausted memory are findings. */
struct memory_count fuzz_begin(void);
/* The last call: all counted memory that was taken since must have been given back. */
void fuzz_end(struct memory_count before);
/* The folder of this process, gone with it; inputs that readers want as files are written there. */
const char *fuzz_folder(void);
/* Writes FOLDER/name, replacing what was there; returns its path, which stays until the next call with that slot. */
enum { FUZZ_SLOTS = 4 };
const char *fuzz_file(int slot, const char *name, const void *bytes, size_t count);
/* A reader refused: it must say so, by a text that has `place` in it (NULL: any). */
void fuzz_refused(const struct error *err, const char *place);

#endif
