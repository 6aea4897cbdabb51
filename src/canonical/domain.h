/*
 * domain.h
 *		Host names in one spelling, and the domain that somebody registered.
 */
#ifndef LR_DOMAIN_H
#define LR_DOMAIN_H

#define LR_DOMAIN_MAX 253	   /* bytes of a host name in ASCII */
#define LR_DOMAIN_MAX_URL 8192 /* a path and a query can be long; a longer text is no address */

extern void lr_domain_init(void);

/* Of the list that this process goes by, and of the library that knows how to encode names. */
extern const char *lr_domain_list_version(void);
extern const char *lr_domain_idna_version(void);

extern char *lr_domain_ascii(const char *data, int len, const char **problem);
extern char *lr_domain_host(const char *data, int len, const char **problem);
extern char *lr_domain_key(const char *data, int len, const char **problem);

#endif
