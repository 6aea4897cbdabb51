/*
 * Job titles: seniority and department, by patterns. Shipped ones are English, German, French, Spanish, Italian, Portuguese and
 * Dutch; title.c folds accents and case, so each is written once.
 */
CREATE TABLE leadroute.title_patterns (
	kind			text NOT NULL CHECK (kind IN ('seniority', 'department')),
	pattern			text COLLATE "C" NOT NULL CHECK (pattern ~ '[[:alnum:]]' AND length(pattern) <= 200 AND pattern !~ '\S\*\S'),
	value			text COLLATE "C" NOT NULL CHECK (value <> ''),
	precedence		integer NOT NULL DEFAULT 0,
	source			text COLLATE "C" NOT NULL DEFAULT 'local' CHECK (source <> ''),
	note			text,
	PRIMARY KEY (kind, pattern, source)
);
COMMENT ON TABLE leadroute.title_patterns IS 'What words of a job title say of seniority and department, in all flows. Of the patterns that a title matches the highest precedence decides, then most words, then most letters, then one of your own before a shipped one, then the one that begins first. Add your own rows; shipped ones can be outdone by the same pattern, and are not kept by a dump.';
COMMENT ON COLUMN leadroute.title_patterns.kind IS '''seniority'' or ''department''.';
COMMENT ON COLUMN leadroute.title_patterns.pattern IS 'Words that follow each other, in any case, with accents or without; umlauts also as ae, oe, ue. A word with a star behind (or before) it begins (or ends) so: ''verkauf*'', ''*leiter''. A star alone stands for one to three words.';
COMMENT ON COLUMN leadroute.title_patterns.value IS 'What it says: of seniority shipped are c_level, vp, director, manager, individual, consultant, student and inactive; of department executive, sales, marketing, customer_success, product, engineering, it, data, finance, hr, legal, operations, procurement, design, research and administration. Any other word will do.';
COMMENT ON COLUMN leadroute.title_patterns.precedence IS 'The highest goes first: ''assistant to'' before ''CEO''.';
COMMENT ON COLUMN leadroute.title_patterns.source IS 'Who brought it: ''leadroute'' (shipped) or another word of yours.';
COMMENT ON COLUMN leadroute.title_patterns.note IS 'Free text of who wrote the row.';

SELECT leadroute.invalidation_triggers('title_patterns', 'table_changed');
GRANT INSERT, UPDATE, DELETE ON leadroute.title_patterns TO leadroute_admin;

INSERT INTO leadroute.title_patterns (kind, pattern, value, precedence, source)
SELECT DISTINCT ON (s.kind, p.pattern) s.kind, p.pattern, s.value, s.precedence, 'leadroute'
FROM (VALUES
	/* who works for one of the others is none of them */
	('seniority', 'individual', 10, 'assistant to, assistants to, asst to, aide to, executive assistant, exec assistant, personal assistant, administrative assistant, admin assistant, pa to, ea to, secretary to,
		manager assistant, director assistant, executive secretary, office of the ceo, support to the,
		assistent* der, assistent* des, assistent* von, assistenz der, assistenz des, referent* der, referent* des, sekretariat *, sekretär* der, sekretär* des, vorstandsassist*, vorstandssekretär*, geschäftsführungsassist*, geschäftsleitungsassist*,
		chefsekretär*, direktionsassist*, chefassist*, assistant* de, assistant* du, assistant* des, assistant* dir*, secrétaire de, secrétaire du, secrétaire générale* adjoint*,
		asistente de, asistente del, asistente a la, asistente al, ayudante de, ayudante del, secretari* de, secretari* del, assistente di, assistente del, assistente della, assistente alla, assistente al, assistente de, assistente do, assistente da,
		segretari* di, segretari* del, secretári* do, secretári* da, assistent* van, secretaresse *, directiesecretar*, directieassist*, managementassist*, management assistent*'),
	('seniority', 'inactive', 8, 'retired, retiree, unemployed, job seeker, jobseeker, between jobs, seeking new opportunities, open to work, rentner*, pensionär*, im ruhestand, arbeitslos*, arbeitsuchend*, retraité*, demandeu* demploi, en recherche demploi,
		jubilad*, desemplead*, pensionat*, disoccupat*, aposentad*, reformado, desempregad*, gepensioneerd*, werkloos, werkzoekend*'),
	('seniority', 'director', 6, 'director * student*, student * director, dean of students, head of student*, director * intern program'),
	('seniority', 'manager', 6, 'manager * student*, student * manager, intern program manager, internship manager, trainee program manager'),
	('seniority', 'individual', 6, 'student advis*, student counsel*, internship coordinator, student services *, student recruiter'),
	('seniority', 'student', 5, 'student, students, intern, interns, internship, trainee, apprentice, apprenticeship, undergraduate, undergrad, phd candidate, doctoral candidate, postgraduate, sophomore, freshman, co op student,
		student*, werkstudent*, praktikant*, praktikum, azubi*, auszubildende*, lehrling*, lernende*, studierende*, doktorand*, volontär*, schüler*, stagiaire*, étudiant*, apprenti*, alternant*, en alternance, doctorant*, lycéen*,
		becari*, estudiante*, practicante*, en prácticas, pasante*, aprendiz*, doctorand*, tirocinant*, tirocinio, stagist*, studente, studentess*, apprendist*, estagiári*, estudante*, estágio, bolsista, stagiair*, stagelop*, leerling*, scholier*'),
	('seniority', 'c_level', 0, 'ceo, cfo, cto, cio, cmo, coo, cro, cpo, cso, ciso, cdo, chro, cco, cxo, clo, cgo, chief * officer, chief executive, c level, c suite, president, president and ceo, chairman, chairwoman, chairperson, chair of the board, executive chair*,
		founder, co founder, cofounder, founding partner, founding director, owner, co owner, coowner, business owner, proprietor, managing director, managing partner, general partner, senior partner, equity partner, name partner, partner, managing member, board member, board director, member of the board, non executive director, entrepreneur,
		geschäftsführer*, geschäftsführende*, geschäftsführung, mitglied der geschäftsführung, geschäftsleitung, mitglied der geschäftsleitung, geschäftsleiter*, vorstand, vorstände, vorständin, vorstandsmitglied*, vorstandsvorsitz*, mitglied des vorstand*, finanzvorstand, personalvorstand, vertriebsvorstand, technikvorstand, inhaber*, mitinhaber*, gründer*, mitgründer*, mitbegründer*, eigentümer*,
		gesellschafter*, unternehmer*, generaldirektor*, aufsichtsrat*, verwaltungsrat*,
		pdg, président, présidente, dg, dga, directeur général, directrice générale, directeur général délégué, directrice générale déléguée, directeur général adjoint, directrice générale adjointe, gérant, gérante, cogérant*, fondateur, fondatrice, cofondateur, cofondatrice, co fondateur, co fondatrice, propriétaire, chef dentreprise, cheffe dentreprise, dirigeant*, associé gérant, membre du directoire, président du directoire, administrateur délégué,
		director general, directora general, gerente general, consejer* delegad*, presidente, presidenta, fundador, fundadora, cofundador, cofundadora, co fundador*, propietari*, dueñ*, socio, socia, socio fundador, socio director, administrador único, administradora única, empresari*, director ejecutivo, directora ejecutiva,
		amministratore delegato, amministratrice delegata, amministratore unico, amministratrice unica, direttore generale, direttrice generale, fondatore, fondatrice, cofondatore, cofondatrice, co fondat*, titolare, contitolare, socio fondatore, imprenditore, imprenditrice, consigliere delegato,
		diretor geral, diretora geral, director geral, directora geral, diretor executivo, diretora executiva, diretor presidente, sócio, sócia, sócio gerente, sócio fundador, proprietári*, dono, dona, empresári*, administrador delegado, administradora delegada, presidente executivo,
		algemeen directeur, bestuurder, bestuursvoorzitter, bestuurslid, raad van bestuur, oprichter, medeoprichter, mede oprichter, eigenaar, eigenaresse, mede eigenaar, directeur eigenaar, statutair directeur, zaakvoerder, ondernemer'),
	('seniority', 'vp', 0, 'vp, svp, evp, avp, rvp, gvp, vice president, vice pres, v president, vicepresident*, senior vice president, executive vice president, assistant vice president, vice président*, vice presiden*, vicepresiden*, vice presidente, vice voorzitter, senior vp, executive vp, global vp, regional vice president'),
	('seniority', 'director', 0, 'director, directors, dir, sr dir, senior director, executive director, associate director, assistant director, deputy director, regional director, group director, creative director, art director, head, head of, global head, group head, general manager, gm, country manager, principal, chief of staff, chief architect, chief accountant, chief engineer, controller of,
		direktor*, leiter, leiterin, leitung, leitende*, *leiter, *leiterin, *leitung, abteilungsleiter*, bereichsleiter*, hauptabteilungsleiter*, kaufmännische* leit*, technische* leit*, prokurist*, ressortleiter*, standortleiter*, werksleiter*, werkleiter*, betriebsleiter*, niederlassungsleiter*, chefredakteur*, leiter *, *direktor, *direktorin,
		directeur, directrice, direction, directeur adjoint, directrice adjointe, sous directeur, sous directrice, secrétaire général*, daf, drh, dsi, dircom,
		directora, subdirector*, director adjunto, jefe de departamento, director de, gerente de división,
		direttore, direttrice, vicedirettore, vicedirettrice, dirigente, direttore di, capo dipartimento,
		diretor, diretora, diretor de, superintendente, chefe de departamento, diretor adjunto, head de,
		directeur van, hoofd, *directeur, adjunct directeur, onderdirecteur, vestigingsmanager, bedrijfsleider'),
	('seniority', 'manager', 0, 'manager, managers, mgr, mngr, managerin, management, supervisor, supervisors, superintendent, foreman, team lead, team leader, teamlead, teamleader, group lead, group leader, squad lead, section lead, lead, shift leader, store manager, deputy manager, assistant manager, assistant general manager, project lead, scrum master, product owner, controller, controllerin,
		teamleiter*, gruppenleiter*, projektleiter*, filialleiter*, schichtleiter*, marktleiter*, bauleiter*, teamleitung, gruppenleitung, projektleitung, vorarbeiter*, meister, *manager, *managerin, fachbereichsverantwortliche*, *verantwortliche*, *beauftragte*,
		responsable, responsables, chef de, cheffe de, chef d*, chef déquipe, chef de service, chef de projet, chef de produit, gestionnaire, superviseur*, encadrant, contremaître, cadre,
		gerente, gerenta, jefe, jefa, jefe de, supervisor*, encargad*, coordinador*, capataz, líder de equipo,
		responsabile, capo, capo reparto, caporeparto, capoarea, capo area, coordinatore, coordinatrice, quadro, capo progetto, capo progetti,
		gestor, gestora, coordenador*, encarregad*, chefe, chefe de, líder, supervisor*, gerente de,
		teamleider, teamleidster, afdelingshoofd, groepsleider, projectleider, filiaalmanager, ploegleider, leidinggevende'),
	('seniority', 'individual', 0, 'hr business partner, people business partner, finance business partner, it business partner, business partner, channel partner, partner account *, tech lead, technical lead, lead engineer, lead * engineer, lead developer, lead * developer, lead designer, lead * designer, lead scientist, lead * scientist, lead analyst, lead * analyst, lead generation, lead gen, lead architect,
		account director assistant, head nurse, head chef, head teacher, head coach'),
	('seniority', 'consultant', 1, 'management consultant, strategy consultant, freelance manager, interim manager consultant'),
	('seniority', 'consultant', -5, 'consultant, consultants, consulting, freelance, freelancer, contractor, self employed, selfemployed, independent, advisor to, unternehmensberater*, berater*, *berater, *beraterin, consultant*, freiberufl*, selbständig*, selbstständig*, consultante, indépendant*, auto entrepreneur*, autoentrepreneur*, profession libérale,
		consultor*, asesor*, autónom*, por cuenta propia, consulente, consulenti, libero professionista, partita iva, autônom*, profissional liberal, adviseur, adviseuse, zzp*, zelfstandig*, freelanc*'),
	('seniority', 'individual', -10, 'engineer, engineering, developer, programmer, analyst, specialist, representative, rep, reps, associate, assistant, asst, coordinator, administrator, admin, designer, architect, scientist, accountant, bookkeeper, auditor, advisor, adviser, technician, technologist, officer, clerk, secretary, receptionist, buyer, planner, strategist, editor, writer, copywriter, journalist,
		recruiter, executive, agent, researcher, attorney, lawyer, counsel, paralegal, solicitor, nurse, doctor, physician, teacher, professor, lecturer, sdr, bdr, ae, csm, sales, marketer, operator, driver, mechanic, electrician, staff, employee, member, evangelist, expert, professional, generalist, practitioner, author, artist, producer, tester, qa, devops, sre, sysadmin, dba, webmaster, trader, broker, banker, underwriter, trainer, instructor, librarian, pharmacist, therapist, chemist, biologist, statistician, economist, translator, photographer, salesperson, salesman, saleswoman, closer, teamster, dispatcher, inspector,
		sachbearbeiter*, mitarbeiter*, *mitarbeiter, *mitarbeiterin, *administrator, *administratorin, *sachbearbeiter, *sachbearbeiterin, *vertreterin, *berater im außendienst, angestellte*, entwickler*, *entwickler, *entwicklerin, programmierer*, ingenieur*, *ingenieur, *ingenieurin, referent*, *referent, *referentin, spezialist*, *spezialist, *spezialistin, assistent*, assistenz, *assistent, *assistentin, fachkraft, *fachkraft, kaufmann, kauffrau, *kaufmann, *kauffrau, techniker*, *techniker, sekretär*, sekretariat, einkäufer*, verkäufer*, *verkäufer, *verkäuferin, redakteur*, buchhalter*, *buchhalter, *buchhalterin, architekt*, *architekt, juriste*, jurist, juristin, rechtsanwalt, rechtsanwältin, wissenschaftler*, vertreter*, *vertreter, disponent*, fachinformatiker*, administrator*, betreuer*, *betreuer, lehrer*, arzt, ärztin, gestalter*, steuerberater*, steuerfachangestellte*, koordinator*, außendienst*, innendienst*,
		ingénieur*, développeu*, chargé* de, chargé* d*, assistant*, analyste*, technicien*, commercial, commerciale, commerciaux, comptable*, employé*, agent*, conseill*, vendeu*, rédact*, juriste*, avocat*, acheteu*, secrétaire*, graphiste*, architecte*, attaché* de, attaché* commercial*, chercheu*, enseignant*, professeur*, formateur, formatrice, infirmi*, médecin*, collaborat*, opérat*, coordinat*, spécialiste*,
		ingenier*, desarrollador*, programador*, analista*, técnic*, comercial*, contable*, contador*, emplead*, asistente*, auxiliar*, administrativ*, vendedor*, abogad*, comprador*, secretari*, diseñador*, arquitect*, investigador*, profesor*, médic*, especialista*, ejecutiv*, oficial, redactor*, periodista, ejecutivo de *, ejecutiva de *, representante*, delegad* comercial,
		ingegner*, sviluppat*, programmat*, tecnic*, commerciale, contabile*, impiegat*, assistente*, addett*, venditor*, venditrice*, avvocat*, segretari*, grafic*, architett*, ricercat*, insegnante*, professor*, medic*, specialista*, collaborat*, operai*, operat*, redattor*, redattrice*, agente*, ragionier*, acquirente, buyer,
		engenheir*, desenvolved*, técnic*, contabilista*, funcionári*, assistente*, vendedor*, advogad*, secretári*, designer, arquitet*, pesquisador*, professor*, médic*, especialista*, atendente*, comprador*, redator*, jornalista, operador*, representante*, consultor* comercial,
		ingenieur*, ontwikkelaar*, *ontwikkelaar, medewerk*, *medewerker, *medewerkster, specialist*, *specialist, boekhoud*, accountant, verkoper*, verkoopster, inkoper*, secretaresse*, administratief*, advocaat, jurist, onderzoeker*, docent*, leraar, lerares, coördinator, verpleegkundige*, monteur*, vertegenwoordig*, analist*, ontwerper*, vormgever*, redacteur*, beleidsmedewerker*')
	) s(kind, value, precedence, patterns),
	LATERAL (SELECT btrim(b.pattern) FROM regexp_split_to_table(s.patterns, '[,\n\t ]*,[\n\t ]*|^\s+|\s+$') b(pattern)) p(pattern)
WHERE p.pattern <> ''
ORDER BY s.kind, p.pattern, s.precedence DESC;

INSERT INTO leadroute.title_patterns (kind, pattern, value, precedence, source)
SELECT DISTINCT ON (p.pattern) 'department', p.pattern, s.value, s.precedence, 'leadroute'
FROM (VALUES
	('executive', -5, 'founding partner, senior partner, ceo, coo, president, chairman, chairwoman, chairperson, founder, co founder, cofounder, owner, co owner, proprietor, managing director, managing partner, general manager, country manager, board member, chief executive*, chief of staff, entrepreneur, managing member, business owner, executive director,
		geschäftsführer*, geschäftsführende*, geschäftsführung, geschäftsleitung, vorstand*, inhaber*, gründer*, mitgründer*, eigentümer*, gesellschafter*, unternehmer*, generaldirektor*,
		pdg, président*, dg, directeur général, directrice générale, gérant*, fondat*, cofondat*, propriétaire, chef dentreprise, dirigeant*, direction générale,
		director general, directora general, gerente general, consejer* delegad*, presidente, presidenta, fundador*, cofundador*, propietari*, dueñ*, socio, socia, empresari*, director ejecutivo, directora ejecutiva,
		amministratore delegato, amministratrice delegata, amministratore unico, direttore generale, direttrice generale, titolare, imprendit*,
		diretor geral, diretora geral, director geral, diretor executivo, diretor presidente, sócio, sócia, proprietári*, dono, dona, empresári*, gerente geral,
		algemeen directeur, bestuurder, bestuursvoorzitter, oprichter, medeoprichter, eigenaar, eigenaresse, dga, directeur eigenaar, zaakvoerder, ondernemer'),
	('sales', 0, 'sales, cro, chief revenue officer, chief sales officer, chief commercial officer, revenue, commercial, business development, biz dev, bizdev, bd, sdr, bdr, account executive, account manager, account director, key account*, account management, accounts manager, inside sales, field sales, pre sales, presales, sales engineer, solutions engineer, sales operations, sales enablement, sales development, partnerships, partner manager, channel, channel manager, channel sales, territory manager, salesperson, salesman, saleswoman, new business, deal desk, go to market,
		vertrieb, vertriebs*, verkauf, verkaufs*, verkäufer*, außendienst*, innendienst*, key account manager*, absatz, geschäftsentwicklung, *vertrieb, gebietsleiter*, kundenberater*, exportleiter*,
		commercial*, vente, ventes, vendeu*, technico commercial*, directeur commercial, directrice commerciale, chargé* daffaires, chargé* de clientèle, ingénieur* daffaires, développement commercial, responsable de secteur, chef* de secteur, grands comptes,
		ventas, venta, comercial*, vendedor*, director comercial, desarrollo de negocio*, ejecutiv* de cuentas, jefe de ventas, cuentas clave, key account,
		vendite, vendita, commerciale, venditor*, venditrice*, direttore commerciale, area manager, sviluppo commerciale, capoarea, export manager,
		vendas, venda, vendedor*, comercial, desenvolvimento de negócio*, executiv* de contas, gerente de contas, novos negócios,
		verkoop, sales*, accountmanager*, commercieel*, commerciële, verkoper*, verkoopster, verkoopleider, vertegenwoordig*, buitendienst*, binnendienst*'),
	('marketing', 0, 'marketing, cmo, chief marketing officer, chief growth officer, chief brand officer, growth, head of growth, demand generation, demand gen, lead generation, brand, branding, content, content marketing, seo, sem, ppc, social media, communications, communication, comms, public relations, pr, media relations, product marketing, field marketing, event marketing, event, events, community, campaign, campaigns, advertising, copywriter, marketing operations, marketing manager, digital marketing, performance marketing, marketer, go to market, crm manager, sales and marketing coordinator,
		marketing*, *marketing, werbung, werbe*, kommunikation, kommunikations*, unternehmenskommunikation, öffentlichkeitsarbeit, presse*, marken*, veranstaltung*, social media *,
		communication*, chargé* de communication, relations presse, publicité, événementiel, dircom, webmarketing, marque,
		mercadeo, mercadotecnia, comunicación, comunicaciones, publicidad, marca, prensa, redes sociales, medios,
		comunicazione, pubblicità, ufficio stampa, marchio, eventi, relazioni esterne,
		comunicação, publicidade, marca, imprensa, mídia*, crescimento,
		communicatie*, marketeer*, reclame, merk*, pers, evenement*, online marketeer'),
	('customer_success', 0, 'customer success, customer support, customer service, customer care, customer experience, cx, csm, client services, client success, client relations, support, support engineer, technical support, help desk, helpdesk, service desk, onboarding, implementation, implementation manager, professional services, customer operations, contact center, contact centre, call center, call centre, chief customer officer, customer relations, account support, renewals,
		kundenservice, kundendienst*, kundenbetreuung, kundenbetreuer*, kundenerfolg, kundensupport, support*, kundenmanagement,
		service client*, relation client*, support client, service après vente, sav, expérience client, satisfaction client, succès client,
		atención al cliente, servicio al cliente, soporte, éxito del cliente, experiencia de cliente, atención a clientes,
		servizio clienti, assistenza clienti, assistenza tecnica, customer care, supporto,
		atendimento*, atendimento ao cliente, sucesso do cliente, apoio ao cliente, suporte, serviço ao cliente, pós venda,
		klantenservice, klantcontact, klantsucces, klantenzorg, ondersteuning'),
	('product', 0, 'product, product manager, product management, product owner, chief product officer, product lead, product director, product operations, head of product, technical product manager,
		produktmanag*, produktmanagement, produktentwicklung, produktleit*, produkt*, chef* de produit, produit, produits, producto, productos, jefe de producto, prodotto, prodotti, produto, produtos, gerente de produto*, productmanager*, productmanagement, productontwikkeling'),
	('engineering', 0, 'engineering, engineer, cto, chief technology officer, chief technical officer, software, software engineer*, developer, development manager, programmer, devops, sre, site reliability, platform, backend, back end, frontend, front end, full stack, fullstack, mobile developer, ios, android, embedded, firmware, hardware, qa, quality assurance, test engineer, architect, solution architect, software architect, mechanical, electrical, r and d, technical lead, tech lead, technical director, technical manager, scrum master, technology, web developer, cloud engineer,
		entwickl*, *entwickler, *entwicklerin, *entwicklung, softwareentwickl*, ingenieur*, *ingenieur, *ingenieurin, technik, technische* leit*, technische* direktor*, konstruktion*, konstrukteur*, programmierer*, softwarearchitekt*, *technik,
		ingénieur*, développeu*, développement logiciel, technique, ingénierie, bureau détudes, directeur technique, directrice technique, r et d, logiciel*,
		ingenier*, desarrollador*, desarrollo de software, programador*, técnico de software, director técnico, i+d, i and d, tecnología,
		ingegner*, sviluppat*, sviluppo software, programmat*, direttore tecnico, progettist*, ufficio tecnico, tecnologia, ricerca e sviluppo,
		engenheir*, engenharia, desenvolved*, desenvolvimento de software, diretor técnico, tecnologia, p and d,
		ontwikkelaar*, *ontwikkelaar, softwareontwikk*, technisch*, techniek, *techniek, engineering'),
	('it', 0, 'it, information technology, cio, ciso, chief information officer, chief information security officer, chief security officer, information systems, information security, infosec, cyber*, cyber security, it security, security engineer, security analyst, security officer, system administrator, systems administrator, sysadmin, network, network engineer, network administrator, infrastructure, infrastructure engineer, database administrator, dba, it manager, it director, technology services, enterprise architect, erp, sap, salesforce administrator, crm administrator, it support, it operations, digital transformation, chief digital officer, mis,
		edv, edv*, informatik*, fachinformatiker*, systemadmin*, systemadministrator*, it leit*, it *, netzwerk*, rechenzentrum, informationssicherheit, it sicherheit, datenschutz, digitalisierung, wirtschaftsinformatik*,
		informatique, systèmes dinformation, système dinformation, dsi, rssi, administrateur système*, administrateur réseau*, réseaux, sécurité informatique, transformation numérique, transformation digitale,
		informática, sistemas, sistemas de información, ti, tic, seguridad informática, ciberseguridad, redes, administrador de sistemas, transformación digital, informatico, informatica,
		informatic*, sistemi informativi, sistemista, ict, sicurezza informatica, reti, trasformazione digitale,
		tecnologia da informação, sistemas de informação, segurança da informação, informação, infraestrutura, transformação digital,
		ict *, automatisering, systeembeheer*, netwerkbeheer*, informatiebeveiliging, applicatiebeheer*, informatiemanag*'),
	('data', 0, 'data, data scientist, data science, data engineer, data engineering, data analyst, data analytics, data architect, analytics, business intelligence, bi analyst, bi developer, bi, machine learning, ml engineer, machine learning engineer, ai, ai engineer, artificial intelligence, chief data officer, cdo, statistician, insights, daten*, data*, datenanalyst*, données, science des données, datos, científic* de datos, analista de datos, dati, scienza dei dati, dados, cientista de dados, analista de dados, engenheir* de dados, gegevens'),
	('finance', 0, 'finance, financial, cfo, chief financial officer, chief finance officer, accounting, accountant, accounts payable, accounts receivable, bookkeeper, controller, financial controller, controlling, comptroller, treasury, treasurer, tax, audit, auditor, fp and a, fpa, payroll, billing, investor relations, chief accountant, chief accounting officer, credit manager, credit, financial analyst, investment*, finance business partner, actuary,
		finanz*, finanzen, buchhalt*, *buchhalter, *buchhalterin, *buchhaltung, rechnungswesen, rechnungsprüf*, controller*, steuer*, steuerberater*, steuerfachangestellte*, revision, wirtschaftsprüfer*, kaufmännische* leit*, kaufmännische* geschäftsführ*, lohn*, treasury *, finanzvorstand,
		financier*, financière*, finances, comptab*, contrôle de gestion, contrôleu* de gestion, trésor*, fiscal*, directeur administratif et financier, directrice administrative et financière, daf, directeur financier, directrice financière, raf,
		finanzas, financier*, contabilidad, contable*, contador*, tesorer*, fiscal, auditor*, director financiero, directora financiera, facturación, control de gestión, controller financiero,
		finanza, finanziari*, contabil*, ragionier*, amministrazione e finanza, tesor*, revisor*, direttore amministrativo, controllo di gestione, direttore finanziario, fatturazione,
		finanças, financeir*, contabilidade, contabilista, tesour*, controladoria, auditoria, faturamento, diretor financeiro, fiscal,
		financie*, financiën, boekhoud*, administrateur financieel, controller*, belasting*, fiscalist, salarisadministrat*, accountant*, kredietbeheer'),
	('hr', 0, 'hr, human resources, human resource, chro, chief human resources officer, chief people officer, people, people operations, people and culture, people ops, talent, talent acquisition, recruiter, recruiting, recruitment, recruitment manager, technical recruiter, it recruiter, learning and development, l and d, training, compensation and benefits, comp and ben, employee relations, employee experience, diversity, hr business partner, people business partner, organizational development, headhunter, workforce,
		personal, personal*, personalleit*, personalreferent*, personalwesen, personalabteilung, personalentwicklung, recruiter*, recruiting *, aus und weiterbildung, personalvorstand,
		ressources humaines, rh, drh, rrh, recrutement, recruteu*, chargé* de recrutement, formation, talents,
		recursos humanos, rrhh, rr hh, selección de personal, reclutador*, reclutamiento, talento, gestión de personas, formación, capital humano,
		risorse umane, selezione del personale, personale, formazione, selezionat*,
		recursos humanos, gestão de pessoas, recrutament*, recrutador*, departamento pessoal, pessoas, talentos, gente e gestão,
		personeelszaken, personeel, p and o, hrm, werving, recruitment *, hr *, opleiding*'),
	('legal', 0, 'legal, general counsel, counsel, chief legal officer, clo, attorney, lawyer, paralegal, solicitor, barrister, compliance, chief compliance officer, compliance officer, regulatory, regulatory affairs, privacy, data protection, data protection officer, dpo, contracts, contract manager, risk, chief risk officer, risk manager, intellectual property, patent, governance,
		recht, rechts*, rechtsabteilung, jurist*, syndikus*, justiziar*, compliance *, datenschutzbeauftragte*, vertragsmanag*,
		juridique, juriste*, avocat*, conformité, affaires réglementaires, contentieux, directeur juridique, directrice juridique,
		jurídic*, abogad*, cumplimiento, asesor* legal*, asesoría jurídica, legal, protección de datos,
		legale, legali, avvocat*, affari legali, ufficio legale, conformità, giurist*,
		jurídico, advogad*, conformidade, compliance, contratos,
		juridisch*, juridische zaken, advocaat, bedrijfsjurist, naleving, privacy officer'),
	('operations', 0, 'operations, ops, chief operating officer, coo, chief operations officer, operations manager, business operations, revenue operations, manufacturing, production, plant manager, plant, factory, logistics, supply chain, warehouse, fleet, quality, quality manager, quality control, lean, six sigma, facilities, facility, facility manager, maintenance, project manager, project management, program manager, programme manager, pmo, project coordinator, project director, delivery manager, delivery, transport, dispatcher, distribution, inventory, health and safety, hse, ehs, process improvement, continuous improvement, construction manager, site manager, store manager, store operations, branch manager,
		betrieb, betriebs*, produktion, produktions*, logistik*, lager*, werksleit*, werkleit*, fertigung*, qualitäts*, instandhaltung*, projektleit*, projektmanag*, supply chain *, disponent*, arbeitssicherheit, standortleit*, niederlassungsleit*, filialleit*, bauleit*, facility *,
		opérations, exploitation, production, logistique, usine, chaîne logistique, entrepôt, qualité, maintenance, chef* de projet, responsable de projet, directeur des opérations, directrice des opérations, sécurité environnement, qhse, chef* de chantier, directeur de site,
		operaciones, producción, logística, planta, almacén, calidad, mantenimiento, jefe de proyecto*, gestión de proyectos, cadena de suministro, director de operaciones, jefe de obra, prevención de riesgos,
		operazioni, produzione, logistica, stabilimento, magazzino, qualità, manutenzione, capo progetto, project manager, catena di fornitura, responsabile operativo, direttore operativo, direttore di stabilimento, sicurezza sul lavoro,
		operações, produção, logística, fábrica, armazém, qualidade, manutenção, gerente de projeto*, gestão de projetos, cadeia de suprimentos, diretor de operações, segurança do trabalho, gestor de projetos,
		operationeel*, operaties, productie*, logistiek*, magazijn*, kwaliteit*, onderhoud, projectleider*, projectmanager*, bedrijfsleid*, toeleveringsketen, facilitair*, planning'),
	('procurement', 0, 'procurement, purchasing, buyer, sourcing, strategic sourcing, category manager, vendor management, chief procurement officer, cpo procurement, purchasing manager, supplier,
		einkauf, einkaufs*, einkäufer*, beschaffung*, *einkauf, *einkäufer, *einkäuferin, materialwirtschaft, achats, achat, acheteu*, approvisionnement*, directeur des achats, responsable achats, compras, comprador*, aprovisionamiento*, adquisiciones, jefe de compras, acquisti, ufficio acquisti, approvvigionament*, compratore, suprimentos, aquisições, inkoop*, inkoper*, strategisch inkoper'),
	('design', 0, 'design, designer, ux, ui, user experience, user interface, creative, creative director, art director, graphic designer, product designer, industrial designer, ux researcher, ux designer, illustrator, brand designer, chief design officer, chief creative officer, gestalt*, grafik*, mediengestalt*, graphiste*, directeur artistique, directrice artistique, directeur de création, diseñ*, diseñador*, director creativo, directora creativa, director de arte, grafic*, direttore creativo, art, design*, diretor criativo, diretor de arte, ontwerp*, vormgev*'),
	('research', 0, 'research, researcher, research scientist, research and development, scientist, chief scientist, chief scientific officer, clinical, clinical research, laboratory, lab, r and d manager, postdoc*, professor, lecturer, academic, biologist, chemist,
		forsch*, forschung und entwicklung, wissenschaft*, labor*, recherche, recherche et développement, chercheu*, scientifique*, laboratoire, investigación, investigador*, investigación y desarrollo, laboratorio, científic*, ricerca, ricercat*, scienziat*, pesquisa, pesquisador*, investigação, cientista, onderzoek*, wetenschapp*, hoogleraar'),
	('administration', 10, 'assistant to, pa to, ea to, secretary to, secretary of the, executive assistant to'),
	('administration', -3, 'administration, administrative, administrator, office manager, office management, executive assistant, personal assistant, administrative assistant, assistant to, secretary, receptionist, office administrator, clerk, office coordinator, admin, front desk,
		verwaltung, verwaltungs*, sekretär*, sekretariat, assistenz, assistent*, assistenz der geschäftsführung, assistent* der geschäftsführung, assistenz der geschäftsleitung, assistent* der geschäftsleitung, büroleit*, bürokauf*, sachbearbeiter*, empfang, vorstandsassist*, direktionsassist*, chefsekretär*,
		administratif, administrative, administratifs, assistant* de direction, assistant* administrati*, secrétaire*, secrétariat, office manager *, accueil, assistant* du,
		administración, administrativ*, secretari*, asistente de dirección, asistente de gerencia, recepcionista, auxiliar administrativ*, asistente del,
		amministrazione, amministrativ*, segretari*, segreteria, assistente di direzione, impiegat* amministrativ*, receptionist,
		administração, administrativ*, secretári*, secretariado, assistente administrativ*, recepcionista, assistente da diretoria, assistente de diretoria,
		administratie*, administratief*, secretar*, secretaresse*, directiesecretar*, directieassist*, managementassist*, office manager, receptionist*, directie assistent*')
	) s(value, precedence, patterns),
	LATERAL (SELECT btrim(b.pattern) FROM regexp_split_to_table(s.patterns, '[,\n\t ]*,[\n\t ]*|^\s+|\s+$') b(pattern)) p(pattern)
WHERE p.pattern <> ''
ORDER BY p.pattern, s.precedence DESC, s.value;

CREATE FUNCTION leadroute.seniority(title text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_seniority';
COMMENT ON FUNCTION leadroute.seniority(text) IS
	'The seniority that a job title speaks of, by title_patterns: c_level, vp, director, manager, individual, consultant (who works for himself too), student (apprentices and interns too) or inactive (retired, looking for work), or what your own patterns say. NULL where no pattern matches. The first 400 bytes of a title count. No errors.';

CREATE FUNCTION leadroute.department(title text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_department';
COMMENT ON FUNCTION leadroute.department(text) IS
	'The department that a job title speaks of, by title_patterns: executive, sales, marketing, customer_success, product, engineering, it, data, finance, hr, legal, operations, procurement, design, research or administration, or what your own patterns say. NULL where no pattern matches. No errors.';

GRANT EXECUTE ON FUNCTION leadroute.seniority(text), leadroute.department(text) TO PUBLIC;
