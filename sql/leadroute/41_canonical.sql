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

CREATE FUNCTION leadroute.number_of(value text) RETURNS numeric
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_number_of';
COMMENT ON FUNCTION leadroute.number_of(text) IS
	'The number in what people and exports write for one: 1,234 and 1 234 are 1234, 2.5K is 2500, 1.2bn 1200000000. Of a band it is the lower end: 10,001+ is 10001, 51-200 employees 51, $1M-$5M and 1-5 million 1000000, <10 and under 50 are 0. Signs and words around it mean nothing. NULL where there is no number. No errors.';

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
	'The letters and digits of a postal code, in lower case; one of the US, or without a country one that looks so, keeps the hyphen of ZIP+4. Codes of digits only get their lost leading zeros back where the country is known (7725 in the US is 07725). NULL where nothing is left. No errors.';

CREATE FUNCTION leadroute.company_key(company text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_company_key_sql';
COMMENT ON FUNCTION leadroute.company_key(text) IS
	'A company''s name without accents, case, punctuation, article and the legal forms of many countries (Inc, LLC, GmbH & Co. KG, S.à r.l., K.K.): The Acme Company, Inc. is acme; & is and. NULL where it has no letter or digit, where it is no company (N/A, unknown, [not provided], self-employed), or more than 1000 bytes. No errors.';

/*
 * Mail domains that many people share, and those that serve for one message. Reference data of the whole
 * installation, not of a flow: no flow in its key.
 */
CREATE TABLE leadroute.mail_domains (
	domain			text COLLATE "C" NOT NULL CHECK (domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$'),
	source			text COLLATE "C" NOT NULL DEFAULT 'local' CHECK (source <> ''),
	is_public		boolean NOT NULL DEFAULT false,
	is_disposable	boolean NOT NULL DEFAULT false,
	note			text,
	PRIMARY KEY (domain, source)
);
COMMENT ON TABLE leadroute.mail_domains IS
	'Domains of public and of disposable mail, by the source that says so. Ships with the well-known ones; make mail-domains brings the long lists. A row counts for the domains below it too.';
COMMENT ON COLUMN leadroute.mail_domains.domain IS 'The domain, lower case, in ASCII (xn--…).';
COMMENT ON COLUMN leadroute.mail_domains.source IS
	'Who says so: leadroute (shipped; not dumped, so do not change these), the name of a list, or local, which decides against all others.';
COMMENT ON COLUMN leadroute.mail_domains.is_public IS 'Whether people who have nothing to do with each other have addresses there.';
COMMENT ON COLUMN leadroute.mail_domains.is_disposable IS 'Whether addresses there are made for one message.';
COMMENT ON COLUMN leadroute.mail_domains.note IS 'Anything.';

/* As with configuration: every session forgets what it has read when a change commits. */
SELECT leadroute.invalidation_triggers('mail_domains', 'table_changed');

INSERT INTO leadroute.mail_domains (domain, source, is_public)
SELECT domain, 'leadroute', true
  FROM pg_catalog.regexp_split_to_table('126.com 139.com 163.com 189.cn 21cn.com abv.bg aim.com alice.it aliceadsl.fr aliyun.com ameritech.net aol.co.uk aol.com aol.de aol.fr aol.it
aon.at arcor.de arnet.com.ar asia.com att.net au.com azet.sk bbox.fr bell.net bellsouth.net bezeqint.net biglobe.ne.jp bigmir.net
bigpond.com bigpond.net.au bk.ru bluewin.ch blueyonder.co.uk bol.com.br bredband.net broadpark.no bsnl.in btinternet.com btopenworld.com
cableone.net care2.com casema.nl centrum.cz centrum.sk centurylink.net centurytel.net charter.net chello.at chello.nl citromail.hu
ciudad.com.ar clix.pt club-internet.fr cogeco.ca comcast.net comhem.se consultant.com cox.net daum.net dion.ne.jp dir.bg disroot.org
docomo.ne.jp dodo.com.au duck.com earthlink.net eastlink.ca eircom.net email.com email.cz email.de email.it embarqmail.com engineer.com
europe.com excite.co.jp excite.com ezweb.ne.jp fastmail.com fastmail.fm fastwebnet.it fibertel.com.ar flash.net foxmail.com free.fr
freemail.hu freenet.de frontier.com frontiernet.net gawab.com gazeta.pl globomail.com gmail.com gmx.at gmx.ch gmx.co.uk gmx.com
gmx.de gmx.fr gmx.net gmx.us goo.jp googlemail.com hanmail.net hetnet.nl hey.com hinet.net hispeed.ch home.nl hotmail.be hotmail.ca
hotmail.ch hotmail.co.jp hotmail.co.uk hotmail.com hotmail.com.ar hotmail.com.br hotmail.com.tr hotmail.de hotmail.dk hotmail.es hotmail.fi
hotmail.fr hotmail.gr hotmail.it hotmail.nl hotmail.no hotmail.se hughes.net hushmail.com i.softbank.jp i.ua icloud.com ig.com.br
iinet.net.au iname.com inbox.com inbox.ru indiatimes.com infoseek.jp interia.eu interia.pl internet.ru internode.on.net inwind.it
iol.it jubii.dk juno.com kabelmail.de kakao.com keemail.me kpnmail.nl kpnplanet.nl laposte.net lenta.ru libero.it list.ru live.at live.be
live.ca live.cl live.cn live.co.uk live.co.za live.com live.com.ar live.com.au live.com.mx live.com.pt live.com.sg live.de live.dk live.fr
live.ie live.in live.it live.jp live.nl live.no live.ru live.se lycos.com mac.com magenta.de mail.bg mail.com mail.dk mail.ru mailbox.org
mailcity.com mailfence.com maktoob.com me.com meta.ua mindspring.com msn.com mts.net mweb.co.za mynet.com nate.com naver.com netvigator.com
netvision.net.il netzero.com netzero.net neuf.fr nifty.com ntlworld.com numericable.fr o2.co.uk o2.pl ocn.ne.jp onet.eu onet.pl
online.de online.no op.pl optonline.net optusnet.com.au orange.fr otenet.gr outlook.at outlook.be outlook.co.id outlook.co.th outlook.com
outlook.com.ar outlook.com.au outlook.com.br outlook.com.tr outlook.com.vn outlook.cz outlook.de outlook.dk outlook.es outlook.fr outlook.ie
outlook.in outlook.it outlook.jp outlook.kr outlook.pt outlook.sa pacbell.net pchome.com.tw plala.or.jp planet.nl pm.me
poczta.onet.pl post.com post.cz poste.it posteo.de posteo.net prodigy.net prodigy.net.mx proton.me protonmail.ch protonmail.com proximus.be
q.com qq.com rambler.ru rediff.com rediffmail.com riseup.net roadrunner.com rocketmail.com rocketmail.fr rogers.com rr.com runbox.com
sapo.pt sasktel.net sbcglobal.net scarlet.be seed.net.tw seznam.cz sfr.fr shaw.ca sify.com sina.cn sina.com singnet.com.sg siol.net sky.com
skynet.be slingshot.co.nz so-net.ne.jp softbank.ne.jp sohu.com speedy.com.ar spray.se startmail.com stofanet.dk suddenlink.net sunrise.ch
superonline.com swbell.net sympatico.ca t-online.de talktalk.net tds.net telefonica.net telenet.be telkomsa.net telus.net
terra.com terra.com.br terra.com.mx terra.es tim.it tin.it tiscali.co.uk tiscali.it tlen.pl tom.com tpg.com.au tuta.com tuta.io tutamail.com
tutanota.com tutanota.de ukr.net uol.com.br upcmail.nl usa.com verizon.net videotron.ca vip.163.com vip.qq.com vip.sina.com virgilio.it
virginmedia.com vodafone.co.nz vodafonemail.de vodamail.co.za volny.cz vp.pl vsnl.net walla.co.il walla.com wanadoo.fr web.de webmail.co.za
westnet.com.au windowslive.com windstream.net wo.cn wowway.com wp.pl xs4all.nl xtra.co.nz ya.com ya.ru yahoo.ca yahoo.cn yahoo.co.id
yahoo.co.in yahoo.co.jp yahoo.co.kr yahoo.co.nz yahoo.co.th yahoo.co.uk yahoo.com yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.cn
yahoo.com.hk yahoo.com.mx yahoo.com.my yahoo.com.ph yahoo.com.sg yahoo.com.tr yahoo.com.tw yahoo.com.vn yahoo.de yahoo.dk yahoo.es yahoo.fr
yahoo.gr yahoo.ie yahoo.in yahoo.it yahoo.no yahoo.pl yahoo.ro yahoo.se yandex.by yandex.com yandex.kz yandex.ru yandex.ua yeah.net
ymail.com ziggo.nl zipmail.com.br zoho.com zohomail.com zoznam.sk', '\s+') domain;

INSERT INTO leadroute.mail_domains (domain, source, is_disposable)
SELECT domain, 'leadroute', true
  FROM pg_catalog.regexp_split_to_table('10minutemail.co.uk 10minutemail.com 10minutemail.net 20minutemail.com 30minutemail.com anonbox.net anonymbox.com armyspy.com burnermail.io
cool.fr.nf cuvox.de dayrep.com discard.email discardmail.com discardmail.de dispostable.com dropmail.me einrot.com emailfake.com
emailondeck.com emailtemporanea.com emailtemporanea.net fakeinbox.com fakemail.net fakemailgenerator.com fleckens.hu getairmail.com
getnada.com grr.la guerrillamail.biz guerrillamail.com guerrillamail.de guerrillamail.net guerrillamail.org guerrillamailblock.com gustr.com
harakirimail.com inboxkitten.com incognitomail.org jetable.com jetable.fr.nf jetable.net jetable.org jourrapide.com kasmail.com
linshiyouxiang.net luxusmail.org mail-temp.com mailcatch.com maildrop.cc mailinator.com mailinator.net mailnesia.com mailnull.com
mailpoof.com mailsac.com mailtemp.net mailtothis.com mintemail.com minuteinbox.com moakt.cc moakt.com mohmal.com mytemp.email
mytrashmail.com nada.email nospam.ze.tc owlymail.com pokemail.net rhyta.com sharklasers.com spam4.me spamavert.com spambox.us spamex.com
spamfree24.org spamgourmet.com spamhole.com spaml.com superrito.com teleworm.us temp-mail.io temp-mail.org tempail.com tempemail.net
tempinbox.com tempmail.com tempmail.dev tempmail.net tempmailaddress.com tempmailo.com tempomail.fr temporary-mail.net temporaryemail.net
tempr.email thankyou2010.com throwam.com throwawaymail.com tmail.ws tmpmail.net tmpmail.org trash-mail.com trash-mail.de trashmail.com
trashmail.de trashmail.me trashmail.net trbvm.com vomoto.com wegwerfemail.de wegwerfmail.de wegwerfmail.net wegwerfmail.org yopmail.com
yopmail.fr yopmail.net zetmail.com', '\s+') domain;

CREATE FUNCTION leadroute.is_public_mail(address text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_is_public_mail_sql';
COMMENT ON FUNCTION leadroute.is_public_mail(text) IS
	'Whether the domain of an e-mail address, host or URL, or one above it, is a public mail provider''s (gmail.com) by mail_domains. NULL where the address has no domain. No errors.';

CREATE FUNCTION leadroute.is_disposable_mail(address text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_is_disposable_mail_sql';
COMMENT ON FUNCTION leadroute.is_disposable_mail(text) IS
	'Whether the domain of an e-mail address, host or URL, or one above it, gives addresses away for one message (mailinator.com) by mail_domains. NULL where the address has no domain. No errors.';

GRANT EXECUTE ON FUNCTION leadroute.number_of(text), leadroute.email_key(text, boolean, boolean), leadroute.email_problem(text), leadroute.domain_key(text),
	leadroute.domain_problem(text), leadroute.phone_key(text, text), leadroute.phone_extension(text, text), leadroute.phone_problem(text, text),
	leadroute.country_code(text), leadroute.region_code(text, text), leadroute.postal_key(text, text),
	leadroute.company_key(text), leadroute.is_public_mail(text), leadroute.is_disposable_mail(text) TO PUBLIC;
GRANT INSERT, UPDATE, DELETE ON leadroute.mail_domains TO leadroute_admin;
