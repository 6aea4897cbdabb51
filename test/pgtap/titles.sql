/*
 * test/pgtap/titles.sql
 *		seniority() and department(): titles labelled by hand, the rules of matching, and patterns of one's own.
 */
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(38);
CREATE SCHEMA t;
CREATE FUNCTION t.labels(labelled text) RETURNS TABLE (title text, seniority text, department text) LANGUAGE sql AS $$
	SELECT p[1], nullif(p[2], '-'), nullif(p[3], '-') FROM regexp_split_to_table(btrim(labelled, E'\n'), E'\n') l, regexp_split_to_array(l, '\|') p $$;
/*
 * The first sample is what the patterns were written for. The second was labelled before its answers were looked at: then
 * 206 of its 211 seniorities were as labelled (97.6 %) and 203 of its departments (96.2 %). What it showed has been mended since, so it
 * says less now. Labels that are left wrong on purpose: see the last two tests of scores.
 */
CREATE TABLE t.near AS SELECT * FROM t.labels($$
CEO|c_level|executive
Chief Executive Officer|c_level|executive
C.E.O.|c_level|executive
Founder & CEO|c_level|executive
Co-Founder|c_level|executive
Owner|c_level|executive
President|c_level|executive
CFO|c_level|finance
Chief Financial Officer|c_level|finance
CTO|c_level|engineering
Chief Technology Officer (CTO)|c_level|engineering
CMO|c_level|marketing
Chief Revenue Officer|c_level|sales
Chief Human Resources Officer|c_level|hr
Chief Information Security Officer|c_level|it
Managing Director|c_level|executive
Managing Partner|c_level|executive
VP|vp|-
SVP|vp|-
V.P. Sales|vp|sales
Vice President of Marketing|vp|marketing
Senior Vice President, Operations|vp|operations
EVP Finance|vp|finance
VP Engineering|vp|engineering
Vice-President Human Resources|vp|hr
Director|director|-
Sr. Dir.|director|-
Sr. Dir. Product Management|director|product
Director of Sales|director|sales
Sales Director|director|sales
Marketing Director|director|marketing
Director, Information Technology|director|it
Head of Growth|director|marketing
Head of People|director|hr
Head of Engineering|director|engineering
General Manager|director|executive
Associate Director, Clinical Research|director|research
Sales Manager|manager|sales
Regional Sales Manager|manager|sales
Marketing Manager|manager|marketing
Product Manager|manager|product
Senior Product Manager|manager|product
Project Manager|manager|operations
IT Manager|manager|it
HR Manager|manager|hr
Finance Manager|manager|finance
Office Manager|manager|administration
Engineering Manager|manager|engineering
Team Lead, Customer Support|manager|customer_success
Purchasing Manager|manager|procurement
Supervisor|manager|-
Software Engineer|individual|engineering
Senior Software Developer|individual|engineering
Data Scientist|individual|data
Data Analyst|individual|data
Account Executive|individual|sales
Sales Development Representative|individual|sales
SDR|individual|sales
Accountant|individual|finance
Recruiter|individual|hr
Graphic Designer|individual|design
UX Designer|individual|design
Attorney|individual|legal
Customer Success Manager|manager|customer_success
System Administrator|individual|it
Executive Assistant|individual|administration
assistant to the CEO|individual|administration
Executive Assistant to the CFO|individual|administration
PA to Managing Director|individual|administration
Intern|student|-
Marketing Intern|student|marketing
Student|student|-
Summer Intern, Software Engineering|student|engineering
Consultant|consultant|-
Independent Consultant|consultant|-
Freelance Designer|consultant|design
Retired|inactive|-
Geschäftsführer|c_level|executive
Geschaeftsfuehrerin|c_level|executive
GESCHÄFTSFÜHRENDER GESELLSCHAFTER|c_level|executive
Vorstand|c_level|executive
Inhaber|c_level|executive
Leiter Vertrieb|director|sales
Vertriebsleiter|director|sales
Vertriebsleiterin DACH|director|sales
Leiterin Marketing|director|marketing
Leitung Einkauf|director|procurement
Abteilungsleiter IT|director|it
Personalleiterin|director|hr
Bereichsleiter Produktion|director|operations
Teamleiter Kundenservice|manager|customer_success
Projektleiter|manager|operations
Produktmanagerin|manager|product
Sachbearbeiterin Buchhaltung|individual|finance
Softwareentwickler|individual|engineering
Assistentin der Geschäftsführung|individual|administration
Praktikant|student|-
Praktikantin Marketing|student|marketing
Werkstudent|student|-
Unternehmensberater|consultant|-
PDG|c_level|executive
Directeur général|c_level|executive
Gérante|c_level|executive
Directeur commercial|director|sales
Directrice Marketing|director|marketing
Directrice des ressources humaines|director|hr
DRH|director|hr
Responsable marketing|manager|marketing
Chef de projet|manager|operations
Chef de produit|manager|product
Ingénieur logiciel|individual|engineering
Développeur web|individual|engineering
Comptable|individual|finance
Assistante de direction|individual|administration
Stagiaire|student|-
Director General|c_level|executive
Directora Comercial|director|sales
Director de Recursos Humanos|director|hr
Gerente de Ventas|manager|sales
Jefe de Compras|manager|procurement
Ingeniera de software|individual|engineering
Contable|individual|finance
Becario|student|-
Amministratore Delegato|c_level|executive
Direttore Commerciale|director|sales
Direttrice Marketing|director|marketing
Responsabile Risorse Umane|manager|hr
Responsabile Acquisti|manager|procurement
Impiegata amministrativa|individual|administration
Stagista|student|-
Diretor Comercial|director|sales
Diretora de Marketing|director|marketing
Gerente de Produto|manager|product
Coordenador de RH|manager|hr
Sócio-gerente|c_level|executive
Engenheiro de software|individual|engineering
Estagiário|student|-
Algemeen directeur|c_level|executive
Oprichter|c_level|executive
Commercieel directeur|director|sales
Hoofd Marketing|director|marketing
Teamleider klantenservice|manager|customer_success
Inkoper|individual|procurement
Boekhouder|individual|finance
Stagiair|student|-
$$);
CREATE TABLE t.far AS SELECT * FROM t.labels($$
Chief Marketing and Sales Officer|c_level|sales
Chief of Staff|director|executive
Chief Product Officer|c_level|product
Chief Data Officer|c_level|data
Chief Legal Officer|c_level|legal
Group CEO|c_level|executive
Interim CFO|c_level|finance
Acting Chief Operating Officer|c_level|operations
Founding Partner|c_level|executive
Chairman of the Board|c_level|executive
Board Member|c_level|executive
Vice President, Global Procurement|vp|procurement
VP, Customer Success|vp|customer_success
AVP - Business Development|vp|sales
Regional Vice President|vp|-
VP of Data & Analytics|vp|data
VP R&D|vp|engineering
Sr VP Legal|vp|legal
Director of Finance & Accounting|director|finance
Director - Supply Chain|director|operations
Director of Demand Generation|director|marketing
Technical Director|director|engineering
Creative Director|director|design
Head of Sales EMEA|director|sales
Head of IT Infrastructure|director|it
Head of Customer Experience|director|customer_success
Head of Legal & Compliance|director|legal
Global Head of Talent Acquisition|director|hr
Country Manager Germany|director|executive
Plant Manager|manager|operations
Warehouse Supervisor|manager|operations
Key Account Manager|manager|sales
Account Manager|manager|sales
Digital Marketing Manager|manager|marketing
Brand Manager|manager|marketing
Social Media Manager|manager|marketing
Communications Manager|manager|marketing
Business Development Manager|manager|sales
Operations Manager|manager|operations
Logistics Manager|manager|operations
Quality Manager|manager|operations
Facility Manager|manager|operations
Accounting Manager|manager|finance
Payroll Manager|manager|finance
Financial Controller|manager|finance
Product Owner|manager|product
Scrum Master|manager|engineering
Technical Support Manager|manager|customer_success
Contracts Manager|manager|legal
Compliance Manager|manager|legal
Talent Acquisition Manager|manager|hr
Lead Developer|individual|engineering
Principal Engineer|director|engineering
Staff Engineer|individual|engineering
Full Stack Developer|individual|engineering
DevOps Engineer|individual|engineering
QA Tester|individual|engineering
Network Engineer|individual|it
Security Analyst|individual|it
Business Analyst|individual|-
Machine Learning Engineer|individual|data
BI Developer|individual|data
Financial Analyst|individual|finance
Tax Advisor|individual|finance
Accounts Payable Clerk|individual|finance
Sales Representative|individual|sales
Inside Sales Rep|individual|sales
BDR|individual|sales
Content Writer|individual|marketing
SEO Specialist|individual|marketing
Event Coordinator|individual|marketing
HR Business Partner|individual|hr
HR Generalist|individual|hr
Legal Counsel|individual|legal
Paralegal|individual|legal
Buyer|individual|procurement
Procurement Specialist|individual|procurement
Receptionist|individual|administration
Administrative Assistant|individual|administration
Customer Support Agent|individual|customer_success
Research Scientist|individual|research
Professor of Chemistry|individual|research
Nurse|individual|-
Secretary to the Board|individual|administration
EA to the CEO|individual|administration
PhD Student|student|-
Graduate Trainee|student|-
HR Intern|student|hr
Apprentice Electrician|student|-
Management Consultant|consultant|-
Self-employed|consultant|-
Contractor|consultant|-
Job seeker|inactive|-
International Sales Manager|manager|sales
Internal Auditor|individual|finance
Internet Marketing Specialist|individual|marketing
Director of Internal Communications|director|marketing
Ceramics engineer|individual|engineering
Director of Student Affairs|director|-
n/a|-|-
asdf|-|-
Kaufmännischer Leiter|director|finance
Technischer Leiter|director|engineering
Technischer Geschäftsführer|c_level|executive
Mitglied der Geschäftsleitung|c_level|executive
Gründer & CTO|c_level|executive
Prokurist|director|-
Leiter Finanzen & Controlling|director|finance
Leiter Personalentwicklung|director|hr
Leiter IT|director|it
IT-Leiter|director|it
Einkaufsleiter|director|procurement
Marketingleiter|director|marketing
Entwicklungsleiter|director|engineering
Produktionsleiter|director|operations
Niederlassungsleiter|director|operations
Marketing-Managerin|manager|marketing
Außendienstmitarbeiter|individual|sales
Vertriebsmitarbeiterin|individual|sales
Einkäuferin|individual|procurement
Personalreferentin|individual|hr
Controllerin|manager|finance
Buchhalterin|individual|finance
Rechtsanwältin|individual|legal
Systemadministrator|individual|it
Vorstandsassistentin|individual|administration
Auszubildender Industriekaufmann|student|-
Azubi|student|-
Selbständig|consultant|-
Rentner|inactive|-
Président-directeur général|c_level|executive
Fondatrice|c_level|executive
Directeur financier|director|finance
Directeur des achats|director|procurement
Directeur technique|director|engineering
Directeur informatique|director|it
Directeur de la communication|director|marketing
Responsable commercial|manager|sales
Responsable informatique|manager|it
Responsable RH|manager|hr
Responsable achats|manager|procurement
Responsable qualité|manager|operations
Cheffe de projet digital|manager|operations
Chargée de communication|individual|marketing
Chargé de recrutement|individual|hr
Technico-commercial|individual|sales
Acheteuse|individual|procurement
Juriste d'entreprise|individual|legal
Assistant du PDG|individual|administration
Alternante marketing|student|marketing
Consultant indépendant|consultant|-
Retraité|inactive|-
Consejero delegado|c_level|executive
Fundadora|c_level|executive
Directora de Marketing|director|marketing
Director Financiero|director|finance
Director de Operaciones|director|operations
Gerente de Recursos Humanos|manager|hr
Jefe de Proyecto|manager|operations
Responsable de Comunicación|manager|marketing
Jefa de Ventas|manager|sales
Desarrollador web|individual|engineering
Analista de datos|individual|data
Abogada|individual|legal
Asistente de Dirección|individual|administration
Vicepresidente de Ventas|vp|sales
Estudiante|student|-
Autónomo|consultant|-
Titolare|c_level|executive
Direttore Generale|c_level|executive
Direttore Finanziario|director|finance
Direttore Tecnico|director|engineering
Responsabile Marketing|manager|marketing
Responsabile Commerciale|manager|sales
Responsabile IT|manager|it
Capo progetto|manager|operations
Sviluppatore software|individual|engineering
Avvocato|individual|legal
Segretaria di direzione|individual|administration
Addetto alle vendite|individual|sales
Tirocinante|student|-
Libero professionista|consultant|-
Proprietário|c_level|executive
Diretor Financeiro|director|finance
Diretor de Operações|director|operations
Gerente Comercial|manager|sales
Gerente de Marketing|manager|marketing
Gestor de Projetos|manager|operations
Analista de Sistemas|individual|it
Vendedora|individual|sales
Advogado|individual|legal
Desenvolvedora|individual|engineering
Comprador|individual|procurement
Secretária|individual|administration
Estudante|student|-
Aposentado|inactive|-
Eigenaar|c_level|executive
Directeur-eigenaar|c_level|executive
Financieel directeur|director|finance
Hoofd P&O|director|hr
Hoofd Inkoop|director|procurement
IT-manager|manager|it
Accountmanager|manager|sales
Projectleider|manager|operations
HR-adviseur|consultant|hr
Softwareontwikkelaar|individual|engineering
Administratief medewerker|individual|administration
Directiesecretaresse|individual|administration
Advocaat|individual|legal
Zelfstandig ondernemer|c_level|executive
Gepensioneerd|inactive|-
$$);
CREATE VIEW t.scores AS
SELECT w.sample, count(*) AS titles, count(*) FILTER (WHERE leadroute.seniority(w.title) IS NOT DISTINCT FROM w.seniority) AS seniority,
	count(*) FILTER (WHERE leadroute.department(w.title) IS NOT DISTINCT FROM w.department) AS department
FROM (SELECT 'near' AS sample, n.* FROM t.near n UNION ALL SELECT 'far', f.* FROM t.far f) w GROUP BY w.sample;

SELECT is((SELECT titles FROM t.scores WHERE sample = 'far'), 211::bigint, 'titles of seven languages');
SELECT cmp_ok((SELECT seniority FROM t.scores WHERE sample = 'near'), '>=', 145::bigint, 'seniority of the first sample');
SELECT cmp_ok((SELECT department FROM t.scores WHERE sample = 'near'), '>=', 145::bigint, 'department of the first sample');
SELECT cmp_ok((SELECT seniority FROM t.scores WHERE sample = 'far'), '>=', 211::bigint, 'seniority of the second');
SELECT results_eq('SELECT title, department, leadroute.department(title) FROM t.far WHERE department IS DISTINCT FROM leadroute.department(title) ORDER BY title',
	$$ VALUES ('Chief Marketing and Sales Officer', 'sales', 'marketing'), ('Gründer & CTO', 'executive', 'engineering'), ('Regional Vice President', NULL, 'executive'),
		('Technischer Geschäftsführer', 'executive', 'engineering') $$, 'what is not as labelled: two departments in one title, and a vice president of nothing');
SELECT diag(format('%s: seniority %s of %s, department %s of %s', sample, seniority, titles, department, titles)) FROM t.scores;

/* words */
SELECT is(leadroute.seniority(t), NULL, 'no word within a word: ' || t) FROM unnest('{Ceoption,Microceo,"Directory listing","Internationally known","Vpn"}'::text[]) t;
SELECT is(leadroute.seniority(t), 'c_level', 'punctuation, case and blanks aside: ' || t) FROM unnest('{"  (ceo) ","C. E. O.","CEO/Founder","Chief, Executive Officer","chief   EXECUTIVE officer",ＣＥＯ}'::text[]) t;
SELECT is(leadroute.seniority(t), 'c_level', 'umlauts in each spelling: ' || t) FROM unnest('{Geschäftsführer,Geschaeftsfuehrer,Geschaftsfuhrer,GESCHÄFTSFÜHRER,"Geschäftsführer/in",Geschäftsführer*in}'::text[]) t;
SELECT is(leadroute.seniority('Director of Vice President relations'), 'vp', 'more words decide');
SELECT is(leadroute.seniority('CEO Assistant to the CEO'), 'individual', 'precedence before words');
SELECT ok(leadroute.seniority(NULL) IS NULL AND leadroute.seniority('') IS NULL AND leadroute.seniority(' - ') IS NULL AND leadroute.department('?') IS NULL, 'nothing says nothing');
SELECT is(leadroute.seniority(repeat('xy ', 100) || 'CEO ' || repeat('é', 1000000)), NULL, 'a title has no megabyte, nor fifty words before it comes to the point');
SELECT lives_ok($$ SELECT leadroute.seniority(repeat(E'e\u0301', 500)), leadroute.department(repeat('a.', 300)) $$, 'letters without end');

/* patterns of one's own: they count at once, and no longer when they are rolled back */
SAVEPOINT before;
INSERT INTO leadroute.title_patterns (kind, pattern, value) VALUES ('seniority', 'Growth Häcker', 'wizard'), ('department', 'ceo', 'corner office'), ('seniority', 'chief * mascot', 'mascot'), ('seniority', '*zilla', 'monster');
SELECT is(leadroute.seniority('Senior Growth Haecker, EMEA'), 'wizard', 'a new value');
SELECT is(leadroute.seniority('Chief Mascot'), NULL, 'a star is one to three words');
SELECT is(leadroute.seniority('Chief Happy Dancing Mascot'), 'mascot', 'so many');
SELECT is(leadroute.seniority('Codezilla'), 'monster', 'the end of a word');
SELECT is(leadroute.department('CEO'), 'corner office', 'in place of a shipped one');
ROLLBACK TO before;
SELECT is(leadroute.seniority('Growth Haecker'), NULL, 'gone with the savepoint');
SELECT throws_ok($$ INSERT INTO leadroute.title_patterns (kind, pattern, value) VALUES ('seniority', '*', 'x') $$, '23514', NULL, 'a pattern without a letter');
SELECT throws_ok($$ INSERT INTO leadroute.title_patterns (kind, pattern, value) VALUES ('seniority', 'a*b', 'x') $$, '23514', NULL, 'a star within a word');

/* who may */
CREATE ROLE nobody_special;
GRANT USAGE ON SCHEMA t TO nobody_special;
SET LOCAL ROLE nobody_special;
SELECT is(leadroute.seniority('CEO'), 'c_level', 'anybody may ask: conditions run as who inserts');
SELECT throws_ok($$ SELECT * FROM leadroute.title_patterns $$, '42501', NULL, 'but not read the patterns');
RESET ROLE;

/* in a condition */
CREATE TABLE t.leads (id integer PRIMARY KEY, title text, employees integer, owner text);
SELECT leadroute.attach('t.leads') IS NOT NULL AS attached \gset
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
	(10, 'deciders', $$ leadroute.seniority(title) IN ('c_level', 'vp') AND employees >= 201 AND employees < 1001 $$, 'rep', 'ana', 'wait'), (99, 'others', NULL, 'rep', 'bo', 'wait');
SELECT leadroute.activate() IS NOT NULL AS active \gset
INSERT INTO t.leads (id, title, employees) VALUES (1, 'Geschäftsführerin', 1000), (2, 'Assistentin der Geschäftsführung', 1000), (3, 'CEO', 1001), (4, NULL, 500), (5, 'SVP', 201);
SELECT is((SELECT string_agg(owner, ' ' ORDER BY id) FROM t.leads), 'ana bo bo bo ana', 'in a condition, beside a band: 1,000 is in it, 1,001 in the next');
SELECT * FROM finish();
ROLLBACK;
