/*
 * match_value.h
 *		Values as they are compared.
 */
#ifndef LR_MATCH_VALUE_H
#define LR_MATCH_VALUE_H

#include "likeness.h"

extern char *lr_match_value(LrMatchKind kind, const char *data, int len, const char *country);

#endif
