/*
 * Canonical values: one spelling for what people spell in many ways, and a reason where a value is
 * none. They raise no error, whatever they are given. Anybody may call them: conditions run as who inserts.
 */
CREATE FUNCTION leadroute.email_key(email text, strip_tags boolean DEFAULT true, ignore_dots boolean DEFAULT true) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_email_key_sql';
COMMENT ON FUNCTION leadroute.email_key(text, boolean, boolean) IS
	'The canonical spelling of an e-mail address: trimmed, lower case, the domain in ASCII (IDNA 2008), "+tags" removed unless strip_tags is false, dots of the local part removed for the providers that ignore them (Gmail, Proton) unless ignore_dots is false. Takes mailto: links and Name <address> too. NULL where it is no address: email_problem() says why. No errors.';

CREATE FUNCTION leadroute.email_problem(email text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_email_problem_sql';
COMMENT ON FUNCTION leadroute.email_problem(text) IS
	'Why email_key() is NULL, to be read after "the address": is empty, has no "@", and so on. NULL where the address is fine. No errors.';

CREATE FUNCTION leadroute.domain_key(address text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_domain_key_sql';
COMMENT ON FUNCTION leadroute.domain_key(text) IS
	'The registrable domain of an e-mail address, host name or URL by the public suffix list, lower case, in ASCII: https://www.mail.acme.co.uk/x is acme.co.uk. NULL where there is none (an IP address, a bare suffix): domain_problem() says why. No errors.';

CREATE FUNCTION leadroute.domain_problem(address text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_domain_problem_sql';
COMMENT ON FUNCTION leadroute.domain_problem(text) IS
	'Why domain_key() is NULL, to be read after "the address". NULL where the address has a registrable domain. No errors.';

/* not strict: a number with its country code needs no region, a postal code no country */
CREATE FUNCTION leadroute.phone_key(phone text, region text DEFAULT NULL) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_phone_key_sql';
COMMENT ON FUNCTION leadroute.phone_key(text, text) IS
	'The phone number in E.164, without its extension. A number without a country code is read as dialled in the region, a country in any spelling that country_code() knows. NULL where it is no number that its country gives out, or nobody''s own (toll-free, placeholders): phone_problem() says why. No errors.';

CREATE FUNCTION leadroute.phone_extension(phone text, region text DEFAULT NULL) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_phone_extension_sql';
COMMENT ON FUNCTION leadroute.phone_extension(text, text) IS
	'The digits of the extension in a phone number (ext. 12, x12, ;ext=12); NULL where it has none or phone_key() is NULL. No errors.';

CREATE FUNCTION leadroute.phone_problem(phone text, region text DEFAULT NULL) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_phone_problem_sql';
COMMENT ON FUNCTION leadroute.phone_problem(text, text) IS
	'Why phone_key() is NULL, to be read after "the number". NULL where the number is fine, or NULL itself. No errors.';

CREATE FUNCTION leadroute.country_code(country text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_country_code_sql';
COMMENT ON FUNCTION leadroute.country_code(text) IS
	'The ISO 3166-1 alpha-2 code of a country, in lower case, from its names in some 30 languages, its alpha-2, alpha-3 and numeric codes and common variants (USA, UK, Holland). NULL where no country is known by that name. No errors.';

CREATE FUNCTION leadroute.region_code(region text, country text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_region_code_sql';
COMMENT ON FUNCTION leadroute.region_code(text, text) IS
	'The second half of a region''s ISO 3166-2 code, in lower case: California, Calif., CA and US-CA in the US are ca. The country in any spelling that country_code() knows. NULL where the country has no region of that name. No errors.';

CREATE FUNCTION leadroute.postal_key(postal_code text, country text DEFAULT NULL) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_postal_key_sql';
COMMENT ON FUNCTION leadroute.postal_key(text, text) IS
	'A postal code in lower case without blanks and hyphens; one of the US keeps the hyphen of ZIP+4. Codes of digits only get their lost leading zeros back where the country is known (7725 in the US is 07725). NULL where nothing is left. No errors.';

CREATE FUNCTION leadroute.company_key(company text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_company_key_sql';
COMMENT ON FUNCTION leadroute.company_key(text) IS
	'A company''s name without accents, case, punctuation, article and the legal forms of many countries (Inc, LLC, GmbH & Co. KG, S.à r.l., K.K.): The Acme Company, Inc. is acme; & is and. NULL where it has no letter or digit, or more than 1000 bytes. No errors.';

GRANT EXECUTE ON FUNCTION leadroute.email_key(text, boolean, boolean), leadroute.email_problem(text), leadroute.domain_key(text),
	leadroute.domain_problem(text), leadroute.phone_key(text, text), leadroute.phone_extension(text, text), leadroute.phone_problem(text, text),
	leadroute.country_code(text), leadroute.region_code(text, text), leadroute.postal_key(text, text),
	leadroute.company_key(text) TO PUBLIC;
