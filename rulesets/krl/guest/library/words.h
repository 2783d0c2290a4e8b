/* The words that random:word picks from. */
#ifndef KRL_WORDS_H
#define KRL_WORDS_H

enum { WORD_COUNT = 256 };

extern const char *const words[WORD_COUNT];

#endif
