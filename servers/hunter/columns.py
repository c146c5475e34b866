"""What a column means. Owns: the exporters' usual header names and the file's column map.

Headers are compared by letters and digits alone, in any case (`# Employees`, `employees`,
`E-mail Address`). Within a field the listed order is the order of preference: a work address
before a private one. Refuses to guess: a header that is not listed is reported as ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NAMES: dict[str, str] = {
    "email": "workemail businessemail companyemail professionalemail corporateemail findworkemail "
    "verifiedemail validatedemail email emailaddress mail primaryemail emailprimary contactemail "
    "emailid leademail personemail useremail email1 email1value emailaddress1 emails "
    "secondaryemail emailsecondary additionalemailaddresses additionalemails alternateemail "
    "otheremail email2 email2value emailaddress2 email3 tertiaryemail personalemail privateemail "
    "homeemail",
    "first_name": "firstname first givenname forename fname contactfirstname personfirstname "
    "vorname prenom",
    "last_name": "lastname last surname familyname lname contactlastname personlastname nachname",
    "full_name": "fullname name contactname contact personname leadname displayname person "
    "prospectname",
    "title": "title jobtitle position role jobrole currenttitle persontitle contacttitle "
    "currentjobtitle designation headline",
    "company": "companynameforemails companyname company accountname account organization "
    "organisation organizationname organisationname employer currentcompany associatedcompany "
    "primaryassociatedcompany business businessname firm",
    "domain": "companydomain companydomainname domain domainname websitedomain emaildomain "
    "primarydomain",
    "website": "companywebsite website websiteurl companyurl companywebsiteurl url web homepage "
    "companyhomepage site corporatewebsite",
    "phone": "workdirectphone directphone workphone businessphone phone phonenumber mobilephone "
    "mobilephonenumber mobile cell cellphone telephone tel phone1 contactphone corporatephone "
    "companyphone otherphone homephone",
    "linkedin": "personlinkedinurl personlinkedin linkedinprofile linkedinprofileurl linkedinurl "
    "linkedin linkedinlink linkedincontactprofileurl linkedinbio hslinkedinurl",
    "company_linkedin": "companylinkedinurl companylinkedin companylinkedinprofile "
    "linkedincompanypage companylinkedinpage linkedincompanyurl",
    "country": "country countryregion countryregioncode countrycode personcountry contactcountry "
    "mailingcountry companycountry billingcountry hqcountry",
    "state": "state stateregion stateprovince province region personstate mailingstate "
    "mailingstateprovince statecode companystate billingstate",
    "city": "city town personcity mailingcity companycity billingcity",
    "timezone": "timezone tz iptimezone hstimezone contacttimezone",
    "industry": "industry companyindustry industries sector primaryindustry vertical",
    "employees": "employees employeecount numberofemployees numemployees noofemployees "
    "companysize headcount companyheadcount employeesrange employeerange size companyemployees "
    "numberofemployeesrange staffcount estimatednumemployees totalemployees companyemployeecount",
    "technologies": "technologies techstack technology webtechnologies companytechnologies "
    "technologiesused tools techstacknames",
    "opt_out": "unsubscribedfromallemail unsubscribed unsubscribe optedoutofemail emailoptout "
    "emailoptedout hasoptedoutofemail optout optedout optedoutofallemail globalunsubscribe "
    "globaloptout marketingoptout emailunsubscribed portalunsubscribe portalspamreport "
    "spamcomplaint spamreport gdprobjection objectedtoprocessing removedfromlist optoutdate "
    "unsubscribedate unsubscribedat dateunsubscribed",
    "do_not_contact": "donotcontact dnc dnd donotemail donotemailme dontcontact nocontact "
    "donotmail emaildnd dndemail suppressed suppression blacklisted blocklisted blacklist "
    "blocklist excluded donotcontactreason",
    "subscribed": "subscribed subscriptionstatus emailsubscriptionstatus acceptsmarketing "
    "acceptsemailmarketing emailmarketingconsent emailpermissionstatus emailpermission",
    "status": "leadstatus status contactstatus stage contactstage emailstatus emailverification "
    "emailverificationstatus membershipstatus memberstatus prospectstatus",
    "bounced": "emailhardbouncereason hardbouncereason emailhardbouncedreason emailbouncedreason "
    "emailbounced bounced hardbounce hardbounced bouncereason emailbounceddate emailbouncedate "
    "portalbounce globalbounce bouncestatus isemailbounced",
    "last_contacted": "lastcontacted lastcontact lastcontactdate lastcontacteddate lastcontactedat "
    "lastcontactedon lastactivity lastactivitydate lasttouch lasttouchdate lastemailed "
    "lastemailsent lastemailsentdate lastemaildate lastoutreach lastoutreachdate lasttouchpoint",
    "customer": "lifecyclestage lifecycle customer iscustomer existingcustomer currentcustomer "
    "customerstatus client isclient contacttype accounttype companytype type relationship "
    "recordtype",
    "customer_since": "becameacustomerdate becamecustomerdate customersince customerdate "
    "clientsince",
    "tags": "tags tag labels label lists list segments contacttags keywordsandtags groups",
    "consent": "consent gdprconsent emailconsent marketingconsent consentstatus consenttype "
    "consentgiven legalbasis legalbasisforprocessingcontactsdata "
    "legalbasisforprocessingcontactdata legalbasisforprocessing gdprlegalbasis lawfulbasis "
    "gdprlawfulbasis caslconsent caslstatus optin emailoptin optedin marketingoptin",
    "consent_date": "consentdate consentrecordedat consentgivenat consenttimestamp dateofconsent "
    "gdprconsentdate optindate optintime optintimestamp consentgivendate caslconsentdate",
    "consent_expiry": "consentexpiry consentexpires consentexpirydate consentexpiresat "
    "consentexpirationdate consentvaliduntil caslexpiry caslconsentexpiry caslexpirydate",
    "consent_source": "consentsource sourceofconsent consentmethod optinsource optinip",
}
_PREFIXES = {
    "optedoutofemail": "opt_out",  # HubSpot: one column per subscription type
    "legalbasisforprocessing": "consent",
}
_STYLES = (
    (
        "hubspot",
        {
            "unsubscribedfromallemail",
            "lifecyclestage",
            "associatedcompany",
            "contactowner",
            "emailhardbouncereason",
            "recordid",
            "countryregion",
        },
    ),
    (
        "apollo",
        {
            "companynameforemails",
            "personlinkedinurl",
            "workdirectphone",
            "corporatephone",
            "seodescription",
            "apollocontactid",
            "primaryemailsource",
        },
    ),
    (
        "clay",
        {
            "companydomain",
            "linkedinprofile",
            "findworkemail",
            "companytabledata",
            "enrichperson",
            "enrichcompany",
            "workemail",
        },
    ),
    (
        "salesforce",
        {
            "hasoptedoutofemail",
            "emailoptout",
            "leadsource",
            "accountname",
            "leadid",
            "numberofemployees",
            "stateprovince",
            "emailbouncedreason",
        },
    ),
)
PERMISSION_FIELDS = ("opt_out", "do_not_contact", "subscribed", "status", "bounced")
_ALIASES: dict[str, tuple[str, int]] = {
    name: (field, rank)
    for field, names in _NAMES.items()
    for rank, name in enumerate(names.split())
}


@dataclass(frozen=True)
class Columns:
    """Where each field stands: field to (column index, header as written), best first."""

    headers: tuple[str, ...]
    fields: Mapping[str, tuple[int, ...]]
    style: str

    @property
    def width(self) -> int:
        """Cells of a complete row."""
        return len(self.headers)

    @property
    def usable(self) -> bool:
        """Whether a person can be identified at all."""
        return "email" in self.fields or "linkedin" in self.fields

    def header(self, field: str) -> str | None:
        """The preferred column's header for a field, as written in the file."""
        columns = self.fields.get(field)
        return self.headers[columns[0]] if columns else None

    def recognised(self) -> dict[str, str]:
        """Field to header(s), for the page."""
        return {
            field: " | ".join(dict.fromkeys(self.headers[index] for index in columns))
            for field, columns in self.fields.items()
        }

    def ignored(self) -> tuple[str, ...]:
        """Headers that were not recognised; an empty one is shown by its place."""
        used = {index for columns in self.fields.values() for index in columns}
        return tuple(
            header or f"(column {index + 1})"
            for index, header in enumerate(self.headers)
            if index not in used
        )

    def last_permission_column(self) -> int:
        """Index of the last column that may forbid contact; -1 when there is none."""
        return max(
            (index for field in PERMISSION_FIELDS for index in self.fields.get(field, ())),
            default=-1,
        )


def map_columns(cells: Sequence[str]) -> Columns:
    """The column map of a header row. Unknown and duplicate headers are fine."""
    headers = tuple(_shown(cell) for cell in cells)
    ranked: dict[str, list[tuple[int, int]]] = {}
    for index, header in enumerate(headers):
        if (meaning := _meaning(header)) is not None:
            field, rank = meaning
            ranked.setdefault(field, []).append((rank, index))
    fields = {field: tuple(index for _, index in sorted(found)) for field, found in ranked.items()}
    return Columns(headers, fields, _style(headers))


def header_key(header: str) -> str:
    """A header by its letters and digits: `Company Name (Legal)` and `company_name` compare."""
    plain = unicodedata.normalize("NFKD", header).casefold()
    return "".join(char for char in plain if char.isalnum())


def _meaning(header: str) -> tuple[str, int] | None:
    without_unit = re.sub(r"[(\[].*?[)\]]", " ", header)
    for key in (header_key(header), header_key(without_unit)):
        if key in _ALIASES:
            return _ALIASES[key]
        for prefix, field in _PREFIXES.items():
            if key.startswith(prefix):
                return field, len(_NAMES[field])
    return None


def _style(headers: Sequence[str]) -> str:
    keys = {header_key(header) for header in headers}
    scores = [(len(keys & marks), name) for name, marks in _STYLES]
    best, name = max(scores, key=lambda scored: scored[0])
    return name if best >= 2 else "plain"


def _shown(cell: str) -> str:
    printable = "".join(char for char in cell if char.isprintable() or char == " ")
    return " ".join(printable.split())[:200]
