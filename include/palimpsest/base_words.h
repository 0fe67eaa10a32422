/* base, for messages: which known word was meant. */
#ifndef PALIMPSEST_BASE_WORDS_H
#define PALIMPSEST_BASE_WORDS_H

/* The known word that is nearest to what was written, as an index into known[count]; -1 when none is near enough to be
 * meant (a quarter of the letters, at most three, may be wrong).  Of equally near ones the first. */
int word_nearest(const char *word, const char *const *known, int count);

#endif
