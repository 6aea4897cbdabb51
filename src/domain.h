/*
 * domain.h
 *		Host names in one spelling, and the domain that somebody registered.
 */
#ifndef LR_DOMAIN_H
#define LR_DOMAIN_H

#define LR_DOMAIN_MAX 253 /* bytes of a host name in ASCII */

extern char *lr_domain_ascii(const char *data, int len, const char **problem);
extern char *lr_domain_key(const char *data, int len, const char **problem);

#endif
