/*
 * phone.h
 *		Phone numbers in E.164, behind one C++ file.
 *
 * phone.cpp knows nothing of PostgreSQL and PostgreSQL nothing of C++: plain buffers go in
 * and out, no exception leaves, no error of the server passes through its frames.
 */
#ifndef LR_PHONE_H
#define LR_PHONE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C"
{
#endif

#define LR_PHONE_MAX_INPUT 250 /* bytes; libphonenumber takes no longer text */

#define LR_PHONE_MAX_DIGITS 40 /* a number has 15, its extension a few, and some write two into a field */

	typedef enum LrPhoneProblem
	{
		LR_PHONE_FINE,
		LR_PHONE_NO_NUMBER,
		LR_PHONE_NO_COUNTRY, /* a national number, and no region to read it in */
		LR_PHONE_UNKNOWN_CODE,
		LR_PHONE_TOO_SHORT,
		LR_PHONE_TOO_LONG,
		LR_PHONE_INVALID,
		LR_PHONE_SERVICE, /* toll-free, premium-rate and the like: nobody's own */
		LR_PHONE_PLACEHOLDER,
		LR_PHONE_FAILED /* the library threw */
	} LrPhoneProblem;

	typedef struct LrPhone
	{
		char e164[24];
		char extension[24]; /* "" where there is none */
	} LrPhone;

	extern LrPhoneProblem lr_phone_parse(const char *data, int len, const char *region, LrPhone *phone);
	extern void lr_phone_load(void);
	extern void lr_phone_version(char *version, size_t size);

#ifdef __cplusplus
}
#endif

#endif
