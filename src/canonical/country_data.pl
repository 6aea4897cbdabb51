#!/usr/bin/perl
# country_data.pl: writes src/canonical/country_data.h from Debian's iso-codes. `make country-data` calls it.
#
#   src/canonical/country_data.pl > src/canonical/country_data.h
#
# Needs the package iso-codes: names, codes and their translations. What people write beside those (Calif., UAE,
# Great Britain) is in the two lists below. Names are stored as lr_fold_words() of src/canonical/fold.c folds them, without
# blanks; fold_name() here must do the same, which test/pgtap/canonical_country.sql sees to with names of every kind.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Encode qw(decode);
use JSON::PP;
use Unicode::Normalize qw(NFKD NFKC);

my $json = '/usr/share/iso-codes/json';
my $locales = '/usr/share/locale';

# languages whose names of countries and of regions are taken over
my @country_languages = qw(en de fr es it pt pt_BR nl sv da nb fi pl cs sk sl hr hu ro bg el tr ru uk lt lv et ca
  ja ko zh_CN zh_TW ar he th vi id);
# and those whose names give way to theirs
my @more_country_languages = qw(hi bn ta te fa ur is ga eu gl sr mk sq ka hy az kk ms af sw mn);
my @region_languages = qw(en de fr es it);
# and of a country's own language
my %own_language = (ja => 'jp', zh_CN => 'cn', zh_TW => 'tw', ko => 'kr', ru => 'ru', uk => 'ua', pt_BR => 'br', pt => 'pt', sv => 'se', pl => 'pl', nl => 'nl', el => 'gr', he => 'il', tr => 'tr', th => 'th', da => 'dk', cs => 'cz', hu => 'hu', vi => 'vn');

my %country_alias = (
	us => ['США', 'Соединенные Штаты', 'アメリカ', '米国', '미국', 'Amerika', 'USofA', 'United States America', 'USA', 'U.S.', 'America', 'The States', 'United States (USA)', 'US of A', 'Estados Unidos de América', 'EE. UU.', 'EEUU', 'EUA', 'Etats Unis', 'VS', 'Stati Uniti d’America'],
	gb => ['Великобритания', 'Англия', 'Ηνωμένο Βασίλειο', 'イギリス', '英国', '영국', 'ENG', 'SCO', 'WAL', 'NIR', 'Engeland', 'Engleterre', 'Anglaterra', 'Anglia', 'UK', 'U.K.', 'Great Britain', 'Britain', 'England', 'Scotland', 'Wales', 'Northern Ireland', 'United Kingdom (UK)', 'GB-UK', 'Großbritannien', 'Grande-Bretagne', 'Gran Bretagna', 'Gran Bretaña', 'England UK', 'Groot-Brittannië', 'Schottland', 'Inghilterra', 'Inglaterra', 'Angleterre'],
	ae => ['ОАЭ', 'الإمارات', 'UAE', 'U.A.E.', 'Emirates', 'Dubai', 'Abu Dhabi', 'VAE'],
	kr => ['Южная Корея', 'South Korea', 'Korea', 'Korea South', 'Korea (South)', 'S. Korea', 'ROK', 'Republic of Korea', '한국', '대한민국', '韩国', '韓国'],
	kp => ['North Korea', 'Korea North', 'Korea (North)', 'DPRK', '北朝鲜', '北朝鮮'],
	nl => ['Голландия', 'NED', 'The Kingdom of the Netherlands', 'Holland', 'NL (Netherlands)', 'Nederland', 'The Netherlands', 'Niederlande', 'Pays-Bas', 'Holanda'],
	cz => ['Czech Republic', 'Czech Rep.', 'Česká republika', 'Tschechische Republik', 'Česko'],
	ru => ['Russia', 'Россия', 'РФ'], vn => ['VIE', 'Viet Nam', 'Vietnam', 'Việt Nam'], tr => ['Turkey', 'Türkiye', 'Turkiye'],
	ci => ['Ivory Coast', 'Cote dIvoire', 'Elfenbeinküste'], cd => ['Congo, Democratic Republic', 'Congo (Democratic Republic)', 'Congo (DRC)', 'Congo DRC', 'DR Congo', 'DRC', 'Congo Kinshasa', 'Congo (Kinshasa)', 'Democratic Republic of Congo', 'Congo DR', 'Zaire', 'RDC'],
	cg => ['Congo', 'Republic of the Congo', 'Congo Brazzaville', 'Congo (Brazzaville)'], mk => ['Macedonia', 'North Macedonia', 'FYROM'], sz => ['Swaziland', 'Eswatini'],
	mm => ['Burma', 'Myanmar'], cv => ['Cape Verde', 'Cabo Verde'], tl => ['East Timor'], la => ['Lao PDR', 'Lao', 'Laos'], sy => ['Syria'], ir => ['Iran'], bo => ['Bolivia'], ve => ['Venezuela'],
	tz => ['Tanzania'], md => ['Moldova'], tw => ['TPE', 'Taiwan', 'Republic of China', 'ROC', '台灣', '台湾', 'Chinese Taipei'], hk => ['Hong Kong', 'Hongkong', 'Hong Kong SAR', 'Hong Kong SAR China', 'HKSAR'],
	mo => ['Macau', 'Macao', 'Macau SAR'], cn => ['КНР', 'China', 'PRC', 'P.R. China', 'PR China', 'Mainland China', "People's Republic of China", '中国', '中國', '中华人民共和国'], ps => ['Palestine', 'Palestinian Territories', 'West Bank', 'Gaza'],
	va => ['Vatican', 'Vatican City'], fm => ['Micronesia'], bn => ['Brunei'], sa => ['السعودية', 'Saudia', 'KSA', 'Kingdom of Saudi Arabia', 'Saudi'], za => ['RSA', 'S. Africa'],
	de => ['GER', 'Deutschland (DE)', 'Deutschland', 'BRD', 'FRG', 'Federal Republic of Germany', 'West Germany'], ch => ['SUI', 'CH (Schweiz)', 'Schweiz', 'Suisse', 'Svizzera', 'Swiss', 'Helvetia'], at => ['Österreich', 'Oesterreich'], es => ['España', 'Espana'], jp => ['日本', 'Nippon', 'Nihon'],
	se => ['Sverige'], no => ['Norge'], dk => ['DEN', 'Danmark'], fi => ['Suomi'], gr => ['GRE', 'Hellas', 'Ελλάδα', 'Ελλαδα'], hr => ['CRO', 'Hrvatska'], hu => ['Magyarország'], pl => ['Polska'], br => ['Brasil'], mx => ['Méjico', 'México'], nz => ['N.Z.', 'Aotearoa'],
	ge => ['Republic of Georgia'],
	ie => ['Eire', 'Éire', 'Republic of Ireland', 'Ireland (Republic)', 'Southern Ireland'], by => ['Belorussia', 'Byelorussia', 'Weißrussland'], kg => ['Kirgizstan'], lk => ['Ceylon'], bs => ['Bahamas'], gm => ['Gambia'], ph => ['PHI', 'Philippines', 'Pilipinas', 'Philippine'],
	pg => ['PNG'], tt => ['Trinidad', 'Trinidad Tobago'], ba => ['Bosnia', 'BiH', 'Bosnia Herzegovina'], ag => ['Antigua'], kn => ['St Kitts', 'St. Kitts and Nevis', 'Saint Kitts'], lc => ['St Lucia'], vc => ['St Vincent and Grenadines', 'Saint Vincent and Grenadines', 'St Vincent', 'St. Vincent and the Grenadines', 'Saint Vincent'],
	in => ['भारत', 'Bharat'],
	th => ['ประเทศไทย', 'Siam'],
	pt => ['POR'],
	cl => ['CHI'],
	uy => ['URU'],
	my => ['MAS'],
	bg => ['BUL'],
	si => ['SLO'],
	lv => ['LAT'],
	au => ['Commonwealth of Australia', 'Down Under', 'Aus.'],
	kz => ['Kazakstan'],
	ro => ['Roumania', 'Rumania'],
	ua => ['The Ukraine'],
	rs => ['Republic of Serbia'],
	lu => ['Luxemburg'],
	li => ['Lichtenstein'],
	sg => ['Singapore City', 'S’pore'],
	id => ['Indonesien'],
	eg => ['Misr'],
	fr => ['France métropolitaine', 'Metropolitan France'],
	pf => ['Tahiti'],
	sh => ['Saint Helena', 'St Helena'], pm => ['St Pierre and Miquelon'], bl => ['St Barthelemy', 'St Barts', 'Saint Barts'], mf => ['St Martin', 'Saint Martin'], sx => ['Sint Maarten', 'St Maarten'], vi => ['US Virgin Islands', 'USVI', 'U.S. Virgin Islands'], vg => ['British Virgin Islands', 'BVI'],
	re => ['Reunion'], cw => ['Curacao'], um => ['US Minor Outlying Islands'], xk => ['Kosovo', 'Republic of Kosovo', 'Kosova', 'XKX'], fk => ['Falklands', 'Falkland Islands', 'Malvinas'], gs => ['South Georgia'], im => ['Isle of Man'], ss => ['South Sudan'], st => ['Sao Tome'],
);

sub county
{
	my %name = @_;
	return map { $_ => [ "County $name{$_}", "Co. $name{$_}", "Co $name{$_}" ] } keys %name;
}

# states as the post once abbreviated them, what iso-codes leaves out, names in English of regions whose own are others, and what is usual beside the official ones
my %region_alias = (
	us => {
		al => ['Ala'], ak => ['Alas'], az => ['Ariz'], ar => ['Ark'], ca => ['Calif', 'Cal', 'Cali'], co => ['Colo', 'Col'], ct => ['Conn'], de => ['Del'], dc => ['D.C.', 'Washington DC', 'Washington D.C.', 'Wash DC', 'Dist of Columbia'], fl => ['Fla', 'Flor'],
		ga => ['Geo'], hi => ['Haw'], id => ['Ida'], il => ['Ill', 'Ills'], in => ['Ind'], ia => ['Iowa'], ks => ['Kans', 'Kan'], ky => ['Ken', 'Kent'], la => ['Louis'], me => ['Maine'], md => ['Mary'], ma => ['Mass'], mi => ['Mich'], mn => ['Minn'], ms => ['Miss'],
		mo => ['Mizz'], mt => ['Mont'], ne => ['Nebr', 'Neb'], nv => ['Nev'], nh => ['N.H.', 'N Hampshire'], nj => ['N.J.', 'N Jersey', 'Jersey'], nm => ['N. Mex.', 'New Mex', 'N Mexico'], ny => ['N.Y.', 'N York', 'New York State', 'NYS'], nc => ['N. Car.', 'N Carolina', 'No Carolina'],
		nd => ['N. Dak.', 'N Dakota', 'No Dak'], oh => ['Ohio'], ok => ['Okla'], or => ['Ore', 'Oreg'], pa => ['Penn', 'Penna', 'Pennsylvannia'], ri => ['R.I.', 'R Island'], sc => ['S. Car.', 'S Carolina', 'So Carolina'], sd => ['S. Dak.', 'S Dakota', 'So Dak'], tn => ['Tenn'], tx => ['Tex'],
		ut => ['Utah'], vt => ['Verm'], va => ['Virg'], wa => ['Wash', 'Washington State', 'State of Washington'], wv => ['W. Va.', 'W Virginia', 'West Va'], wi => ['Wis', 'Wisc'], wy => ['Wyo'],
		pr => ['P.R.'], vi => ['Virgin Islands', 'U.S. Virgin Islands', 'USVI'], mp => ['CNMI', 'N Mariana Islands', 'Saipan'], fm => ['Micronesia', 'Federated States of Micronesia'], mh => ['Marshall Islands'], pw => ['Palau'],
		aa => ['Armed Forces Americas'], ae => ['Armed Forces Europe'], ap => ['Armed Forces Pacific'],
	},
	ca => {
		ab => ['Alta', 'Alb'], bc => ['B.C.', 'Brit Col'], mb => ['Man'], nb => ['N.B.'], nl => ['Nfld', 'Newfoundland', 'Labrador', 'NF'], ns => ['N.S.'], nt => ['N.W.T.', 'NWT'], nu => ['Nvt'], on => ['Ont'], pe => ['P.E.I.', 'PEI'], qc => ['Que', 'PQ', 'P.Q.', 'Québec'], sk => ['Sask'], yt => ['Yuk', 'Yukon Territory', 'YK'],
	},
	au => { nsw => ['N.S.W.'], vic => ['Vict'], qld => ['Queens', "Q'land"], wa => ['W. Australia', 'W.A.', 'West Australia'], sa => ['S. Australia', 'S.A.'], tas => ['Tassie'], nt => ['N.T.'], act => ['A.C.T.', 'Canberra'] },
	gb => { eng => ['England'], sct => ['Scotland'], wls => ['Wales', 'Cymru'], nir => ['Northern Ireland', 'N. Ireland', 'NI', 'Ulster'], lnd => ['City of London'], sry => ['Surrey'], nth => ['Northants'], ham => ['Hants'], hrt => ['Herts'], lan => ['Lancs'], lin => ['Lincs'], lec => ['Leics'], oxf => ['Oxon'], wil => ['Wilts'], gls => ['Gloucs', 'Glos'], cam => ['Cambs'], sfk => ['Suff'], ntt => ['Notts'], sts => ['Staffs'], wor => ['Worcs'], bkm => ['Bucks'] },
	de => { nw => ['NRW', 'Nordrhein Westfalen', 'North Rhine-Westphalia', 'Northrhine-Westphalia'], bw => ['BaWü', 'BaWue', 'Baden Wurttemberg', 'Baden Wuerttemberg', 'Baden-Wurttemberg'], by => ['Bavaria'], th => ['Thueringen', 'Thuringia'], ni => ['NDS', 'Lower Saxony'], mv => ['Meck Pomm', 'MeckPom', 'Mecklenburg-Western Pomerania', 'Mecklenburg-West Pomerania'], rp => ['RLP', 'Rhineland-Palatinate', 'Rhineland Palatinate'], st => ['LSA', 'Saxony-Anhalt'], sh => ['SchlHol'], sn => ['Saxony'], he => ['Hesse'] },
	in => { dl => ['New Delhi', 'NCT of Delhi', 'NCR'], ka => ['Bangalore Karnataka'], or => ['Orissa', 'Odisha', 'OD', 'Orrisa'], ct => ['Chhattisgarh', 'CG'], ut => ['Uttaranchal', 'UK', 'Uttarakhand'], tg => ['Telangana', 'TS'], py => ['Pondicherry'], mh => ['Bombay'], tn => ['Tamilnadu', 'TamilNad'], jk => ['J&K', 'Jammu & Kashmir'] },
	mx => { cmx => ['CDMX', 'Mexico City', 'Distrito Federal', 'D.F.', 'DIF'], mex => ['Edo Mex', 'Edomex', 'Estado de México', 'Mexico'] },
	br => { sp => ['S. Paulo'], rj => ['Rio'] }, nz => { auk => ['AKL'] },
	it => { 25 => ['Lombardy'], 52 => ['Tuscany'], 21 => ['Piedmont'], 82 => ['Sicily'], 88 => ['Sardinia'], 75 => ['Apulia'], 62 => ['Latium'], 23 => ['Aosta Valley'], 32 => ['Trentino-South Tyrol', 'Trentino-Alto Adige'], 42 => ['Liguria'], 36 => ['Friuli-Venezia Giulia', 'Friuli'] },
	ie => { county(d => 'Dublin', co => 'Cork', cw => 'Carlow', cn => 'Cavan', ce => 'Clare', dl => 'Donegal', g => 'Galway', ky => 'Kerry', ke => 'Kildare', kk => 'Kilkenny', ls => 'Laois', lm => 'Leitrim', lk => 'Limerick', ld => 'Longford', lh => 'Louth', mo => 'Mayo', mh => 'Meath', mn => 'Monaghan', oy => 'Offaly', rn => 'Roscommon', so => 'Sligo', ta => 'Tipperary', wd => 'Waterford', wh => 'Westmeath', wx => 'Wexford', ww => 'Wicklow') },
	fr => { bre => ['Brittany'], nor => ['Normandy'], '20r' => ['Corsica'], bfc => ['Burgundy-Franche-Comté', 'Burgundy'], occ => ['Occitania'], naq => ['New Aquitaine'], pac => ['PACA', "Provence-Alpes-Cote d'Azur", 'Provence'], idf => ['Région parisienne', 'Paris Region'], pdl => ['Loire Region'] },
	es => { ct => ['Catalonia'], an => ['Andalusia'], cl => ['Castile and León', 'Castile-Leon', 'Castilla y Leon'], pv => ['Basque Country'], nc => ['Navarre'], ib => ['Balearic Islands', 'Balearics'], cn => ['Canary Islands', 'Canaries'], vc => ['Valencian Community'], md => ['Community of Madrid'] },
	ch => { ge => ['Geneva'], lu => ['Lucerne'], bs => ['Basel', 'Basel-City', 'Basle'], bl => ['Basel-Country'], gr => ['Grisons'], zh => ['Zurich'], be => ['Berne'], vd => ['Waadt'], vs => ['Wallis'] },
	nl => { nh => ['North Holland'], zh => ['South Holland'], nb => ['North Brabant'], fr => ['Friesland'] },
	be => { vlg => ['Flanders', 'Vlaanderen', 'Flandre'], wal => ['Wallonia', 'Wallonie'], bru => ['Brussels', 'Bruxelles', 'Brussel', 'Brussels-Capital'], van => ['Antwerp'], vov => ['East Flanders'], vwv => ['West Flanders'], vbr => ['Flemish Brabant'], wbr => ['Walloon Brabant'], wlg => ['Liege'] },
	at => { 9 => ['Vienna'], 3 => ['Lower Austria'], 4 => ['Upper Austria'], 6 => ['Styria'], 7 => ['Tyrol'], 2 => ['Carinthia'] },
	dk => { 84 => ['Capital Region', 'Copenhagen Region'], 85 => ['Zealand'], 81 => ['North Jutland'], 82 => ['Central Jutland', 'Central Denmark'], 83 => ['Southern Denmark'] },
	se => { o => ['Västra Götaland'], m => ['Scania', 'Skane'], ab => ['Stockholm'] },
	pl => { 14 => ['Masovia', 'Mazovia', 'Mazovian'], 12 => ['Lesser Poland'], 30 => ['Greater Poland'], '02' => ['Lower Silesia'], 24 => ['Silesia'] },
	pt => { 11 => ['Lisbon'], 13 => ['Porto', 'Oporto'] },
	ru => { mow => ['Moscow'], spe => ['Saint Petersburg', 'St Petersburg', 'St. Petersburg'] },
	ar => { c => ['CABA', 'Capital Federal', 'Ciudad de Buenos Aires', 'Buenos Aires City'] },
	co => { dc => ['Bogotá', 'Bogota'] },
);

sub fold_name
{
	my ($name) = @_;
	my %alike = (ß => 'ss', ẞ => 'ss', æ => 'ae', Æ => 'ae', œ => 'oe', Œ => 'oe', ø => 'o', Ø => 'o', đ => 'd', Đ => 'd', ð => 'd', Ð => 'd', ł => 'l', Ł => 'l', ħ => 'h', Ħ => 'h', ı => 'i', ŧ => 't', Ŧ => 't', þ => 'th', Þ => 'th');

	$name =~ s/&/ and /g;
	$name =~ s/(?<=.{3}),? the$//i;
	$name = NFKD($name);
	$name =~ s/[\x{300}-\x{36F}\x{1AB0}-\x{1AFF}\x{1DC0}-\x{1DFF}\x{20D0}-\x{20FF}\x{FE20}-\x{FE2F}\x{591}-\x{5BD}\x{5BF}\x{5C1}\x{5C2}\x{64B}-\x{65F}\x{670}]//g;
	$name =~ s/(.)/$alike{$1} \/\/ lc $1/ge;
	$name = NFKC($name);
	$name =~ s/[\x00-\x2F\x3A-\x60\x7B-\xA0\xA1-\xBF\xD7\xF7\x{2B0}-\x{2FF}\x{60C}\x{200B}-\x{206F}\x{2000}-\x{200A}\x{3000}-\x{3004}\x{3008}-\x{303F}\x{30FB}]//g;
	$name =~ s/^the(?=.{4})//;
	return $name;
}

# The translations of one .mo file, as a hash.
sub read_mo
{
	my ($file) = @_;
	my %said;
	open my $in, '<:raw', $file or return \%said;
	my $data = do { local $/; <$in> };
	my $long = unpack('V', $data) == 0x950412de ? 'V' : 'N';
	my ($count, $from, $to) = unpack "x8 ${long}3", $data;

	for my $i (0 .. $count - 1)
	{
		my ($id, $text) = map { my ($len, $at) = unpack "${long}2", substr($data, $_ + 8 * $i, 8); decode('UTF-8', substr($data, $at, $len)) } $from, $to;
		$said{$id} = $text if $id ne '' && $text ne '';
	}
	return \%said;
}

sub read_json
{
	my ($standard) = @_;
	open my $in, '<:raw', "$json/iso_$standard.json" or die "$json/iso_$standard.json: $! (package iso-codes)\n";
	return decode_json(do { local $/; <$in> })->{$standard};
}

# A name and the names in it: "Bolzano/Bozen", "Araba*", "Jinan [Tsinan]", "Korea, Republic of".
sub variants
{
	my ($name, $of) = @_;
	my @names = ($name, split m{\s*[/;\[\]\(\)]\s*}, $name);
	push @names, map { /^([^,]+), ([^,]+)$/ ? ("$2 $1") : () } @names;
	# what kind of region it is, which few write: "Beijing Shi", 東京 for 東京都
	push @names, map { / (?:Shi|Sheng|Zizhiqu)$/ ? ($`, "$` Province") : /.(?:市|省|(?:壮族|回族|维吾尔)?自治区)$/ ? s/(?:市|省|(?:壮族|回族|维吾尔)?自治区)$//r : () } @names if ($of // '') eq 'cn';
	push @names, map { /(?:-(?:teukbyeolsi|gwangyeoksi|teukbyeoljachisi|teukbyeoljachido|do)|특별시|광역시|특별자치시|특별자치도)$/ ? ($`) : () } @names if ($of // '') eq 'kr';
	push @names, map { /^\p{Han}+$/ ? ($_ . (/^東京$/ ? '都' : /^(?:大阪|京都)$/ ? '府' : '県')) : () } @names if ($of // '') eq 'jp';
	return grep { length } @names;
}

# Entries of a table: who comes first has a name; where two of one rank claim it, nobody has.
my (%table, %rank);

sub claim
{
	my ($place, $key, $code, $rank) = @_;
	return if $key eq '' || length(Encode::encode('UTF-8', $key)) > 100;
	my $held = $table{$place}{$key};
	if (!defined $held || $rank < $rank{$place}{$key})
	{
		$table{$place}{$key} = $code;
		$rank{$place}{$key} = $rank;
	}
	elsif ($held ne $code && $rank == $rank{$place}{$key})
	{
		$table{$place}{$key} = '';
	}
}

sub write_table
{
	my ($type, $name, @entries) = @_;
	my $line = "\t";
	print "\nstatic const $type $name\[] = {\n";
	for my $entry (@entries)
	{
		if (length("$line$entry") > 150)
		{
			print $line =~ s/ $//r, "\n";
			$line = "\t";
		}
		$line .= "$entry, ";
	}
	print $line =~ s/ $//r, "\n};\n";
}

my $countries = read_json('3166-1');
my $regions = read_json('3166-2');
open my $status, '-|', qw(dpkg-query -W -f ${Version} iso-codes) or die "dpkg-query: $!\n";
my $version = <$status>;

for my $language (@country_languages, @more_country_languages)
{
	my $said = read_mo("$locales/$language/LC_MESSAGES/iso_3166-1.mo");
	my $own = $language eq 'en';
	my $rank = $own ? 2 : (grep { $_ eq $language } @more_country_languages) ? 4 : 3;
	for my $country (@$countries)
	{
		my $code = lc $country->{alpha_2};
		for my $field (qw(name common_name), grep { $language =~ /^(en|de|fr|es|it|pt)$/ } 'official_name')
		{
			my $name = $country->{$field} // next;
			claim('', fold_name($_), $code, $rank) for map { variants($_) } ($own ? $name : ()), $said->{$name} // ();
		}
	}
}
for my $country (@$countries, { alpha_2 => 'XK', alpha_3 => 'XKX', numeric => '' })
{
	claim('', lc $_, lc $country->{alpha_2}, 0) for @$country{qw(alpha_2 alpha_3 numeric)};
}
for my $code (keys %country_alias)
{
	claim('', fold_name($_), $code, 1) for @{ $country_alias{$code} };
}

for my $language (@region_languages, sort keys %own_language)
{
	my $said = read_mo("$locales/$language/LC_MESSAGES/iso_3166-2.mo");
	my $own = $language eq 'en';
	for my $region (@$regions)
	{
		my ($country, $code) = split /-/, lc $region->{code};
		next if ($own_language{$language} // $country) ne $country;
		my $name = $region->{name};
		my $below = exists $region->{parent} ? 1 : 0;
		claim($country, $code, $code, 0) if $own;
		claim($country, fold_name($_), $code, ($own ? 2 : 4) + $below) for map { variants($_, $country) } ($own ? $name : ()), $said->{$name} // ();
	}
}
for my $country (keys %region_alias)
{
	for my $code (keys %{ $region_alias{$country} })
	{
		claim($country, $code, $code, 0);
		claim($country, fold_name($_), $code, 1) for @{ $region_alias{$country}{$code} };
	}
}

print <<"END";
/*
 * country_data.h
 *		Names of countries and of their regions, folded, and their codes. Made from Debian's
 *		iso-codes $version by src/canonical/country_data.pl (make country-data): not for editing.
 */
/* clang-format off */
#ifndef LR_COUNTRY_DATA_H
#define LR_COUNTRY_DATA_H

#define LR_COUNTRY_DATA_VERSION "iso-codes $version"

typedef struct LrPlaceName
{
	const char *name;
	char code[4];
} LrPlaceName;
END
sub entries
{
	my ($place) = @_;
	my %names = %{ $table{$place} };
	my %bytes = map { Encode::encode('UTF-8', $_) => $_ } grep { $names{$_} ne '' } keys %names;
	return map { qq({"$bytes{$_}", "$names{$bytes{$_}}"}) } sort keys %bytes;
}

write_table('LrPlaceName', 'lr_country_names', entries(''));
my (@all, @ranges);
for my $country (sort grep { $_ ne '' } keys %table)
{
	my @entries = entries($country);
	push @ranges, sprintf '{"%s", %d, %d}', $country, scalar @all, scalar @entries;
	push @all, @entries;
}
print "\n/* by country, see lr_region_ranges */";
write_table('LrPlaceName', 'lr_region_names', @all);
print <<'END';

typedef struct LrRegionRange
{
	char country[3];
	int first;
	int count;
} LrRegionRange;
END
write_table('LrRegionRange', 'lr_region_ranges', @ranges);
print "\n#endif\n";
