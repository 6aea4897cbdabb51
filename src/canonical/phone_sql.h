/*
 * phone_sql.h
 *		What the library does about phone numbers when it is loaded.
 */
#ifndef LR_PHONE_SQL_H
#define LR_PHONE_SQL_H

#include "phone.h"

extern void lr_phone_init(void);
extern LrPhoneProblem lr_phone_read(const char *data, int len, const char *country, LrPhone *phone);
extern const char *lr_phone_problem_text(LrPhoneProblem problem);

#endif
