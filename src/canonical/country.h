/*
 * country.h
 *		Codes of countries and regions, and postal codes in one spelling.
 */
#ifndef LR_COUNTRY_H
#define LR_COUNTRY_H

/* bytes; no country's or region's name is half as long, no postal code a tenth */
#define LR_PLACE_MAX_INPUT 200

extern const char *lr_country_code(const char *data, int len);
extern const char *lr_country_of_datum(Datum country);
extern const char *lr_region_code(const char *data, int len, const char *country);
extern char *lr_postal_key(const char *data, int len, const char *country);
extern char *lr_postal_part(const char *data, int len, const char *country);
extern const char *lr_country_next(int *at);
extern const char *lr_region_next(const char *country, int *at);
extern const char *lr_country_nearest(const char *data, int len, const char **name, int *distance);
extern const char *lr_region_nearest(const char *data, int len, const char *country, const char **name, int *distance);
extern const char *lr_country_data_version(void);

#endif
