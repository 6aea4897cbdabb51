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

GRANT EXECUTE ON FUNCTION leadroute.email_key(text, boolean, boolean), leadroute.email_problem(text), leadroute.domain_key(text),
	leadroute.domain_problem(text) TO PUBLIC;
