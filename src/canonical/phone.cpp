/*
 * phone.cpp
 *		Phone numbers in E.164, by libphonenumber: which numbers exist, and how each country
 *		writes them, is its knowledge and none of ours.
 *
 * The one C++ file. It includes nothing of PostgreSQL's and calls nothing of it, so that
 * no longjmp passes its frames; every function that C may call catches all exceptions. What
 * libphonenumber allocates beyond a call (its tables, compiled patterns) lives as long as
 * the process, in its singleton; everything else is freed on return. The singleton is not
 * thread-safe to make and need not be: backends have one thread.
 */
#include "phone.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <phonenumbers/logger.h>
#include <phonenumbers/phonenumber.pb.h>
#include <phonenumbers/phonenumberutil.h>
#include <string>

using i18n::phonenumbers::Logger;
using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

namespace
{

/* libphonenumber writes to standard output what it thinks of its input: not in a server. */
class SilentLogger : public Logger
{
  public:
	void
	WriteMessage(const std::string &) override
	{
	}
};

PhoneNumberUtil *
library()
{
	static PhoneNumberUtil *util = nullptr;

	if (util == nullptr)
	{
		PhoneNumberUtil *made = PhoneNumberUtil::GetInstance();

		made->SetLogger(new SilentLogger());
		util = made;
	}
	return util;
}

/*
 * A number that is in E.164 already needs no parsing, only the country code told from the rest.
 * A zero behind it may be a national prefix that somebody left in, which parsing knows how to take out.
 */
bool
split_e164(const PhoneNumberUtil &util, const char *data, int len, PhoneNumber *number)
{
	int code = 0;

	if (len < 8 || len > 16 || data[0] != '+' || data[1] == '0')
		return false;
	for (int i = 1; i < len; i++)
	{
		if (data[i] < '0' || data[i] > '9')
			return false;
	}
	for (int digits = 1; digits <= 3; digits++)
	{
		std::string region;

		code = code * 10 + (data[digits] - '0');
		util.GetRegionCodeForCountryCode(code, &region);
		if (region != "ZZ")
		{
			unsigned long long national = 0;

			if (data[digits + 1] == '0')
				return false;
			for (int i = digits + 1; i < len; i++)
				national = national * 10 + (data[i] - '0');
			number->set_country_code(code);
			number->set_national_number(national);
			return true;
		}
	}
	return false;
}

/* Numbers that people type where a form insists: films' numbers, one digit held down, the row of keys. */
bool
is_placeholder(int code, const std::string &national)
{
	size_t len = national.size();
	size_t same = 1;

	while (same < len && national[len - 1 - same] == national[len - 1])
		same++;
	if (same >= 7 || same == len)
		return true;
	if (len >= 7 && (std::strstr("01234567890123456789", national.c_str()) != nullptr ||
					 std::strstr("98765432109876543210", national.c_str()) != nullptr))
		return true;
	/* North America's 555-01xx and directory assistance; the ranges that Ofcom keeps for drama */
	if (code == 1 && len == 7)
		return national.compare(0, 5, "55501") == 0;
	if (code == 1 && len == 10 && national.compare(3, 3, "555") == 0)
		return national.compare(6, 2, "01") == 0 || national.compare(6, 4, "1212") == 0;
	if (code == 44)
		return national.compare(0, 6, "770090") == 0 || national.compare(0, 7, "2079460") == 0 || national.compare(0, 7, "1632960") == 0;
	return false;
}

LrPhoneProblem
parse_problem(PhoneNumberUtil::ErrorType error, bool has_region)
{
	switch (error)
	{
		case PhoneNumberUtil::INVALID_COUNTRY_CODE_ERROR:
			return has_region ? LR_PHONE_UNKNOWN_CODE : LR_PHONE_NO_COUNTRY;
		case PhoneNumberUtil::TOO_SHORT_AFTER_IDD:
		case PhoneNumberUtil::TOO_SHORT_NSN:
			return LR_PHONE_TOO_SHORT;
		case PhoneNumberUtil::TOO_LONG_NSN:
			return LR_PHONE_TOO_LONG;
		default:
			return LR_PHONE_NO_NUMBER;
	}
}

LrPhoneProblem
type_problem(PhoneNumberUtil::PhoneNumberType type)
{
	switch (type)
	{
		case PhoneNumberUtil::UNKNOWN:
			return LR_PHONE_INVALID;
		case PhoneNumberUtil::TOLL_FREE:
		case PhoneNumberUtil::PREMIUM_RATE:
		case PhoneNumberUtil::SHARED_COST:
		case PhoneNumberUtil::UAN:
		case PhoneNumberUtil::VOICEMAIL:
			return LR_PHONE_SERVICE;
		default:
			return LR_PHONE_FINE;
	}
}

LrPhoneProblem
parse(const char *data, int len, const char *region, LrPhone *phone)
{
	const PhoneNumberUtil &util = *library();
	PhoneNumber number;
	PhoneNumberUtil::PhoneNumberType type = PhoneNumberUtil::UNKNOWN;
	std::string national;
	std::string e164;

	if (split_e164(util, data, len, &number))
		type = util.GetNumberType(number);
	if (type == PhoneNumberUtil::UNKNOWN)
	{
		std::string input(data, len);
		bool international = false;
		int digits = 0; /* of any script: what is not ASCII counts */

		for (char &c : input)
		{
			if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
				c = ' ';
			international = international || c == '+';
			digits += (c >= '0' && c <= '9') || (c & 0xC0) == 0xC0;
		}
		/* words like "none" are numbers on a keypad */
		if (digits == 0)
			return LR_PHONE_NO_NUMBER;
		/* the library's patterns take time by the square of them */
		if (digits > LR_PHONE_MAX_DIGITS)
			return LR_PHONE_TOO_LONG;
		number.Clear();
		PhoneNumberUtil::ErrorType error = util.Parse(input, region[0] ? region : "ZZ", &number);

		if (error != PhoneNumberUtil::NO_PARSING_ERROR)
			return parse_problem(error, region[0] || international);
		type = util.GetNumberType(number);
	}
	util.GetNationalSignificantNumber(number, &national);
	if (is_placeholder(number.country_code(), national))
		return LR_PHONE_PLACEHOLDER;
	LrPhoneProblem problem = type_problem(type);

	if (problem != LR_PHONE_FINE)
		return problem;
	util.Format(number, PhoneNumberUtil::E164, &e164);
	if (e164.size() >= sizeof(phone->e164) || number.extension().size() >= sizeof(phone->extension))
		return LR_PHONE_TOO_LONG;
	std::strcpy(phone->e164, e164.c_str());
	std::strcpy(phone->extension, number.extension().c_str());
	return LR_PHONE_FINE;
}

} // namespace

/*
 * Reads a number as it is dialled in the region (ISO 3166-1, upper case; "" where it is not known: then
 * only international ones are understood). Where the result is LR_PHONE_FINE, *phone is filled.
 */
LrPhoneProblem
lr_phone_parse(const char *data, int len, const char *region, LrPhone *phone)
{
	try
	{
		return parse(data, len, region, phone);
	}
	catch (...)
	{
		return LR_PHONE_FAILED;
	}
}

/* Reads libphonenumber's tables now (some 10 ms), so that processes forked from this one share them. */
void
lr_phone_load(void)
{
	try
	{
		library();
	}
	catch (...)
	{
		/* the first question tries again, and answers LR_PHONE_FAILED */
	}
}

/*
 * What numbers it knows: the library has no call that tells, so it is a sum of its tables, where the build exports
 * them (Debian's does), with the name of the file that they come from.
 */
void
lr_phone_version(char *version, size_t size)
{
	typedef const unsigned char *(*DataFunction)();
	typedef int (*SizeFunction)();
	void *data = dlsym(RTLD_DEFAULT, "_ZN4i18n12phonenumbers12metadata_getEv");
	void *length = dlsym(RTLD_DEFAULT, "_ZN4i18n12phonenumbers13metadata_sizeEv");
	uint64_t sum = UINT64_C(14695981039346656037);
	const char *name = "";
	Dl_info info;

	if (data == nullptr || length == nullptr)
	{
		std::snprintf(version, size, "unknown");
		return;
	}
	for (int i = 0; i < reinterpret_cast<SizeFunction>(length)(); i++)
		sum = (sum ^ reinterpret_cast<DataFunction>(data)()[i]) * UINT64_C(1099511628211);
	if (dladdr(data, &info) != 0 && info.dli_fname != nullptr && std::strrchr(info.dli_fname, '/') != nullptr)
		name = std::strrchr(info.dli_fname, '/') + 1;
	std::snprintf(version, size, "%s, data %016llx", name, static_cast<unsigned long long>(sum));
}
