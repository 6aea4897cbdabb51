/*
 * compat.h
 *		The only file with version conditionals: PostgreSQL 15 to 18. A shim takes the
 *		newest signature.
 */
#ifndef LR_COMPAT_H
#define LR_COMPAT_H

/* Soft errors came with 16; before it, bad input is always an error. */
#if PG_VERSION_NUM < 160000
#define errsave(context, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
	} while (0)
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

#endif							/* LR_COMPAT_H */
