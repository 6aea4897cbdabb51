/*
 * first_name.h
 *		First names that belong together, and that do not.
 */
#ifndef LR_FIRST_NAME_H
#define LR_FIRST_NAME_H

#include "mb/pg_wchar.h"

/* Whether one is a short form of the other, or both are of a third. */
extern bool lr_names_of_one(const pg_wchar *left, int left_n, const pg_wchar *right, int right_n);

/* Whether one is a man's and the other a woman's, though hardly a letter apart (peter and petra). */
extern bool lr_names_of_two(const pg_wchar *left, int left_n, const pg_wchar *right, int right_n);

#endif /* LR_FIRST_NAME_H */
