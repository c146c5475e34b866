"""Words from which the sandbox invents companies and people. Owns: word lists, no behaviour.

All of it is invented; nothing here names a real company or person.
"""

from __future__ import annotations

from servers.sandbox.nouns import Place

_US = "United States"
US_PLACES = (
    Place("US", _US, "New York", "New York", "America/New_York"),
    Place("US", _US, "Massachusetts", "Boston", "America/New_York"),
    Place("US", _US, "Georgia", "Atlanta", "America/New_York"),
    Place("US", _US, "Ohio", "Columbus", "America/New_York"),
    Place("US", _US, "Florida", "Tampa", "America/New_York"),
    Place("US", _US, "Illinois", "Chicago", "America/Chicago"),
    Place("US", _US, "Texas", "Austin", "America/Chicago"),
    Place("US", _US, "Minnesota", "Minneapolis", "America/Chicago"),
    Place("US", _US, "Colorado", "Denver", "America/Denver"),
    Place("US", _US, "Utah", "Salt Lake City", "America/Denver"),
    Place("US", _US, "California", "San Diego", "America/Los_Angeles"),
    Place("US", _US, "Washington", "Seattle", "America/Los_Angeles"),
)
GB_PLACES = (
    Place("GB", "United Kingdom", "England", "London", "Europe/London"),
    Place("GB", "United Kingdom", "England", "Manchester", "Europe/London"),
    Place("GB", "United Kingdom", "Scotland", "Edinburgh", "Europe/London"),
)
OTHER_PLACES = (
    Place("IE", "Ireland", "Leinster", "Dublin", "Europe/Dublin"),
    Place("SG", "Singapore", "Singapore", "Singapore", "Asia/Singapore"),
    Place("AU", "Australia", "New South Wales", "Sydney", "Australia/Sydney"),
    Place("NZ", "New Zealand", "Auckland", "Auckland", "Pacific/Auckland"),
    Place("JP", "Japan", "Tokyo", "Tokyo", "Asia/Tokyo"),
    Place("FR", "France", "Île-de-France", "Paris", "Europe/Paris"),
    Place("IN", "India", "Karnataka", "Bengaluru", "Asia/Kolkata"),
)
# Consent is asked for before the first e-mail here: blocked without it.
CONSENT_PLACES = (
    Place("DE", "Germany", "Bavaria", "Munich", "Europe/Berlin"),
    Place("NL", "Netherlands", "North Holland", "Amsterdam", "Europe/Amsterdam"),
    Place("CA", "Canada", "Ontario", "Toronto", "America/Toronto"),
)

# Industry as the vendors' data name it, how often it occurs, and what its companies call
# themselves.
INDUSTRIES: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("Marketing Agency", 14, ("Creative", "Studio", "Media")),
    ("Staffing and Recruiting", 10, ("Talent", "Staffing")),
    ("Management Consulting", 12, ("Advisory", "Partners", "Consulting")),
    ("Law Practice", 8, ("Law", "Legal")),
    ("Accounting", 8, ("Accounting", "Ledger")),
    ("Real Estate", 8, ("Realty", "Properties")),
    ("E-commerce", 10, ("Commerce", "Outfitters", "Goods")),
    ("SaaS", 8, ("Software", "Cloud", "Labs")),
    ("IT Services", 5, ("Systems", "Networks")),
    ("Healthcare", 4, ("Health", "Clinics")),
    ("Financial Services", 4, ("Capital", "Finance")),
    ("Manufacturing", 4, ("Works", "Fabrication")),
    ("Logistics", 2, ("Freight", "Logistics")),
    ("Construction", 2, ("Builders", "Construction")),
    ("Hospitality", 1, ("Hotels", "Kitchens")),
)

NAME_WORDS = (
    "Alder", "Amberlight", "Anchorage Hill", "Ashgrove", "Bayfern", "Bellwether", "Birchline",
    "Bluefen", "Bramble", "Bridgemoor", "Brightwater", "Calder", "Candlewick", "Castleford Row",
    "Cedarbrook", "Clearmont", "Cloverdell", "Coppergate", "Cranebrook", "Dovetail", "Driftwood",
    "Eastmere", "Elmhollow", "Emberly", "Fairhaven", "Fernbank", "Fieldstone", "Foxglove",
    "Glenrock", "Goldcrest", "Granite Arch", "Greenmantle", "Harborlight", "Hartwell Row",
    "Hazelwood", "Highmere", "Hollybrook", "Ironbark", "Ivyhouse", "Juniper", "Kestrel",
    "Kingsmere", "Lakeshore", "Larkspur", "Lindenhall", "Longmeadow", "Maplecrest", "Marigold",
    "Millrace", "Moorland", "Nettlefield", "Northgate", "Oakhollow", "Orchard", "Palisade",
    "Pebblebrook", "Pinecrest", "Quarry Lane", "Quillon", "Redfern", "Ridgeline", "Riverstone",
    "Rosewater", "Saltmarsh", "Sandpiper", "Silverbirch", "Starling", "Stonebridge",
    "Summerfield", "Swiftwater", "Thistle", "Thornbury", "Tidewater", "Timberline", "Truewind",
    "Upland", "Vantage Moor", "Waterford Row", "Westbrook", "Whitecap", "Willowmere", "Windrush",
    "Winterbourne", "Wrenfield", "Yarrow", "Yewtree",
)  # fmt: skip

FIRST_NAMES = (
    "Ada", "Amir", "Ana", "Ben", "Carla", "Chen", "Clara", "Daniel", "Deepa", "Diego", "Elena",
    "Emeka", "Erin", "Farah", "Felix", "Grace", "Hana", "Hugo", "Imani", "Ines", "Ivan", "Jada",
    "James", "Jun", "Kara", "Kofi", "Lena", "Liam", "Lucia", "Maya", "Mei", "Mina", "Nadia",
    "Noah", "Olga", "Omar", "Paula", "Priya", "Quinn", "Rafael", "Rosa", "Ruth", "Samir", "Sofia",
    "Tara", "Theo", "Uma", "Victor", "Wendy", "Yara", "Yusuf", "Zoe", "Renée", "Søren", "Łukasz",
    "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abara", "Albrecht", "Barlow", "Bianchi", "Calloway", "Castillo", "Chandra", "Dalca",
    "Delgado", "Egan", "Eriksen", "Falk", "Farrow", "Galvin", "Greer", "Haddad", "Hollis",
    "Ibarra", "Ito", "Jansen", "Kaplan", "Keane", "Kovacs", "Lindgren", "Lowell", "Marchetti",
    "Mbeki", "Mercer", "Nakagawa", "Novak", "O'Dell", "Okafor", "Okonkwo", "Ortega", "Park",
    "Petrov", "Quist", "Rahman", "Reyes", "Rowe", "Sato", "Sandoval", "Shah", "Silva",
    "Stone-Hale", "Tanaka", "Tran", "Ueda", "Varga", "Vaughn", "Wainwright", "Weaver", "Xu",
    "Yilmaz", "Zeller", "Núñez", "Čapek", "Müller",
)  # fmt: skip

TITLES: tuple[tuple[str, int], ...] = (
    ("Founder & CEO", 16), ("Chief Executive Officer", 10), ("Managing Partner", 10),
    ("Chief Operating Officer", 8), ("Chief Marketing Officer", 5), ("Chief Technology Officer", 5),
    ("VP of Sales", 9), ("VP of Operations", 8), ("VP of Marketing", 6),
    ("Director of Operations", 8), ("Director of Sales", 5), ("Head of Growth", 4),
    ("Operations Manager", 4), ("Account Executive", 2),
)  # fmt: skip

TECHNOLOGIES = (
    "Salesforce", "HubSpot", "Pipedrive", "Zoho CRM", "Outreach", "Salesloft", "Apollo", "Gong",
    "Marketo", "Mailchimp", "Klaviyo", "ActiveCampaign", "Slack", "Snowflake", "Zapier", "Asana",
)  # fmt: skip
OPEN_ROLES = (
    "Head of Automation", "AI Program Manager", "Revenue Operations Analyst", "Operations Manager",
    "Data Engineer", "Sales Development Representative", "Customer Success Manager",
    "Process Improvement Lead",
)  # fmt: skip
AI_INITIATIVES = (
    "Announced a company-wide AI training programme",
    "Piloting an assistant for its customer support team",
    "Set up an internal working group on automation",
)
FUNDING_ROUNDS = ("Seed", "Series A", "Series B", "Growth equity")

PUBLISHERS = (
    ("Daily Ledger", "dailyledger.example"),
    ("Trade Courier", "tradecourier.example"),
    ("Harbor Business Journal", "harborbusiness.example"),
    ("The Regional Post", "regionalpost.example"),
    ("Industry Signal", "industrysignal.example"),
)
HEADLINES = (
    "{company} opens a second office in {city}",
    "{company} appoints a new chief operating officer",
    "{company} wins regional award for customer service",
    "{company} announces plan to automate its back office",
    "{company} expands its {city} team by a third",
    "{company} signs three-year partnership with a national client",
)
