/*
 * mail.h
 *		Public and disposable mail domains.
 */
#ifndef LR_MAIL_H
#define LR_MAIL_H

typedef struct LrMailDomain
{
	bool is_public;
	bool is_disposable;
} LrMailDomain;

/* What mail_domains says of a host, in lower case and ASCII. Errors: those of reading a table. */
extern void lr_mail_find(const char *host, LrMailDomain *mail);

#endif
