/*
 * first_name.c
 *		First names that are one person's in spite of their letters, and two people's in spite of them.
 *
 * Names are canonical (match_value.c): small letters without accents, blanks and marks; the lists have no others.
 */
#include "postgres.h"

#include "first_name.h"

/* Short forms of first names, English ones first, then other languages', a line each; a name may stand in several. */
static const char nicknames[] =
	"\n"
	"alexander alex al sandy xander\n"
	"alexandra alex sandra sandy lexi\n"
	"abigail abby gail\n"
	"andrew andy drew\n"
	"anthony tony\n"
	"barbara barb babs\n"
	"benjamin ben benny benji\n"
	"catherine katherine kathryn kate katie kathy cathy kat kitty\n"
	"charles charlie chuck chas\n"
	"charlotte charlie lottie\n"
	"christopher chris kit topher\n"
	"christine christina chris tina chrissy\n"
	"daniel dan danny\n"
	"david dave davy\n"
	"deborah debra deb debbie\n"
	"donald don donny\n"
	"edward ed eddie ted ned teddy\n"
	"elizabeth liz lizzie beth betty eliza libby elsie bess\n"
	"eleanor ellie nell nora\n"
	"frances fran frankie\n"
	"francis frank frankie\n"
	"frederick fred freddie\n"
	"gabriel gabe\n"
	"gerald gerry jerry\n"
	"gregory greg\n"
	"harold harry hal\n"
	"henry harry hank\n"
	"isabella bella izzy isabel\n"
	"jacob jake\n"
	"james jim jimmy jamie\n"
	"jeffrey geoffrey jeff geoff\n"
	"jennifer jen jenny\n"
	"jessica jess jessie\n"
	"john jack johnny jon\n"
	"jonathan jon jonny\n"
	"joseph joe joey\n"
	"joshua josh\n"
	"judith judy\n"
	"kenneth ken kenny\n"
	"kimberly kim\n"
	"lawrence laurence larry\n"
	"leonard leo len lenny\n"
	"margaret maggie meg peggy greta madge\n"
	"martin marty\n"
	"matthew matt matty\n"
	"megan meg\n"
	"michael mike mick mikey\n"
	"nathaniel nathan nate nat\n"
	"nicholas nick nicky\n"
	"olivia liv livvy\n"
	"oliver ollie\n"
	"pamela pam\n"
	"patricia pat patty trish\n"
	"patrick pat paddy\n"
	"peter pete\n"
	"philip phillip phil\n"
	"raymond ray\n"
	"rebecca becky becca\n"
	"richard rich rick ricky dick richie\n"
	"robert rob bob bobby robbie bert\n"
	"ronald ron ronnie\n"
	"samantha sam\n"
	"samuel sam sammy\n"
	"stephen steven steve\n"
	"susan sue suzie susie\n"
	"theodore ted teddy theo\n"
	"theresa teresa terry tess\n"
	"thomas tom tommy\n"
	"timothy tim\n"
	"victoria vicky tori\n"
	"vincent vince\n"
	"walter walt wally\n"
	"william will bill billy liam willy\n"
	"zachary zach zack\n"
	"alejandro ale jandro\n"
	"aleksandra ola\n"
	"aleksandr alexander sasha sacha shura\n"
	"alexandra aleksandra sasha\n"
	"agnieszka aga\n"
	"anastasia nastya nastia\n"
	"andreas andi\n"
	"antonio toni tonio toninho nino\n"
	"beatriz bea\n"
	"bernhard berni\n"
	"carmen carmela\n"
	"concepcion concha conchita\n"
	"consuelo chelo\n"
	"dmitry dmitrii dmitri dima mitya\n"
	"dolores lola\n"
	"eduardo edu lalo\n"
	"ekaterina katya katja katia\n"
	"elena lena alyona\n"
	"enrique quique kike\n"
	"evgeny evgenii zhenya\n"
	"francesco franco cesco\n"
	"francisco paco pancho curro fran chico\n"
	"franziska franzi\n"
	"gabriela gabi gaby\n"
	"giovanni gianni vanni\n"
	"giuseppe beppe peppe pino\n"
	"guadalupe lupe lupita\n"
	"guillermo memo guille\n"
	"ignacio nacho\n"
	"irina ira\n"
	"ivan vanya\n"
	"jesus chuy chus\n"
	"joachim achim jochen\n"
	"johann johannes hans hannes jo\n"
	"johannes hannes hans\n"
	"jose pepe chepe ze\n"
	"josef sepp beppo\n"
	"juan juanito\n"
	"katarzyna kasia kaska\n"
	"katharina kathi kati katja\n"
	"krzysztof krzysiek krzys\n"
	"leonardo leo\n"
	"lucia lucy\n"
	"luigi gigi\n"
	"luis lucho\n"
	"magdalena magda lena\n"
	"malgorzata gosia malgosia\n"
	"manuel manolo manu\n"
	"maria mary mariuska masha maryam marie\n"
	"mariadolores lola\n"
	"mariajose marijose majo\n"
	"matthias matze mattes\n"
	"maximilian max maxi\n"
	"mercedes merche\n"
	"michael michi micha\n"
	"mikhail misha\n"
	"mohammed mohamed muhammad mohammad mohamad mohd md mo\n"
	"montserrat montse\n"
	"natalia natalya natasha\n"
	"nikolai kolya\n"
	"olga olya\n"
	"pavel pasha\n"
	"pilar pili\n"
	"priyanka priya\n"
	"rajesh raj\n"
	"rosario charo\n"
	"salvatore toto turi\n"
	"santiago santi\n"
	"sebastian basti seb sebas\n"
	"sergei sergey seryozha\n"
	"siegfried siggi\n"
	"stanislaw staszek stas\n"
	"susanne susi\n"
	"svetlana sveta\n"
	"tatiana tanya tania tatyana\n"
	"teresa tere\n"
	"tomasz tomek\n"
	"ulrich uli ulli\n"
	"ulrike uli ulli\n"
	"venkatesh venkat\n"
	"vincenzo enzo\n"
	"vladimir vova volodya vlad\n"
	"wilhelm willi willy wim\n"
	"wojciech wojtek\n"
	"wolfgang wolf wolfi\n"
	"yulia julia yulya\n";

/* First names of which one is a man's and the other a woman's, a line each: a letter apart, and no slip. They may be married, or twins. */
static const char other_names[] =
	"\n"
	"adrian adriana adrienne\n"
	"alberto alberta\n"
	"alejandro alejandra\n"
	"aleksander aleksandar aleksandr aleksandra\n"
	"alexander alexandra alexandre\n"
	"alfonso alfonsa\n"
	"andrea andreas andre\n"
	"andrej andreja\n"
	"angelo angela\n"
	"antonio antonia\n"
	"bernardo bernarda\n"
	"carlo carla carlos\n"
	"christian christiane christina christine\n"
	"claudio claudia\n"
	"cristian cristiana cristina\n"
	"dan dana\n"
	"daniel daniela danielle daniele\n"
	"denis denise\n"
	"dominik dominika dominique\n"
	"eduardo eduarda\n"
	"emil emilia emily\n"
	"eric erica\n"
	"erik erika\n"
	"ernesto ernesta\n"
	"eugen eugenia\n"
	"fabian fabiana fabienne\n"
	"federico federica\n"
	"felix felicia\n"
	"fernando fernanda\n"
	"filip filipa\n"
	"francesco francesca\n"
	"francis frances\n"
	"francisco francisca\n"
	"frank franka\n"
	"franz franziska\n"
	"frederic frederica\n"
	"gabriel gabriela gabrielle gabriele\n"
	"georg georgia\n"
	"george georgia georgina\n"
	"gerhard gerharda\n"
	"giovanni giovanna\n"
	"giulio giulia\n"
	"gustav gustava\n"
	"heinrich henrike\n"
	"henrik henrike\n"
	"igor inga\n"
	"ivan ivana\n"
	"jan jana\n"
	"jean jeanne\n"
	"joan joanna\n"
	"johan johanna\n"
	"johann johanna\n"
	"jose josefa josefina\n"
	"josef josefa josefine\n"
	"joseph josephine\n"
	"juan juana\n"
	"jules julie\n"
	"julian juliana julianne julia\n"
	"julien julie julienne\n"
	"julio julia\n"
	"justin justina justine\n"
	"karl karla\n"
	"lauren laurence laurent\n"
	"leon leona leonie\n"
	"lorenzo lorenza\n"
	"louis louise louisa\n"
	"luca lucia\n"
	"lucas lucia\n"
	"lucio lucia\n"
	"luis luisa\n"
	"manuel manuela\n"
	"marc marcia\n"
	"marcel marcela marcelle\n"
	"marcelo marcela\n"
	"marco marcia\n"
	"marian mariana\n"
	"mario maria marie\n"
	"marin marina\n"
	"mark marika\n"
	"martin martina martine\n"
	"mauricio mauricia\n"
	"max maxine\n"
	"michael michaela\n"
	"michal michalina\n"
	"michel michele michelle\n"
	"mikael mikaela\n"
	"milan milana milena\n"
	"miroslav miroslava\n"
	"natal natalia\n"
	"nicholas nicole\n"
	"nicola nicolas nicole\n"
	"nikola nikolas\n"
	"oliver olivia\n"
	"olivier olivia\n"
	"oscar oscara\n"
	"pablo paola\n"
	"paolo paola\n"
	"pascal pascale\n"
	"patrice patricia patrick\n"
	"patricio patricia\n"
	"paul paula pauline\n"
	"paulo paula\n"
	"peter petra\n"
	"petr petra\n"
	"philip philippa\n"
	"raphael raphaela\n"
	"raul raula\n"
	"rene renee renate\n"
	"ricardo ricarda\n"
	"robert roberta\n"
	"roberto roberta\n"
	"roman romana romina\n"
	"sandro sandra\n"
	"sebastian sebastiana\n"
	"sergio sergia\n"
	"silvio silvia\n"
	"simon simona simone\n"
	"stanislav stanislava\n"
	"stefan stefana stefanie stefania\n"
	"stefano stefania\n"
	"stephan stephanie\n"
	"stephane stephanie\n"
	"stephen stephanie\n"
	"steven stephanie\n"
	"theodor theodora\n"
	"theo thea\n"
	"tim tina\n"
	"tomas tamara\n"
	"valentin valentina valentine\n"
	"valerio valeria\n"
	"victor victoria\n"
	"viktor viktoria\n"
	"vincenzo vincenza\n"
	"yves yvonne\n";

static bool in_one_line(const char *lines, const pg_wchar *left, int left_n, const pg_wchar *right, int right_n);
static const char *next_word(const char *text, const char *word, char end);

bool
lr_names_of_one(const pg_wchar *left, int left_n, const pg_wchar *right, int right_n)
{
	return in_one_line(nicknames, left, left_n, right, right_n);
}

bool
lr_names_of_two(const pg_wchar *left, int left_n, const pg_wchar *right, int right_n)
{
	/* all of a line begin with one letter */
	return left_n > 0 && right_n > 0 && left[0] == right[0] && in_one_line(other_names, left, left_n, right, right_n);
}

/* Whether both stand in one line of a list of names. */
static bool
in_one_line(const char *lines, const pg_wchar *left, int left_n, const pg_wchar *right, int right_n)
{
	char name[2][16];
	const pg_wchar *letters[2] = {left, right};
	int n[2] = {left_n, right_n};

	for (int i = 0; i < 2; i++)
	{
		if (n[i] >= (int) sizeof(name[i]))
			return false;
		for (int j = 0; j < n[i]; j++)
		{
			if (letters[i][j] >= 0x80)
				return false;
			name[i][j] = (char) letters[i][j];
		}
		name[i][n[i]] = '\0';
	}
	for (const char *found = next_word(lines, name[0], '\0'); found; found = next_word(found + 1, name[0], '\0'))
	{
		const char *line = found;

		while (line[-1] != '\n')
			line--;
		if (next_word(line, name[1], '\n'))
			return true;
	}
	return false;
}

/* Where a word stands next in a text of words, before the character `end`; NULL where it does not. */
static const char *
next_word(const char *text, const char *word, char end)
{
	size_t width = strlen(word);
	const char *stop = strchr(text, end);

	for (const char *found = strstr(text, word); found && found < stop; found = strstr(found + 1, word))
	{
		if ((found[-1] == ' ' || found[-1] == '\n') && (found[width] == ' ' || found[width] == '\n'))
			return found;
	}
	return NULL;
}
