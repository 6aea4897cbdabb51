/*
 * fold.h
 *		Text as canonical keys see it: one spelling of what people take for the same.
 */
#ifndef LR_FOLD_H
#define LR_FOLD_H

/* What lr_fold does beside NFKC and case. */
#define LR_FOLD_ACCENTS 0x01 /* accents go, and letters that do not decompose become their likes: ø o, ß ss */

extern char *lr_fold(const char *data, int len, int options);
extern char *lr_fold_words(const char *data, int len);
extern bool lr_says_nothing(const char *words);
extern bool lr_words_among(const char *words, const char *const *others, int n);
extern void lr_trim(const char **data, int *len);

#endif
