/*
 * Likely duplicates, found afterwards: what no key can prove is scored and suggested, and so
 * is, whatever it scores, an equal key of a match rule that suggests. Only new and
 * changed leads are compared, each with the leads that have a blocking key in common with it
 * (match_key.c, match_find.c); what two leads weigh together is told by match_score.c with the weights
 * that stand here. Nothing of this runs in a lead's INSERT, and no trigger feeds it.
 *
 * A run walks the leads table by blocks and looks only at rows that were written since the last
 * run began (their xmin), of these only at rows whose compared columns are others than before
 * (a hash). So it needs nothing of the insert path and finds what any session, loader, replication
 * worker or table swap brought.
 */

/* --- configuration: empty by default, defaults are in functions --- */

CREATE TABLE leadroute.match_fields (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	field			text COLLATE "C" NOT NULL CHECK (field <> ''),
	kind			text NOT NULL,
	columns			text[] NOT NULL CHECK (cardinality(columns) > 0 AND array_position(columns, NULL) IS NULL),
	part			text NOT NULL DEFAULT 'all' CHECK (part IN ('all', 'first word', 'last word')),
	note			text,
	PRIMARY KEY (flow, field)
);

CREATE TABLE leadroute.match_weights (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	kind			text COLLATE "C" NOT NULL,
	level			text COLLATE "C" NOT NULL,
	matches			double precision NOT NULL CHECK (matches > 0 AND matches <= 1),
	others			double precision NOT NULL CHECK (others > 0 AND others <= 1),
	note			text,
	PRIMARY KEY (flow, kind, level)
);

CREATE FUNCTION leadroute.match_defaults(OUT suggest_at double precision, OUT expected double precision, OUT block_limit integer,
	OUT pair_limit integer, OUT context_bits double precision, OUT conflict_bits double precision, OUT in_sweep boolean)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT 0.5::double precision, 1::double precision, 100, 20, 16::double precision, 8::double precision, false $$;
COMMENT ON FUNCTION leadroute.match_defaults() IS 'The settings of find_duplicates() in a flow without a row in match_settings.';

CREATE TABLE leadroute.match_settings (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default' PRIMARY KEY,
	suggest_at		double precision NOT NULL DEFAULT (leadroute.match_defaults()).suggest_at CHECK (suggest_at > 0 AND suggest_at < 1),
	expected		double precision NOT NULL DEFAULT (leadroute.match_defaults()).expected CHECK (expected > 0),
	block_limit		integer NOT NULL DEFAULT (leadroute.match_defaults()).block_limit CHECK (block_limit BETWEEN 2 AND 10000),
	pair_limit		integer NOT NULL DEFAULT (leadroute.match_defaults()).pair_limit CHECK (pair_limit BETWEEN 2 AND 100000),
	context_bits	double precision NOT NULL DEFAULT (leadroute.match_defaults()).context_bits,
	conflict_bits	double precision NOT NULL DEFAULT (leadroute.match_defaults()).conflict_bits,
	in_sweep		boolean NOT NULL DEFAULT (leadroute.match_defaults()).in_sweep,
	note			text
);

/* The kinds, the levels of each, and how often a level is met between two rows of one lead and of two. */
CREATE FUNCTION leadroute.match_levels(OUT kind text, OUT level text, OUT matches double precision, OUT others double precision, OUT by_frequency boolean)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	VALUES
	('first_name',	'exact',	0.75::double precision,	(1 / 150.0)::double precision,		true),
	('first_name',	'near',		0.14,	0.004,			false),
	('first_name',	'similar',	0.06,	0.015,			false),
	('first_name',	'different', 0.05,	0.97,			false),
	('last_name',	'exact',	0.75,	1 / 500.0,		true),
	('last_name',	'near',		0.14,	0.002,			false),
	('last_name',	'similar',	0.06,	0.008,			false),
	('last_name',	'different', 0.05,	0.985,			false),
	('email',		'exact',	0.65,	1 / 100000.0,	false),
	('email',		'near',		0.20,	1 / 50000.0,	false),
	('email',		'similar',	0.08,	0.0003,			false),
	('email',		'close',	0.02,	0.002,			false),
	('email',		'weak',		0.02,	0.02,			false),
	('email',		'different', 0.03,	0.97,			false),
	('phone',		'exact',	0.70,	1 / 10000.0,	false),
	('phone',		'near',		0.08,	1 / 10000.0,	false),
	('phone',		'close',	0.07,	0.003,			false),
	('phone',		'different', 0.15,	0.997,			false),
	('company',		'exact',	0.65,	1 / 1000.0,		true),
	('company',		'near',		0.20,	0.003,			false),
	('company',		'similar',	0.10,	0.01,			false),
	('company',		'different', 0.05,	0.98,			false),
	('website',		'exact',	0.85,	1 / 1000.0,		true),
	('website',		'different', 0.15,	0.999,			false),
	('address',		'exact',	0.55,	1 / 1000.0,		false),
	('address',		'near',		0.25,	0.002,			false),
	('address',		'similar',	0.08,	0.01,			false),
	('address',		'close',	0.02,	0.02,			false),
	('address',		'different', 0.10,	0.965,			false),
	('postal_code',	'exact',	0.75,	1 / 500.0,		true),
	('postal_code',	'near',		0.12,	0.01,			false),
	('postal_code',	'different', 0.13,	0.97,			false),
	('city',		'exact',	0.65,	1 / 40.0,		true),
	('city',		'near',		0.20,	0.005,			false),
	('city',		'similar',	0.05,	0.02,			false),
	('city',		'different', 0.10,	0.93,			false),
	('region',		'exact',	0.85,	1 / 10.0,		true),
	('region',		'near',		0.05,	0.005,			false),
	('region',		'similar',	0.02,	0.02,			false),
	('region',		'different', 0.08,	0.85,			false),
	('country',		'exact',	0.95,	1 / 3.0,		true),
	('country',		'different', 0.05,	0.65,			false),
	('birth_date',	'exact',	0.70,	1 / 15000.0,	false),
	('birth_date',	'near',		0.13,	1 / 800.0,		false),
	('birth_date',	'similar',	0.11,	1 / 200.0,		false),
	('birth_date',	'close',	0.03,	1 / 60.0,		false),
	('birth_date',	'different', 0.03,	0.975,			false),
	('identifier',	'exact',	0.85,	1 / 100000.0,	false),
	('identifier',	'near',		0.10,	1 / 10000.0,	false),
	('identifier',	'different', 0.05,	1,				false)
$$;
COMMENT ON FUNCTION leadroute.match_levels() IS
	'The kinds of values that find_duplicates() compares, the levels of likeness of each, best first, and how often a level is met between two rows of one lead (matches) and of two (others) where match_weights says nothing else. by_frequency: a value that is frequent among the leads counts less, a rare one more.';

CREATE FUNCTION leadroute.match_field_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM leadroute.match_levels() l WHERE l.kind = NEW.kind) THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = format('kind cannot be "%s"', NEW.kind),
			DETAIL = format('It is one of %s.', (SELECT string_agg(DISTINCT l.kind, ', ') FROM leadroute.match_levels() l)),
			SCHEMA = 'leadroute', TABLE = TG_TABLE_NAME, COLUMN = 'kind';
	ELSIF TG_TABLE_NAME = 'match_weights' AND NOT EXISTS (SELECT FROM leadroute.match_levels() l
														  WHERE l.kind = NEW.kind AND l.level = to_jsonb(NEW)->>'level') THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = format('%s has no level "%s"', NEW.kind, to_jsonb(NEW)->>'level'),
			DETAIL = format('It has %s.', (SELECT string_agg(l.level, ', ') FROM leadroute.match_levels() l WHERE l.kind = NEW.kind)),
			SCHEMA = 'leadroute', TABLE = TG_TABLE_NAME, COLUMN = 'level';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.match_field_written() IS 'Trigger on match_fields and match_weights: the kind, and the level of a weight, must be those of match_levels().';
CREATE TRIGGER match_field_written BEFORE INSERT OR UPDATE ON leadroute.match_fields
	FOR EACH ROW EXECUTE FUNCTION leadroute.match_field_written();
CREATE TRIGGER match_field_written BEFORE INSERT OR UPDATE ON leadroute.match_weights
	FOR EACH ROW EXECUTE FUNCTION leadroute.match_field_written();

/* --- state --- */

CREATE TABLE leadroute.match_values (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	mark			bigint NOT NULL,
	compared		text[] NOT NULL,
	rule_keys		text[] NOT NULL,
	keys			bigint[] NOT NULL,
	valued_at		timestamptz NOT NULL,
	PRIMARY KEY (flow, lead)
);

/* a hash, not the text: there are some twenty to a lead */
CREATE TABLE leadroute.match_keys (
	flow			text COLLATE "C" NOT NULL,
	key				bigint NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	PRIMARY KEY (flow, key, lead)
);

CREATE TABLE leadroute.match_frequencies (
	flow			text COLLATE "C" NOT NULL,
	field			text COLLATE "C" NOT NULL,
	value			text COLLATE "C" NOT NULL,
	leads			bigint NOT NULL,
	PRIMARY KEY (flow, field, value)
) WITH (fillfactor = 80);

CREATE TABLE leadroute.match_blocks (
	flow			text COLLATE "C" NOT NULL,
	key				text COLLATE "C" NOT NULL,
	times			bigint NOT NULL,
	first_at		timestamptz NOT NULL,
	last_at			timestamptz NOT NULL,
	PRIMARY KEY (flow, key)
);

CREATE TABLE leadroute.match_runs (
	flow			text COLLATE "C" NOT NULL PRIMARY KEY,
	relation		oid NOT NULL,
	system			bigint NOT NULL,
	shape			bigint NOT NULL,
	since			xid8,
	began			xid8 NOT NULL,
	phase			text NOT NULL CHECK (phase IN ('walk', 'prune', 'done')),
	leaf			oid,
	next_block		bigint NOT NULL DEFAULT 0,
	written			bigint NOT NULL DEFAULT 0,
	changed			bigint NOT NULL DEFAULT 0,
	compared		bigint NOT NULL DEFAULT 0,
	suggested		bigint NOT NULL DEFAULT 0,
	oversized		bigint NOT NULL DEFAULT 0,
	started_at		timestamptz NOT NULL,
	updated_at		timestamptz NOT NULL,
	finished_at		timestamptz
);

CREATE TABLE leadroute.duplicate_candidates (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	other			text COLLATE "C" NOT NULL,
	score			double precision NOT NULL,
	evidence		jsonb NOT NULL,
	status			text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'accepted', 'dismissed')),
	original		text COLLATE "C",
	found_at		timestamptz NOT NULL,
	scored_at		timestamptz NOT NULL,
	decided_at		timestamptz,
	decided_by		text,
	PRIMARY KEY (flow, lead, other),
	CONSTRAINT duplicate_candidates_order_check CHECK (lead < other)
);
CREATE INDEX duplicate_candidates_other_idx ON leadroute.duplicate_candidates (flow, other);
CREATE INDEX duplicate_candidates_open_idx ON leadroute.duplicate_candidates (flow, score DESC) WHERE status = 'open';

CREATE FUNCTION leadroute.names_rule(evidence jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT EXISTS (SELECT FROM jsonb_object_keys(evidence) k WHERE starts_with(k, 'rule: ')) $$;
COMMENT ON FUNCTION leadroute.names_rule(jsonb) IS 'Whether the evidence of a suggestion names a match rule by which both leads have the same key.';

/* --- what is compared --- */

CREATE FUNCTION leadroute.match_fields_of(flow text DEFAULT 'default', OUT field text, OUT kind text, OUT columns text[], OUT part text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH attachment AS (
		SELECT a.columns, leadroute.attachment_table(a) AS relation FROM leadroute.attachments a WHERE a.flow = match_fields_of.flow
	), known(kind, canonical, plain_names) AS (VALUES
		('first_name', true, '{firstname,givenname,forename,fname,firstnm,contactfirstname,vorname,prenom,nombre,nome,voornaam,fornavn,fornamn,imie}'::text[]),
		('last_name', true, '{lastname,surname,familyname,lname,lastnm,contactlastname,nachname,familienname,nomdefamille,apellido,apellidos,cognome,sobrenome,achternaam,efternavn,efternamn,nazwisko}'),
		('email', true, '{email,emailaddress,workemail,businessemail,mail,emailadresse,email1,contactemail,primaryemail,personalemail,emailid,adressemail,correoelectronico,courriel}'),
		('phone', true, '{phone,phonenumber,telephone,mobilephone,mobile,tel,telephonenumber,phoneno,phonenum,fullphonenumber,phone1,contactphone,primaryphone,businessphone,workphone,homephone,cell,cellphone,telefon,telefonnummer,handy,mobil,telefono,telefone,telefoon,numerotelephone}'),
		('company', true, '{company,companyname,organization,organisation,organizationname,organisationname,account,accountname,business,businessname,employer,hotelname,restaurantname,shopname,firma,firmenname,unternehmen,entreprise,societe,raisonsociale,empresa,azienda,bedrijf,bedrijfsnaam}'),
		('website', true, '{website,websiteurl,domain,url,web,webaddress,webpage,homepage,site,siteurl,companywebsite,companydomain,companyurl,webseite,siteweb,sitioweb}'),
		('address', false, '{streetnumber,housenumber,housenum,address,addr,street,streetname,streetaddress,mailingstreet,billingstreet,address1,addressline1,address2,addressline2,addressstreet,resstreetaddress,residentialaddress,mailaddr1,strasse,strassehausnummer,hausnummer,anschrift,adresse,rue,direccion,calle,domicilio,indirizzo,via,endereco,straat,adres}'),
		('postal_code', true, '{postalcode,zipcode,zip,postcode,zip5,postalzip,mailingpostalcode,billingpostalcode,plz,postleitzahl,codepostal,codigopostal,cap,cep}'),
		('city', true, '{city,town,suburb,locality,mailingcity,billingcity,cityname,rescitydesc,ort,stadt,wohnort,ville,ciudad,citta,cidade,stad,miasto}'),
		('region', true, '{region,state,statecode,province,stateprovince,statecd,billingstate,mailingstate,bundesland,provincia,departement,estado,regione,provincie}'),
		('country', true, '{country,countrycode,countryname,countryregion,billingcountry,mailingcountry,nation,land,staat,pays,pais,paese}'),
		('birth_date', true, '{birthdate,dateofbirth,dob,birthday,birthdt,geburtsdatum,geburtstag,gebdatum,datedenaissance,datenaissance,fechadenacimiento,fechanacimiento,datadinascita,datadenascimento}'),
		('identifier', false, '{ssn,socsecid,socialsecuritynumber,socialsecurity,nationalid,taxid,vatid,vatnumber,vatno,duns,dunsnumber,siret,siren,nif,cif,cnpj,cpf,ustid,handelsregister,lei,ein,companynumber,companyregistrationnumber}')
	), found AS (
		SELECT k.kind, a.attname::text AS attname,
			CASE WHEN k.canonical AND a.attname = leadroute.mapped_column(t.columns, k.kind) THEN 0
				 ELSE array_position(k.plain_names, plain) END AS rank
		FROM attachment t
			CROSS JOIN known k
			JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped
			CROSS JOIN LATERAL regexp_replace(regexp_replace(lower(a.attname::text), '^property_', ''), '[^a-z0-9]', '', 'g') AS plain
		WHERE CASE WHEN k.canonical AND t.columns ? k.kind THEN a.attname = leadroute.mapped_column(t.columns, k.kind)
				   ELSE plain = ANY (k.plain_names)
						/* a column that is mapped to something else is that */
						AND NOT EXISTS (SELECT FROM jsonb_object_keys(t.columns) c WHERE leadroute.mapped_column(t.columns, c) = a.attname) END
	), fields AS (
		SELECT f.field, f.kind, f.columns, f.part FROM leadroute.match_fields f WHERE f.flow = match_fields_of.flow
		UNION ALL
		SELECT f.kind, f.kind,
			CASE WHEN f.kind = 'address' THEN array_agg(f.attname ORDER BY f.rank) ELSE (array_agg(f.attname ORDER BY f.rank))[1:1] END, 'all'
		FROM found f
		WHERE NOT EXISTS (SELECT FROM leadroute.match_fields m WHERE m.flow = match_fields_of.flow)
		GROUP BY f.kind
	)
	SELECT f.field, f.kind, f.columns, f.part FROM fields f ORDER BY f.field COLLATE "C"
$$;
COMMENT ON FUNCTION leadroute.match_fields_of(text) IS
	'What find_duplicates() compares in a flow: the rows of match_fields, or where there are none, the columns of its leads table that attach() maps or that are named as is usual (dob, suburb, street_number …). Sorted by field: the order of match_values.compared.';

CREATE FUNCTION leadroute.match_settings_of(flow text) RETURNS leadroute.match_settings
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	settings	leadroute.match_settings;
BEGIN
	SELECT s.* INTO settings FROM leadroute.match_settings s WHERE s.flow = match_settings_of.flow;
	IF NOT FOUND THEN
		SELECT match_settings_of.flow, s.suggest_at, s.expected, s.block_limit, s.pair_limit, s.context_bits, s.conflict_bits, s.in_sweep, NULL INTO settings
		FROM leadroute.match_defaults() s;
	END IF;
	RETURN settings;
END
$$;
COMMENT ON FUNCTION leadroute.match_settings_of(text) IS 'The settings of a flow: its row of match_settings, or the defaults.';

/* The weights of a flow's fields in bits, six a field in the order of likeness.h; what has no weight weighs nothing. */
CREATE FUNCTION leadroute.match_bits(flow text, kind text) RETURNS double precision[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT array_agg(coalesce(ln(coalesce(w.matches, l.matches) / coalesce(w.others, l.others)) / ln(2.0), 0) ORDER BY o.n)
	FROM unnest('{exact,near,similar,close,weak,different}'::text[]) WITH ORDINALITY o(level, n)
		LEFT JOIN leadroute.match_levels() l ON l.kind = match_bits.kind AND l.level = o.level
		LEFT JOIN leadroute.match_weights w ON w.flow = match_bits.flow AND w.kind = l.kind AND w.level = l.level
$$;
COMMENT ON FUNCTION leadroute.match_bits(text, text) IS 'What the levels of a kind weigh in a flow, in bits: exact, near, similar, close, weak, different.';

CREATE FUNCTION leadroute.match_value(kind text, value text, country text DEFAULT NULL) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'lr_match_value_sql';
COMMENT ON FUNCTION leadroute.match_value(text, text, text) IS
	'A value as find_duplicates() compares it: its canonical key, or what is left without case, accents and punctuation. NULL for what says nothing (n/a, unknown, 00000). The country, in any spelling, reads phones, regions and postal codes. An error for a kind that match_levels() does not list.';

CREATE FUNCTION leadroute.match_compared(kinds text[], "values" text[], country text) RETURNS text[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'lr_match_values_sql';
COMMENT ON FUNCTION leadroute.match_compared(text[], text[], text) IS 'match_value() of each value of a lead.';

CREATE FUNCTION leadroute.match_keys_of(kinds text[], compared text[]) RETURNS text[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'lr_match_keys_sql';
COMMENT ON FUNCTION leadroute.match_keys_of(text[], text[]) IS
	'The blocking keys of a lead: it is compared with the leads that have one of them too. Each is the name of a pass, a colon and what they have in common.';

CREATE FUNCTION leadroute.likeness(kind text, value text, other text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'lr_likeness_sql';
COMMENT ON FUNCTION leadroute.likeness(text, text, text) IS
	'How alike two values of a kind are, both as match_value() gives them: exact, near (a slip of the pen), similar (a variant), close, weak or different. An error for a kind that match_levels() does not list.';

CREATE FUNCTION leadroute.match_find(flow text, leads text[], fields text[], kinds text[], weights double precision[], matches double precision[], others double precision[],
	valued double precision[], context_bits double precision, conflict_bits double precision, at_least double precision, block_limit integer, pair_limit integer,
	OUT lead text, OUT other text, OUT bits double precision, OUT levels text[], OUT field_bits double precision[], OUT rules text[], OUT key bigint, OUT n bigint) RETURNS SETOF record
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_match_find_sql';
COMMENT ON FUNCTION leadroute.match_find(text, text[], text[], text[], double precision[], double precision[], double precision[], double precision[], double precision, double precision, double precision, integer, integer) IS
	'Part of find_duplicates(): compares leads with all that have a blocking key in common with them. A row a pair that weighs at_least so many bits or shares a key by match rules (their kinds in rules): field by field how alike the values are and what that weighs. A row with key and n is a block that is too large, and how many of the leads are in it; the last one, with n alone, says how many pairs were compared.';

CREATE FUNCTION leadroute.written_since(row_xmin xid, since xid8) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'lr_written_since';
COMMENT ON FUNCTION leadroute.written_since(xid, xid8) IS
	'Whether a row version with this xmin may have been written by a transaction that is not older than the other; true where that is NULL.';

/* --- a run --- */

/* Starts a run over a flow's leads table, or goes on with one that did not end; false where another session is at it. */
CREATE FUNCTION leadroute.find_duplicates_start(flow text, again boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.attachments;
	leads		regclass;
	run			leadroute.match_runs;
	new_shape	bigint;
	cluster		bigint;
	same		boolean;
	flows		text[];
BEGIN
	SELECT a.* INTO attachment FROM leadroute.attachments a WHERE a.flow = find_duplicates_start.flow;
	leads := leadroute.attachment_table(attachment);
	IF leads IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('flow "%s" has no leads table', flow),
			HINT = format('SELECT leadroute.attach(''public.leads'', flow => %L).', flow);
	ELSIF attachment.status <> 'attached' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('the attachment of table %s is broken', leads), DETAIL = coalesce(attachment.problem, '');
	END IF;
	flows := leadroute.match_flows(attachment);
	SELECT hashtextextended(string_agg(concat_ws('|', f.field, f.kind, f.columns, f.part), E'\n' ORDER BY f.field COLLATE "C")
							|| coalesce(E'\n' || (SELECT s.default_country FROM leadroute.flows s WHERE s.flow = attachment.flow), '')
							|| coalesce(E'\n' || (SELECT string_agg(concat_ws('|', w.flow, r.kind, r.action), E'\n' ORDER BY w.flow COLLATE "C", r.kind COLLATE "C")
												  FROM unnest(flows) w(flow) CROSS JOIN LATERAL leadroute.match_rules_of(w.flow) r), ''), 0)
		INTO new_shape
	FROM leadroute.match_fields_of(flow) f;
	IF new_shape IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('table %s has no column that leads could be compared by', leads),
			HINT = 'Name columns and their kinds in leadroute.match_fields.';
	END IF;
	SELECT c.system_identifier INTO cluster FROM pg_control_system() c;

	/* the row that another session works with is passed by: an INSERT first would wait for it */
	SELECT r.* INTO run FROM leadroute.match_runs r WHERE r.flow = attachment.flow FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		IF NOT EXISTS (SELECT FROM leadroute.match_runs r WHERE r.flow = attachment.flow) THEN
			INSERT INTO leadroute.match_runs (flow, relation, system, shape, began, phase, started_at, updated_at)
				VALUES (attachment.flow, leads, cluster, new_shape, pg_snapshot_xmin(pg_current_snapshot()), 'walk', clock_timestamp(), clock_timestamp())
				ON CONFLICT ON CONSTRAINT match_runs_pkey DO NOTHING;
			RETURN FOUND;
		END IF;
		RETURN false;
	END IF;
	same := (run.relation, run.system, run.shape) = (leads::oid, cluster, new_shape) AND NOT again;
	IF run.phase = 'done' OR NOT same THEN
		IF again OR run.shape <> new_shape THEN
			/* every lead has new values then: none of the old keys is worth a look-up */
			DELETE FROM leadroute.match_values v WHERE v.flow = ANY (flows);
			DELETE FROM leadroute.match_keys k WHERE k.flow = ANY (flows);
			DELETE FROM leadroute.match_frequencies q WHERE q.flow = ANY (flows);
			DELETE FROM leadroute.match_blocks b WHERE b.flow = ANY (flows);
			/* what a key said that acts is not found here: it is judged when its leads are compared */
			DELETE FROM leadroute.duplicate_candidates d
			WHERE d.flow = ANY (flows) AND d.status = 'open'
				AND (NOT leadroute.names_rule(d.evidence)
					 OR (SELECT count(*) FROM leadroute.lead_states s WHERE s.flow = d.flow AND s.lead IN (d.lead, d.other) AND s.code <> 'gone') < 2);
		END IF;
		UPDATE leadroute.match_runs r
			SET relation = leads, system = cluster, shape = new_shape, since = CASE WHEN same THEN run.began END,
				began = pg_snapshot_xmin(pg_current_snapshot()), phase = 'walk', leaf = NULL, next_block = 0,
				written = 0, changed = 0, compared = 0, suggested = 0, oversized = 0,
				started_at = clock_timestamp(), updated_at = clock_timestamp(), finished_at = NULL
			WHERE r.flow = attachment.flow;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.find_duplicates_start(text, boolean) IS 'Part of find_duplicates(): starts a run, or resumes it; false where another session is at work on the flow.';

/* The flows of a leads table: its own, and those that its flow_column may name. */
CREATE FUNCTION leadroute.match_flows(attachment leadroute.attachments) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT array_agg(f.flow) FROM leadroute.flows f
	WHERE f.flow = (attachment).flow
		OR ((attachment).flow_column IS NOT NULL AND (leadroute.flow_attachment(f.flow)).flow = (attachment).flow)
$$;
COMMENT ON FUNCTION leadroute.match_flows(leadroute.attachments) IS 'The flows whose leads stand in the table of an attachment.';

/*
 * Lead by lead: OFFSET 0 keeps the planner from another order. Of a table whose statistics nobody has told yet it takes all suggestions to be few,
 * and would go through the leads for each of them; the index over open ones, ordered by score, it would read whole.
 */
CREATE FUNCTION leadroute.open_candidates(in_flow text, leads text[], OUT place tid, OUT lead text, OUT other text) RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
	SELECT c.ctid, c.lead, c.other
	FROM unnest(leads) l(lead)
		CROSS JOIN LATERAL (SELECT d.ctid, d.lead, d.other, d.status FROM leadroute.duplicate_candidates d
							WHERE d.flow = in_flow AND d.lead = l.lead OFFSET 0) c
	WHERE c.status = 'open'
	UNION
	SELECT c.ctid, c.lead, c.other
	FROM unnest(leads) l(lead)
		CROSS JOIN LATERAL (SELECT d.ctid, d.lead, d.other, d.status FROM leadroute.duplicate_candidates d
							WHERE d.flow = in_flow AND d.other = l.lead OFFSET 0) c
	WHERE c.status = 'open'
$$;
COMMENT ON FUNCTION leadroute.open_candidates(text, text[]) IS 'Part of find_duplicates(): the open suggestions that name one of some leads, and where they stand.';

/*
 * Takes leads out of the comparison: their values, keys, what they count in the frequencies, and their open
 * suggestions.
 */
CREATE FUNCTION leadroute.forget_match_values(in_flow text, leads text[], fields text[], by_frequency boolean[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	WITH old AS (
		DELETE FROM leadroute.match_values v USING unnest(leads) l(lead) WHERE v.flow = in_flow AND v.lead = l.lead
		RETURNING v.lead, v.compared, v.keys
	), no_keys AS (
		DELETE FROM leadroute.match_keys k
		WHERE (k.flow, k.key, k.lead) IN (SELECT in_flow, u.key, o.lead FROM old o CROSS JOIN LATERAL unnest(o.keys) u(key))
	), less AS (
		/* each of its values, its having one, and itself */
		SELECT fields[c.n] AS field, x.value, count(*) AS leads
		FROM old o CROSS JOIN LATERAL unnest(o.compared) WITH ORDINALITY c(value, n) CROSS JOIN LATERAL (VALUES (c.value), ('')) x(value)
		WHERE by_frequency[c.n] AND c.value IS NOT NULL
		GROUP BY 1, 2
		UNION ALL
		SELECT '', '', count(*) FROM old
	)
	UPDATE leadroute.match_frequencies q SET leads = q.leads - l.leads
	FROM less l WHERE q.flow = in_flow AND q.field = l.field AND q.value = l.value;
	DELETE FROM leadroute.duplicate_candidates d
	WHERE d.status = 'open' AND d.ctid = ANY (ARRAY(SELECT c.place FROM leadroute.open_candidates(in_flow, leads) c));
END
$$;
COMMENT ON FUNCTION leadroute.forget_match_values(text, text[], text[], boolean[]) IS
	'Part of find_duplicates(): takes leads out of the comparison, with their open suggestions.';

/*
 * Compares leads whose values are new with all that have a key in common with them. Every look-up is a LATERAL
 * with a LIMIT, and sequential scans are off: whatever the planner takes the tables' sizes to be, it can only
 * go by their primary keys, lead by lead. Each batch is planned anew: the tables grow while one CALL lasts, whose session tells nobody
 * of it before its end, so neither autovacuum nor a plan that is kept would ever know.
 */
CREATE FUNCTION leadroute.compare_leads(in_flow text, settings leadroute.match_settings, leads text[], fields text[], kinds text[], standing double precision,
	OUT compared bigint, OUT suggested bigint, OUT oversized bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_mergejoin = off
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
	/* a table of few leads is judged as one of so many */
	least_leads	CONSTANT bigint := 1000;
	n_leads		bigint;
	prior		double precision;
	at_least	double precision;
	weights		double precision[];
	exact		double precision[];
	average		double precision[];
	valued		double precision[];
	suggesting	text[];
	labels		jsonb;
	overgrown	text[];
	now_at		timestamptz := clock_timestamp();
BEGIN
	SELECT coalesce(array_agg(r.kind) FILTER (WHERE r.action = 'suggest'), '{}'), coalesce(jsonb_object_agg(r.kind, leadroute.rule_label(in_flow, r.kind)), '{}')
		INTO suggesting, labels
	FROM leadroute.match_rules_of(in_flow) r;
	SELECT q.leads INTO n_leads FROM leadroute.match_frequencies q WHERE q.flow = in_flow AND q.field = '' AND q.value = '';
	/* a first run has not seen them all: who is compared early is one of as many as who is compared late */
	prior := ln(settings.expected / greatest(n_leads, standing, least_leads)) / ln(2.0);
	at_least := ln(settings.suggest_at / (1 - settings.suggest_at)) / ln(2.0) - prior;
	SELECT array_agg(b.bit ORDER BY k.n, b.n) INTO weights
	FROM unnest(kinds) WITH ORDINALITY k(kind, n)
		CROSS JOIN LATERAL unnest(leadroute.match_bits(settings.flow, k.kind)) WITH ORDINALITY b(bit, n);
	/* of the kinds whose exact agreement counts by the value's frequency */
	SELECT array_agg(CASE WHEN l.by_frequency THEN coalesce(w.matches, l.matches) END ORDER BY k.n),
			array_agg(CASE WHEN l.by_frequency THEN coalesce(w.others, l.others) END ORDER BY k.n),
			array_agg(coalesce(q.leads, 0)::double precision ORDER BY k.n)
		INTO exact, average, valued
	FROM unnest(kinds, fields) WITH ORDINALITY k(kind, field, n)
		JOIN leadroute.match_levels() l ON l.kind = k.kind AND l.level = 'exact'
		LEFT JOIN leadroute.match_weights w ON w.flow = settings.flow AND w.kind = k.kind AND w.level = 'exact'
		LEFT JOIN leadroute.match_frequencies q ON q.flow = in_flow AND q.field = k.field AND q.value = '';

	WITH found AS MATERIALIZED (
		SELECT f.* FROM leadroute.match_find(in_flow, leads, fields, kinds, weights, exact, average, valued, settings.context_bits, settings.conflict_bits, at_least,
											 settings.block_limit, settings.pair_limit) f
	), too_large AS (
		INSERT INTO leadroute.match_blocks AS b (flow, key, times, first_at, last_at)
			SELECT in_flow, t.key, l.n, now_at, now_at
			FROM found l
				CROSS JOIN LATERAL (SELECT v.compared, v.rule_keys FROM leadroute.match_values v WHERE v.flow = in_flow AND v.lead = l.lead LIMIT 1) v
				/* what the hash stands for */
				CROSS JOIN LATERAL (SELECT u.key FROM unnest(leadroute.match_keys_of(kinds, v.compared) || v.rule_keys) u(key)
									WHERE hashtextextended(u.key, 0) = l.key LIMIT 1) t
			WHERE l.key IS NOT NULL
			ORDER BY t.key
			ON CONFLICT (flow, key) DO UPDATE SET times = b.times + EXCLUDED.times, last_at = EXCLUDED.last_at
			RETURNING b.key, b.first_at = b.last_at AND starts_with(b.key, 'rule ') AS overgrown
	), likely AS MATERIALIZED (
		/* without those that are linked already, to each other or to a third */
		SELECT s.* FROM found s
		WHERE s.other IS NOT NULL
			AND coalesce((SELECT l.duplicate_of FROM leadroute.lead_states l WHERE l.flow = in_flow AND l.lead = s.lead), s.lead)
			<> coalesce((SELECT l.duplicate_of FROM leadroute.lead_states l WHERE l.flow = in_flow AND l.lead = s.other), s.other)
			/* an equal key of a rule that suggests is enough; by one that acts, what catch_up() and others have suggested stays while it is so */
			AND (s.bits >= at_least OR s.rules && suggesting
				 OR s.rules IS NOT NULL AND EXISTS (SELECT FROM leadroute.duplicate_candidates d
													WHERE d.flow = in_flow AND d.lead = s.lead AND d.other = s.other AND leadroute.names_rule(d.evidence)))
	), stale AS (
		DELETE FROM leadroute.duplicate_candidates d
		WHERE d.status = 'open'
			AND d.ctid = ANY (ARRAY(SELECT c.place FROM leadroute.open_candidates(in_flow, leads) c
									WHERE (c.lead, c.other) NOT IN (SELECT s.lead, s.other FROM likely s)))
	), written AS (
		INSERT INTO leadroute.duplicate_candidates AS d (flow, lead, other, score, evidence, found_at, scored_at)
			SELECT in_flow, s.lead, s.other, 1 / (1 + power(2.0, least(-(s.bits + prior), 1000))),
				coalesce((SELECT jsonb_object_agg(fields[e.n], jsonb_build_object('likeness', s.levels[e.n], 'bits', round(s.field_bits[e.n]::numeric, 1)))
						  FROM generate_subscripts(s.levels, 1) e(n) WHERE s.levels[e.n] IS NOT NULL), '{}')
				|| coalesce((SELECT jsonb_object_agg(labels ->> r.kind, '{"likeness": "exact"}'::jsonb) FROM unnest(s.rules) r(kind) WHERE labels ? r.kind), '{}'),
				now_at, now_at
			FROM likely s
			ON CONFLICT (flow, lead, other) DO UPDATE
				SET score = EXCLUDED.score, evidence = EXCLUDED.evidence, scored_at = EXCLUDED.scored_at
				WHERE d.status = 'open'
			RETURNING d.found_at = d.scored_at AS fresh
	)
	SELECT (SELECT f.n FROM found f WHERE f.lead IS NULL), (SELECT count(*) FROM written w WHERE w.fresh), (SELECT count(*) FROM too_large),
			(SELECT array_agg(t.key) FROM too_large t WHERE t.overgrown)
		INTO compared, suggested, oversized, overgrown;

	/* a switchboard's number was one of few leads once: what nothing else says is withdrawn, once, when its block grows too large */
	IF overgrown IS NOT NULL THEN
		WITH grown AS MATERIALIZED (
			SELECT hashtextextended(o.key, 0) AS key, leadroute.rule_label(in_flow, substr(o.key, 6, strpos(o.key, ':') - 6)) AS label FROM unnest(overgrown) o(key)
		), withdrawn AS MATERIALIZED (
			SELECT c.place
			FROM grown o
				CROSS JOIN LATERAL (SELECT k.lead FROM leadroute.match_keys k WHERE k.flow = in_flow AND k.key = o.key OFFSET 0) k
				CROSS JOIN LATERAL (SELECT d.ctid AS place, d.other, d.status, d.score, d.evidence FROM leadroute.duplicate_candidates d
									WHERE d.flow = in_flow AND d.lead = k.lead OFFSET 0) c
			WHERE c.status = 'open' AND c.score < settings.suggest_at AND c.evidence ? o.label
				/* as names_rule() says it, which is called for many thousand here */
				AND NOT jsonb_path_exists(c.evidence - o.label, '$.keyvalue().key ? (@ starts with "rule: ")')
				AND (SELECT true FROM leadroute.match_keys m WHERE m.flow = in_flow AND m.key = o.key AND m.lead = c.other LIMIT 1)
		)
		DELETE FROM leadroute.duplicate_candidates d WHERE d.status = 'open' AND d.ctid = ANY (ARRAY(SELECT w.place FROM withdrawn w));
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.compare_leads(text, leadroute.match_settings, text[], text[], text[], double precision) IS
	'Part of find_duplicates(): compares leads, of about "standing" that stand in the table, with all that have a blocking key in common with them and writes what is likely; answers how many pairs were compared, how many are new suggestions, how many blocks were too large.';

/* Leads that stand in the table no more. Answers false where there are none left. */
CREATE FUNCTION leadroute.forget_gone(flows text[], fields text[], by_frequency boolean[], standing text, batch integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET enable_seqscan = on
SET enable_hashjoin = on
AS $$
DECLARE
	rows	bigint;
	part	record;
	found	boolean := false;
BEGIN
	/* an anti-join reads both tables whole: only where the leads table has fewer rows than leads are known */
	EXECUTE format('SELECT count(*) FROM %s s', standing) INTO rows;
	IF rows < (SELECT coalesce(sum(q.leads), 0) FROM leadroute.match_frequencies q
			   WHERE q.flow = ANY (flows) AND q.field = '' AND q.value = '') THEN
		FOR part IN EXECUTE format($gone$
			SELECT g.flow, array_agg(g.lead) AS leads
			FROM (SELECT v.flow, v.lead FROM leadroute.match_values v
				  WHERE v.flow = ANY ($1)
					AND NOT EXISTS (SELECT FROM %s s WHERE s.lead = v.lead AND s.flow = v.flow)
				  LIMIT $2) g
			GROUP BY g.flow$gone$, standing) USING flows, batch
		LOOP
			PERFORM leadroute.forget_match_values(part.flow, part.leads, fields, by_frequency);
			found := true;
		END LOOP;
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION leadroute.forget_gone(text[], text[], boolean[], text, integer) IS
	'Part of find_duplicates(): takes up to "batch" leads out of the comparison that stand in the table no more; false where there is none.';

/* One batch; answers whether the run has come to its end. */
CREATE FUNCTION leadroute.find_duplicates_batch(flow text, batch integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
SET datestyle = 'ISO, YMD'
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.attachments;
	run			leadroute.match_runs;
	settings	leadroute.match_settings;
	leads		regclass;
	fields		text[];
	kinds		text[];
	counted		boolean[];
	raw			text;
	missing		text;
	country		text;
	default_country	text;
	flow_value	text;
	deleted		text;
	heap		record;
	stop		bigint;
	part		record;
	done		record;
	changed		bigint := 0;
	looked_at	double precision := 0;
	standing	double precision;
BEGIN
	IF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'batch must be at least 1';
	END IF;
	SELECT a.* INTO attachment FROM leadroute.attachments a WHERE a.flow = find_duplicates_batch.flow;
	leads := leadroute.attachment_table(attachment);
	SELECT r.* INTO run FROM leadroute.match_runs r WHERE r.flow = find_duplicates_batch.flow FOR UPDATE;
	IF run.flow IS NULL OR leads IS NULL OR run.relation <> leads THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('the leads table of flow "%s" was replaced or detached while find_duplicates was at work', flow),
			HINT = 'Call leadroute.find_duplicates() again.';
	ELSIF run.phase = 'done' THEN
		RETURN true;
	END IF;
	settings := leadroute.match_settings_of(flow);

	/* the columns, through their types' output functions: no cast of the table's owner is called */
	SELECT array_agg(f.field ORDER BY f.n), array_agg(f.kind ORDER BY f.n), array_agg(f.counted ORDER BY f.n),
			string_agg(CASE f.part WHEN 'first word' THEN format('split_part(btrim(%s), '' '', 1)', f.expression)
								   WHEN 'last word' THEN format('substring(btrim(%s) FROM ''\s(\S+)$'')', f.expression)
								   ELSE f.expression END, ', ' ORDER BY f.n),
			min(f.missing)
		INTO fields, kinds, counted, raw, missing
	FROM (SELECT f.*, row_number() OVER (ORDER BY f.field COLLATE "C") AS n,
				EXISTS (SELECT FROM leadroute.match_levels() l WHERE l.kind = f.kind AND l.by_frequency) AS counted,
				(SELECT format('nullif(concat_ws('' '', %s), '''')', string_agg(format('nullif(format(''%%s'', t.%I), '''')', c.name), ', ' ORDER BY c.n))
				 FROM unnest(f.columns) WITH ORDINALITY c(name, n)) AS expression,
				(SELECT min(c.name) FROM unnest(f.columns) c(name)
				 WHERE NOT EXISTS (SELECT FROM pg_attribute a
								   WHERE a.attrelid = leads AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped)) AS missing
		  FROM leadroute.match_fields_of(flow) f) f;
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('column "%s" of table %s does not exist', missing, leads),
			HINT = 'A row of leadroute.match_fields names it.';
	END IF;
	SELECT f.default_country INTO default_country FROM leadroute.flows f WHERE f.flow = find_duplicates_batch.flow;
	country := coalesce((SELECT format('coalesce(nullif(format(''%%s'', t.%I), ''''), %L)', a.attname, default_country)
						 FROM pg_attribute a
						 WHERE a.attrelid = leads AND a.attname = leadroute.mapped_column(attachment.columns, 'country')
							AND a.attnum > 0 AND NOT a.attisdropped),
						quote_nullable(default_country) || '::text');
	flow_value := CASE WHEN attachment.flow_column IS NULL THEN format('%L::text', attachment.flow)
					   ELSE format('coalesce((SELECT f.flow FROM leadroute.flows f WHERE f.flow = format(''%%s'', t.%I)), %L)',
								   attachment.flow_column, attachment.flow) END;
	deleted := coalesce((SELECT format('lower(btrim(format(''%%s'', t.%I))) IN (''t'', ''true'', ''1'', ''yes'', ''y'', ''on'')', a.attname)
						 FROM pg_attribute a
						 WHERE a.attrelid = leads AND a.attname = leadroute.mapped_column(attachment.columns, 'deleted')
							AND a.attnum > 0 AND NOT a.attisdropped), 'false');

	/* of several flows in one table nobody can tell without reading it */
	IF run.phase = 'walk' AND attachment.flow_column IS NULL THEN
		SELECT sum(pg_relation_size(p.relid) / current_setting('block_size')::bigint * leadroute.row_density(p.relid)) INTO standing
		FROM leadroute.leaves(leads) p JOIN pg_class c ON c.oid = p.relid WHERE c.relkind <> 'f';
	END IF;
	IF run.phase = 'walk' THEN
		/* blocks without anything new go by quickly: a batch of changed leads, or a hundred batches of rows */
		WHILE changed < batch AND looked_at < 100.0 * batch LOOP
			/* the leaf it stands in, or the next by OID; a foreign leaf has no blocks and is read whole */
			SELECT l.* INTO heap
			FROM (SELECT p.relid::oid AS leaf, c.relkind <> 'f' AS has_blocks,
						CASE c.relkind WHEN 'f' THEN 1 ELSE pg_relation_size(p.relid) / current_setting('block_size')::bigint END AS blocks
				  FROM leadroute.leaves(leads) p JOIN pg_class c ON c.oid = p.relid) l
			WHERE l.leaf > coalesce(run.leaf, 0) AND l.blocks > 0 OR l.leaf = run.leaf AND l.blocks > run.next_block
			ORDER BY l.leaf LIMIT 1;
			IF NOT FOUND THEN
				run.phase := 'prune';
				EXIT;
			END IF;
			IF heap.leaf IS DISTINCT FROM run.leaf THEN
				run.leaf := heap.leaf;
				run.next_block := 0;
			END IF;
			stop := heap.blocks;
			IF heap.has_blocks THEN
				stop := least(stop, run.next_block + greatest(1, ceil(batch / leadroute.row_density(heap.leaf)))::bigint);
			END IF;
			looked_at := looked_at + batch;
			FOR part IN EXECUTE format($batch$
				WITH written AS MATERIALIZED (
					SELECT DISTINCT ON (w.flow, w.lead) w.flow, w.lead, w.deleted, w.raw, w.country, w.rule_keys,
						hashtextextended(concat_ws(E'\n', w.country, w.raw::text, w.rule_keys::text), $1) AS mark
					FROM (SELECT %1$s AS flow, format('%%s', t.%2$I) AS lead, coalesce(%3$s, false) AS deleted, ARRAY[%4$s]::text[] AS raw, %5$s AS country,
							ARRAY(SELECT 'rule ' || k.kind || ':' || k.key FROM leadroute.rule_keys(t, %1$s) k) AS rule_keys
						  FROM ONLY %6$s t
						  WHERE t.%2$I IS NOT NULL AND %7$s
						  /* what it works out is used twice */
						  OFFSET 0) w
					ORDER BY w.flow, w.lead, w.deleted
				), fresh AS MATERIALIZED (
					SELECT c.flow, c.lead, c.mark, c.compared, c.rule_keys, k.keys, v.compared AS old_compared, v.keys AS old_keys
					FROM (SELECT w.flow, w.lead, w.mark, w.rule_keys, leadroute.match_compared($2, w.raw, w.country) AS compared FROM written w WHERE NOT w.deleted) c
						CROSS JOIN LATERAL (SELECT array_agg(DISTINCT hashtextextended(u.key, 0)) AS keys
											FROM unnest(leadroute.match_keys_of($2, c.compared) || c.rule_keys) u(key)) k
						LEFT JOIN LATERAL (SELECT v.mark, v.compared, v.keys FROM leadroute.match_values v WHERE v.flow = c.flow AND v.lead = c.lead LIMIT 1) v ON true
					WHERE v.mark IS DISTINCT FROM c.mark
				), valued AS (
					INSERT INTO leadroute.match_values AS v (flow, lead, mark, compared, rule_keys, keys, valued_at)
						SELECT f.flow, f.lead, f.mark, f.compared, f.rule_keys, coalesce(f.keys, '{}'), clock_timestamp() FROM fresh f
						ON CONFLICT ON CONSTRAINT match_values_pkey DO UPDATE
							SET mark = EXCLUDED.mark, compared = EXCLUDED.compared, rule_keys = EXCLUDED.rule_keys, keys = EXCLUDED.keys, valued_at = EXCLUDED.valued_at
				), no_keys AS (
					DELETE FROM leadroute.match_keys k
					WHERE (k.flow, k.key, k.lead) IN (SELECT f.flow, u.key, f.lead FROM fresh f CROSS JOIN LATERAL unnest(f.old_keys) u(key)
													  WHERE u.key <> ALL (coalesce(f.keys, '{}')))
				), new_keys AS (
					INSERT INTO leadroute.match_keys (flow, key, lead)
						SELECT f.flow, u.key, f.lead FROM fresh f, unnest(f.keys) u(key)
						WHERE f.old_keys IS NULL OR u.key <> ALL (f.old_keys)
						/* the index is larger than memory before long: each of its pages once. None is there already: one session at a time works on a flow, and writes and deletes
						   them with the lead's values; ON CONFLICT would look up each of some twenty a lead twice. */
						ORDER BY f.flow, u.key, f.lead
				), counted AS (
					INSERT INTO leadroute.match_frequencies AS q (flow, field, value, leads)
						/* each of its values, its having one, and itself */
						SELECT f.flow, $3[c.n], x.value, sum(l.sign)
						FROM fresh f CROSS JOIN LATERAL (VALUES (f.compared, 1), (f.old_compared, -1)) l(compared, sign)
							CROSS JOIN LATERAL unnest(l.compared) WITH ORDINALITY c(value, n) CROSS JOIN LATERAL (VALUES (c.value), ('')) x(value)
						WHERE $4[c.n] AND c.value IS NOT NULL
						GROUP BY 1, 2, 3
						HAVING sum(l.sign) <> 0
						UNION ALL
						SELECT f.flow, '', '', count(*) FROM fresh f WHERE f.old_keys IS NULL GROUP BY 1
						ORDER BY 1, 2, 3
						ON CONFLICT ON CONSTRAINT match_frequencies_pkey DO UPDATE SET leads = q.leads + EXCLUDED.leads
				)
				SELECT w.flow, count(*) AS written, array_agg(w.lead) FILTER (WHERE w.deleted) AS gone,
					(SELECT array_agg(f.lead) FROM fresh f WHERE f.flow = w.flow) AS fresh
				FROM written w GROUP BY w.flow$batch$,
				flow_value, attachment.key_column, deleted, raw, country, heap.leaf::regclass,
				CASE WHEN heap.has_blocks
					 THEN format('t.ctid >= ''(%s,0)''::tid AND t.ctid < ''(%s,0)''::tid AND leadroute.written_since(t.xmin, %L)',
								 run.next_block, stop, run.since)
					 ELSE 'true' END)
				USING run.shape, kinds, fields, counted
			LOOP
				run.written := run.written + part.written;
				IF part.gone IS NOT NULL THEN
					PERFORM leadroute.forget_match_values(part.flow, part.gone, fields, counted);
				END IF;
				IF part.fresh IS NOT NULL THEN
					done := leadroute.compare_leads(part.flow, settings, part.fresh, fields, kinds, standing);
					changed := changed + cardinality(part.fresh);
					run.changed := run.changed + cardinality(part.fresh);
					run.compared := run.compared + done.compared;
					run.suggested := run.suggested + done.suggested;
					run.oversized := run.oversized + done.oversized;
				END IF;
			END LOOP;
			run.next_block := stop;
		END LOOP;
	ELSIF NOT leadroute.forget_gone(leadroute.match_flows(attachment), fields, counted,
			format('(SELECT %1$s AS flow, format(''%%s'', t.%2$I) AS lead FROM %3$s t WHERE t.%2$I IS NOT NULL AND NOT coalesce(%4$s, false))',
				   flow_value, attachment.key_column, leads, deleted), batch) THEN
		run.phase := 'done';
	END IF;
	UPDATE leadroute.match_runs r
		SET phase = run.phase, leaf = run.leaf, next_block = run.next_block, written = run.written, changed = run.changed,
			compared = run.compared, suggested = run.suggested, oversized = run.oversized, updated_at = clock_timestamp(),
			finished_at = CASE WHEN run.phase = 'done' THEN clock_timestamp() END
		WHERE r.flow = run.flow;
	RETURN run.phase = 'done';
END
$$;
COMMENT ON FUNCTION leadroute.find_duplicates_batch(text, integer) IS 'Part of find_duplicates(): values and compares the next leads of a run; answers whether it has ended.';

/* The flows whose leads table can be walked. */
CREATE FUNCTION leadroute.flows_to_match(flow text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT a.flow FROM leadroute.attachments a
	WHERE flows_to_match.flow IS NULL AND a.status = 'attached' AND leadroute.attachment_table(a) IS NOT NULL
	UNION ALL
	SELECT flows_to_match.flow WHERE flows_to_match.flow IS NOT NULL
	ORDER BY 1
$$;
COMMENT ON FUNCTION leadroute.flows_to_match(text) IS 'Part of find_duplicates(): the flows that have a leads table, or the one that is named.';

CREATE PROCEDURE leadroute.find_duplicates(flow text DEFAULT NULL, batch integer DEFAULT 1000, again boolean DEFAULT false)
LANGUAGE plpgsql
AS $$
DECLARE
	at_work	pg_catalog.text;
	ended	boolean;
	more	boolean;
BEGIN
	FOREACH at_work IN ARRAY ARRAY(SELECT f FROM leadroute.flows_to_match(flow) AS f) LOOP
		IF NOT leadroute.find_duplicates_start(at_work, again) THEN
			RAISE NOTICE USING MESSAGE = pg_catalog.format('another session is at work on flow "%s"', at_work);
			CONTINUE;
		END IF;
		CALL leadroute.commit_batch(more);
		LOOP
			ended := leadroute.find_duplicates_batch(at_work, batch);
			more := NOT ended;
			CALL leadroute.commit_batch(more);
			EXIT WHEN NOT more;
		END LOOP;
		IF NOT ended THEN
			RAISE NOTICE USING MESSAGE = pg_catalog.format('one batch of flow "%s" is done', at_work),
				HINT = 'Inside a transaction find_duplicates does one batch and commits nothing: call it again to go on, or outside of one.';
			RETURN;
		END IF;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE leadroute.find_duplicates(text, integer, boolean) IS
	'Looks for likely duplicates in one flow, or (NULL) all: compares the leads that are new or changed since the last run with all others and writes what is likely to duplicate_candidates. again => true compares all leads again, as after new weights. Commits after each batch of leads and can be stopped and called again; in a transaction block it does one batch. For pg_cron.';

/* For sweep(): one batch, where the flow wants it; answers whether there is more to do. */
CREATE FUNCTION leadroute.sweep_duplicates(flow text, batch integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT (leadroute.match_settings_of(flow)).in_sweep
		OR NOT EXISTS (SELECT FROM leadroute.attachments a
					   WHERE a.flow = sweep_duplicates.flow AND a.status = 'attached' AND leadroute.attachment_table(a) IS NOT NULL)
		OR NOT leadroute.find_duplicates_start(flow, false) THEN
		RETURN false;
	END IF;
	RETURN NOT leadroute.find_duplicates_batch(flow, batch);
END
$$;
COMMENT ON FUNCTION leadroute.sweep_duplicates(text, integer) IS
	'Part of sweep(): does one batch of find_duplicates() where match_settings.in_sweep says so; answers whether there is more to do.';

/* --- decisions --- */

CREATE FUNCTION leadroute.show_outputs(flow text, lead text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_show_outputs';
COMMENT ON FUNCTION leadroute.show_outputs(text, text) IS 'Internal: writes what a lead''s state says into the output columns of its row.';

/*
 * What is linked to a lead that has become a duplicate itself is the duplicate of the one that this one stands behind. Who waits, locks a row of the leads table, then
 * its state; at commit, when no row may be written, what others hold is left in pending_heirs to the sweep.
 */
CREATE FUNCTION leadroute.relink_duplicates(flow text, second text, waits boolean) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	first	leadroute.lead_states;
	linked	leadroute.lead_states;
	keys	text[];
	told	text;
	at		timestamptz := leadroute.clock();
BEGIN
	SELECT s.* INTO first FROM leadroute.lead_states s WHERE s.flow = relink_duplicates.flow AND s.lead = second;
	FOR step IN 1 .. 100 LOOP
		EXIT WHEN first.status NOT IN ('duplicate', 'merged') OR first.duplicate_of IS NULL OR first.duplicate_of = second;
		SELECT s.* INTO first FROM leadroute.lead_states s WHERE s.flow = relink_duplicates.flow AND s.lead = first.duplicate_of;
	END LOOP;
	IF first.lead IS NULL OR first.lead = second OR first.status IN ('duplicate', 'merged') THEN
		RETURN NULL;
	END IF;
	IF waits THEN
		SELECT array_agg(d.lead ORDER BY d.lead) INTO keys FROM leadroute.lead_states d WHERE d.flow = relink_duplicates.flow AND d.duplicate_of = second;
		PERFORM leadroute.hold_rows(flow, keys, true);
		PERFORM FROM leadroute.lead_states d WHERE d.flow = relink_duplicates.flow AND d.lead = ANY (keys) ORDER BY d.lead FOR UPDATE;
	END IF;
	FOR linked IN
		SELECT d.* FROM leadroute.lead_states d WHERE d.flow = relink_duplicates.flow AND d.duplicate_of = second AND d.lead <> first.lead ORDER BY d.lead
	LOOP
		PERFORM FROM leadroute.lead_states d WHERE d.flow = linked.flow AND d.lead = linked.lead FOR UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			INSERT INTO leadroute.pending_heirs (flow, lead, gone, at) VALUES (linked.flow, second, true, at) ON CONFLICT DO NOTHING;
			CONTINUE;
		END IF;
		/* a returning lead is nobody's duplicate, and an absorbed one has no row */
		IF linked.status <> 'duplicate' OR linked.closed_at IS NOT NULL THEN
			UPDATE leadroute.lead_states d SET duplicate_of = first.lead WHERE d.flow = linked.flow AND d.lead = linked.lead AND d.duplicate_of = second;
		ELSE
			told := format('duplicate of lead %s: lead %s is one', first.lead, second);
			UPDATE leadroute.lead_states d
				SET duplicate_of = first.lead, owner = coalesce(first.owner, d.owner), team = coalesce(first.team, d.team), territory = coalesce(first.territory, d.territory), route_reason = told
				WHERE d.flow = linked.flow AND d.lead = linked.lead AND d.duplicate_of = second;
			INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, previous_owner, team, territory, reason)
				VALUES (linked.flow, linked.lead, at, 'linked', 'duplicate', coalesce(first.owner, linked.owner), linked.owner, coalesce(first.team, linked.team),
						coalesce(first.territory, linked.territory), told);
		END IF;
		IF NOT waits THEN
			INSERT INTO leadroute.pending_heirs (flow, lead, gone, at) VALUES (linked.flow, linked.lead, false, at) ON CONFLICT DO NOTHING;
		END IF;
	END LOOP;
	/* what its duplicates have asked of it */
	WITH asked AS (
		DELETE FROM leadroute.pending_clocks p WHERE p.flow = relink_duplicates.flow AND p.lead = second RETURNING p.*
	)
	INSERT INTO leadroute.pending_clocks (flow, lead, duplicate, policy, started_at, at)
		SELECT a.flow, first.lead, a.duplicate, a.policy, a.started_at, a.at FROM asked a
		ON CONFLICT DO NOTHING;
	RETURN first.lead;
END
$$;
COMMENT ON FUNCTION leadroute.relink_duplicates(text, text, boolean) IS
	'Where a lead is a duplicate that has duplicates of its own: these are the duplicates of the one that it stands behind, and have that one''s owner. Answers that one; NULL where the lead is no duplicate. With "waits" their rows are locked for the caller, who writes them; else what others hold, and the rows, are left in pending_heirs to the sweep.';

CREATE FUNCTION leadroute.note_first(flow text, first text) RETURNS void
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_note_first';
COMMENT ON FUNCTION leadroute.note_first(text, text) IS
	'Internal: looks when the transaction commits whether the lead is gone, or is a duplicate, and has duplicates that others have inserted meanwhile: they get another first lead.';

/* Makes one of two leads a duplicate of the other, as a shared key would have; answers which stands for both. */
CREATE FUNCTION leadroute.link_leads(in_flow text, lead text, other text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	first	leadroute.lead_states;
	second	leadroute.lead_states;
	keys	text[];
	locked	text[];
	moved	text;
	clock	leadroute.clocks;
BEGIN
	/* each stands for itself, or is linked already; rows, then states, each in the order of their keys. Who holds one of them may have linked it meanwhile. */
	LOOP
		SELECT array_agg(DISTINCT coalesce(s.duplicate_of, k.lead) COLLATE "C") INTO keys
		FROM unnest(ARRAY[link_leads.lead, link_leads.other]) k(lead)
			LEFT JOIN leadroute.lead_states s ON s.flow = in_flow AND s.lead = k.lead AND s.status IN ('duplicate', 'merged');
		EXIT WHEN keys = locked;
		PERFORM leadroute.hold_rows(in_flow, keys, true);
		PERFORM FROM leadroute.lead_states s WHERE s.flow = in_flow AND s.lead = ANY (keys) ORDER BY s.lead FOR UPDATE;
		locked := keys;
	END LOOP;
	/* who is gone stands for nobody; who has an owner comes before who has none, then who asked first; the lower key decides where nothing else does */
	SELECT array_agg(k.lead ORDER BY (s.closed_at IS NOT NULL AND s.outcome = ANY ('{deleted,gone,moved}')) IS TRUE, (s.owner IS NOT NULL AND s.closed_at IS NULL) DESC, coalesce(s.submitted_at, s.routed_at) NULLS LAST, k.lead COLLATE "C")
		INTO keys
	FROM unnest(keys) k(lead) LEFT JOIN leadroute.lead_states s ON s.flow = in_flow AND s.lead = k.lead;
	SELECT s.* INTO first FROM leadroute.lead_states s WHERE s.flow = in_flow AND s.lead = keys[1];
	SELECT s.* INTO second FROM leadroute.lead_states s WHERE s.flow = in_flow AND s.lead = keys[2];
	IF first.lead IS NULL OR second.lead IS NULL THEN
		RETURN keys[1];		/* they are one already, or one of them was never recorded */
	END IF;

	/* its place, or that of one who waits for a team */
	IF second.closed_at IS NULL AND (second.status = 'assigned' AND second.owner IS NOT NULL OR second.status = 'waiting' AND second.team IS NOT NULL) THEN
		PERFORM leadroute.rotation_open(in_flow, coalesce(second.team, ''), coalesce(second.owner, ''), -1);
	END IF;
	UPDATE leadroute.lead_states s
		SET status = 'duplicate', code = 'duplicate', duplicate_of = first.lead, owner = first.owner, team = first.team, territory = first.territory,
			queue = NULL, rule = NULL, priority = NULL, queue_order = NULL, held_until = NULL,
			route_reason = format('duplicate of lead %s: %s said so', first.lead, session_user)
		WHERE s.flow = in_flow AND s.lead = second.lead;
	INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, previous_owner, team, territory, reason, actor)
		VALUES (in_flow, second.lead, leadroute.clock(), 'linked', 'duplicate', first.owner, second.owner, first.team, first.territory,
				format('duplicate of lead %s', first.lead), session_user);
	/* what was linked to it goes along, now and when this commits: who inserts such a one meanwhile has not seen this */
	PERFORM leadroute.relink_duplicates(in_flow, second.lead, true);
	PERFORM leadroute.note_first(in_flow, second.lead);
	/* a duplicate has no clocks: what it waits for is asked of the first one, as if it came now */
	FOR clock IN
		SELECT c.* FROM leadroute.clocks c WHERE c.flow = in_flow AND c.lead = second.lead AND c.finished_at IS NULL ORDER BY c.policy, c.round FOR UPDATE
	LOOP
		IF clock.metric NOT IN ('queue_age', 'stage_age') THEN
			PERFORM leadroute.start_asked_clock(in_flow, first.lead, second.lead, clock.policy, clock.started_at, leadroute.clock());
		END IF;
		PERFORM leadroute.finish_clock(clock, leadroute.clock(), 'superseded', format('duplicate of lead %s', first.lead));
	END LOOP;
	PERFORM leadroute.refresh_due(in_flow, second.lead);
	/* the rows show it */
	FOR moved IN
		SELECT s.lead FROM leadroute.lead_states s
		WHERE s.flow = in_flow AND s.duplicate_of = first.lead AND s.status = 'duplicate' LOOP
		PERFORM leadroute.show_outputs(in_flow, moved);
	END LOOP;
	RETURN first.lead;
END
$$;
COMMENT ON FUNCTION leadroute.link_leads(text, text, text) IS
	'Part of accept_duplicate(): links one of two leads to the other, frees its place and writes its row''s output columns; answers the one that stands for both.';

CREATE FUNCTION leadroute.decide_duplicate(flow text, lead text, other text, decision text) RETURNS leadroute.duplicate_candidates
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	candidate	leadroute.duplicate_candidates;
	first		text;
BEGIN
	SELECT d.* INTO candidate FROM leadroute.duplicate_candidates d
	WHERE d.flow = decide_duplicate.flow AND d.lead = least(decide_duplicate.lead COLLATE "C", decide_duplicate.other COLLATE "C")
		AND d.other = greatest(decide_duplicate.lead COLLATE "C", decide_duplicate.other COLLATE "C")
	FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found',
			MESSAGE = format('leads "%s" and "%s" of flow "%s" are no suggested pair', lead, other, flow),
			HINT = 'leadroute.duplicate_candidates lists those that are.';
	ELSIF candidate.status = decision THEN
		RETURN candidate;
	END IF;
	IF decision = 'accepted' THEN
		first := leadroute.link_leads(flow, candidate.lead, candidate.other);
	END IF;
	UPDATE leadroute.duplicate_candidates d
		SET status = decision, original = first, decided_at = leadroute.clock(), decided_by = session_user
		WHERE d.flow = candidate.flow AND d.lead = candidate.lead AND d.other = candidate.other
		RETURNING d.* INTO candidate;
	RETURN candidate;
END
$$;
COMMENT ON FUNCTION leadroute.decide_duplicate(text, text, text, text) IS 'Part of accept_duplicate() and dismiss_duplicate(): writes the decision about a suggested pair.';

CREATE FUNCTION leadroute.accept_duplicate(lead text, other text, flow text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	candidate	leadroute.duplicate_candidates := leadroute.decide_duplicate(flow, lead, other, 'accepted');
BEGIN
	RETURN candidate.original;
END
$$;
COMMENT ON FUNCTION leadroute.accept_duplicate(text, text, text) IS
	'Says that two leads that find_duplicates() suggested are one, in either order: one is linked to the other (status duplicate, duplicate_of, its owner) and takes no place any more. Answers the one that stands for both: the one that has an owner, else the one that was submitted first. An error for a pair that was not suggested.';

CREATE FUNCTION leadroute.dismiss_duplicate(lead text, other text, flow text DEFAULT 'default') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	PERFORM leadroute.decide_duplicate(flow, lead, other, 'dismissed');
END
$$;
COMMENT ON FUNCTION leadroute.dismiss_duplicate(text, text, text) IS
	'Says that two leads that find_duplicates() suggested are two, in either order: they are not suggested again, whatever changes. An error for a pair that was not suggested.';

DO $do$
DECLARE
	keytype	text;
BEGIN
	FOREACH keytype IN ARRAY ARRAY['bigint', 'uuid'] LOOP
		EXECUTE pg_catalog.format($def$
			CREATE FUNCTION leadroute.accept_duplicate(lead %1$s, other %1$s, flow text DEFAULT 'default') RETURNS text
			LANGUAGE sql
			SET search_path = pg_catalog, leadroute, pg_temp
			AS $$ SELECT leadroute.accept_duplicate(lead::text, other::text, flow) $$;
			COMMENT ON FUNCTION leadroute.accept_duplicate(%1$s, %1$s, text) IS 'The same for keys of type %1$s.';
			CREATE FUNCTION leadroute.dismiss_duplicate(lead %1$s, other %1$s, flow text DEFAULT 'default') RETURNS void
			LANGUAGE sql
			SET search_path = pg_catalog, leadroute, pg_temp
			AS $$ SELECT leadroute.dismiss_duplicate(lead::text, other::text, flow) $$;
			COMMENT ON FUNCTION leadroute.dismiss_duplicate(%1$s, %1$s, text) IS 'The same for keys of type %1$s.';
			REVOKE ALL ON FUNCTION leadroute.accept_duplicate(%1$s, %1$s, text), leadroute.dismiss_duplicate(%1$s, %1$s, text) FROM PUBLIC;
			GRANT EXECUTE ON FUNCTION leadroute.accept_duplicate(%1$s, %1$s, text), leadroute.dismiss_duplicate(%1$s, %1$s, text) TO leadroute_operator$def$, keytype);
	END LOOP;
END
$do$;

COMMENT ON TABLE leadroute.match_fields IS 'What find_duplicates() compares in a flow; where a flow has no row here, match_fields_of() finds the columns by their names. A change compares all leads anew.';
COMMENT ON COLUMN leadroute.match_fields.flow IS 'The flow; with flow_column, the one of the attachment.';
COMMENT ON COLUMN leadroute.match_fields.field IS 'Name of the field, as evidence shows it.';
COMMENT ON COLUMN leadroute.match_fields.kind IS 'What the values are, which says how they are compared: a kind of match_levels().';
COMMENT ON COLUMN leadroute.match_fields.columns IS 'The columns of the leads table, which are joined by a blank.';
COMMENT ON COLUMN leadroute.match_fields.part IS 'Of the value: all, first word or last word, for a full name in one column.';
COMMENT ON COLUMN leadroute.match_fields.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.match_weights IS 'Weights of a flow that differ from those of match_levels(). A weight in bits is log2(matches / others). Call find_duplicates(again => true) to apply a change to leads that were compared.';
COMMENT ON COLUMN leadroute.match_weights.flow IS 'The flow; with flow_column, the one of the attachment.';
COMMENT ON COLUMN leadroute.match_weights.kind IS 'The kind.';
COMMENT ON COLUMN leadroute.match_weights.level IS 'The level of likeness.';
COMMENT ON COLUMN leadroute.match_weights.matches IS 'How often two rows of one lead are that alike, 0 to 1.';
COMMENT ON COLUMN leadroute.match_weights.others IS 'How often two rows of two leads are that alike, 0 to 1; for exact and a kind by_frequency, of an average value.';
COMMENT ON COLUMN leadroute.match_weights.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.match_settings IS 'Settings of find_duplicates() in a flow; the defaults hold where it has no row.';
COMMENT ON COLUMN leadroute.match_settings.flow IS 'The flow; with flow_column, the one of the attachment.';
COMMENT ON COLUMN leadroute.match_settings.suggest_at IS 'The score from which on a pair is suggested, 0 to 1.';
COMMENT ON COLUMN leadroute.match_settings.expected IS 'How many duplicates a lead is expected to have, on average: with the number of leads it makes the odds before anything is compared.';
COMMENT ON COLUMN leadroute.match_settings.block_limit IS 'The size of a block beyond which its leads are not compared for it; match_blocks lists the blocks.';
COMMENT ON COLUMN leadroute.match_settings.pair_limit IS 'With how many others a lead is compared at most when it is new or has changed: those that have most blocking keys in common with it, each key counted by how rare it is. Who has a key by a match rule comes on top.';
COMMENT ON COLUMN leadroute.match_settings.context_bits IS 'What the fields that colleagues or a household share (phone, company, website, address, postal code, city, region, country) may weigh at most, together.';
COMMENT ON COLUMN leadroute.match_settings.conflict_bits IS 'The same where the names differ or none is known.';
COMMENT ON COLUMN leadroute.match_settings.in_sweep IS 'Whether sweep() looks for duplicates too, up to 20 batches a call.';
COMMENT ON COLUMN leadroute.match_settings.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.match_values IS 'What find_duplicates() compares of each lead; filled by it from the leads table.';
COMMENT ON COLUMN leadroute.match_values.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.match_values.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.match_values.mark IS 'A hash of the columns and rule_keys it was made from: another one means that the lead has changed.';
COMMENT ON COLUMN leadroute.match_values.compared IS 'The values as they are compared, in the order of match_fields_of().';
COMMENT ON COLUMN leadroute.match_values.rule_keys IS 'Its keys by the flow''s match rules, each as "rule ", the rule''s kinds, a colon and the key; in match_keys too.';
COMMENT ON COLUMN leadroute.match_values.keys IS 'The lead''s keys in match_keys.';
COMMENT ON COLUMN leadroute.match_values.valued_at IS 'When they were made.';

COMMENT ON TABLE leadroute.match_keys IS 'Blocking keys: leads that have one in common are compared.';
COMMENT ON COLUMN leadroute.match_keys.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.match_keys.key IS 'hashtextextended(key, 0) of a key of match_keys_of(): the pass, a colon, and what the leads have in common.';
COMMENT ON COLUMN leadroute.match_keys.lead IS 'The lead''s key, as text.';

COMMENT ON TABLE leadroute.match_frequencies IS 'How many leads have a value, for the kinds whose frequent values count less.';
COMMENT ON COLUMN leadroute.match_frequencies.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.match_frequencies.field IS 'The field; empty for the number of leads.';
COMMENT ON COLUMN leadroute.match_frequencies.value IS 'The value as it is compared; empty for the number of leads that have any.';
COMMENT ON COLUMN leadroute.match_frequencies.leads IS 'How many leads have it.';

COMMENT ON TABLE leadroute.match_blocks IS 'Blocks that are larger than match_settings.block_limit: their leads are not compared for this key, only for others that they have in common.';
COMMENT ON COLUMN leadroute.match_blocks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.match_blocks.key IS 'The key as text, as match_keys_of() makes it; match_keys has its hash, so that its leads can be counted.';
COMMENT ON COLUMN leadroute.match_blocks.times IS 'How many leads passed it by when they were compared.';
COMMENT ON COLUMN leadroute.match_blocks.first_at IS 'When it was first too large.';
COMMENT ON COLUMN leadroute.match_blocks.last_at IS 'When it was last.';

COMMENT ON TABLE leadroute.match_runs IS 'How far find_duplicates() is with each leads table, or what its last run did.';
COMMENT ON COLUMN leadroute.match_runs.flow IS 'The attachment''s flow.';
COMMENT ON COLUMN leadroute.match_runs.relation IS 'OID of the table it walks: another one in its place is read whole.';
COMMENT ON COLUMN leadroute.match_runs.system IS 'The cluster whose transactions since and began are.';
COMMENT ON COLUMN leadroute.match_runs.shape IS 'A hash of the fields that are compared: other ones value all leads anew.';
COMMENT ON COLUMN leadroute.match_runs.since IS 'Rows of older transactions are not looked at; NULL: all are.';
COMMENT ON COLUMN leadroute.match_runs.began IS 'The oldest transaction that was open when the run began: the next run''s since.';
COMMENT ON COLUMN leadroute.match_runs.phase IS 'walk (block by block), prune (leads that are in the table no more), done.';
COMMENT ON COLUMN leadroute.match_runs.leaf IS 'OID of the partition it walks now.';
COMMENT ON COLUMN leadroute.match_runs.next_block IS 'The block to go on from.';
COMMENT ON COLUMN leadroute.match_runs.written IS 'Rows that were written since the run before.';
COMMENT ON COLUMN leadroute.match_runs.changed IS 'Of these, leads that are new or have other values: they were compared.';
COMMENT ON COLUMN leadroute.match_runs.compared IS 'Pairs that were compared.';
COMMENT ON COLUMN leadroute.match_runs.suggested IS 'Pairs that are newly suggested.';
COMMENT ON COLUMN leadroute.match_runs.oversized IS 'Blocks that were too large, counted a batch.';
COMMENT ON COLUMN leadroute.match_runs.started_at IS 'When the run started.';
COMMENT ON COLUMN leadroute.match_runs.updated_at IS 'When the last batch ended.';
COMMENT ON COLUMN leadroute.match_runs.finished_at IS 'When the run came to its end.';

COMMENT ON TABLE leadroute.duplicate_candidates IS 'Pairs of leads that are likely one, or have the same key by a match rule, each once. Written by find_duplicates(), catch_up(), rekey() and UPDATEs that give a lead a key of another''s; decided by accept_duplicate() and dismiss_duplicate().';
COMMENT ON COLUMN leadroute.duplicate_candidates.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.duplicate_candidates.lead IS 'The one whose key sorts first.';
COMMENT ON COLUMN leadroute.duplicate_candidates.other IS 'The other.';
COMMENT ON COLUMN leadroute.duplicate_candidates.score IS 'How likely they are one, 0 to 1: the odds that match_settings.expected and the number of leads give, times two to the sum of the evidence''s bits. A pair that a match rule suggests may have any score; 1 until find_duplicates() has compared it.';
COMMENT ON COLUMN leadroute.duplicate_candidates.evidence IS 'Per field that both have: how alike the values are, and what that weighs in bits; and per match rule by which they have the same key "rule: " with its name, likeness exact, without bits.';
COMMENT ON COLUMN leadroute.duplicate_candidates.status IS 'open, accepted or dismissed. A dismissed pair is never suggested again.';
COMMENT ON COLUMN leadroute.duplicate_candidates.original IS 'Of an accepted pair, the lead that stands for both.';
COMMENT ON COLUMN leadroute.duplicate_candidates.found_at IS 'When the pair was first suggested.';
COMMENT ON COLUMN leadroute.duplicate_candidates.scored_at IS 'When it was last scored.';
COMMENT ON COLUMN leadroute.duplicate_candidates.decided_at IS 'When it was accepted or dismissed.';
COMMENT ON COLUMN leadroute.duplicate_candidates.decided_by IS 'Who did it.';

GRANT EXECUTE ON FUNCTION leadroute.match_value(text, text, text), leadroute.likeness(text, text, text), leadroute.match_levels() TO PUBLIC;
REVOKE ALL ON FUNCTION leadroute.match_fields_of(text), leadroute.match_settings_of(text), leadroute.match_defaults(),
	leadroute.find_duplicates_start(text, boolean), leadroute.find_duplicates_batch(text, integer), leadroute.flows_to_match(text),
	leadroute.sweep_duplicates(text, integer), leadroute.accept_duplicate(text, text, text), leadroute.dismiss_duplicate(text, text, text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE leadroute.find_duplicates(text, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.match_fields_of(text), leadroute.match_settings_of(text), leadroute.match_defaults() TO leadroute_reader;
GRANT EXECUTE ON FUNCTION leadroute.find_duplicates_start(text, boolean), leadroute.find_duplicates_batch(text, integer), leadroute.flows_to_match(text),
	leadroute.sweep_duplicates(text, integer), leadroute.accept_duplicate(text, text, text), leadroute.dismiss_duplicate(text, text, text) TO leadroute_operator;
GRANT EXECUTE ON PROCEDURE leadroute.find_duplicates(text, integer, boolean) TO leadroute_operator;

SELECT leadroute.configuration_table(relation::name, invalidation => NULL)
FROM pg_catalog.unnest('{match_fields,match_weights,match_settings}'::text[]) relation;
