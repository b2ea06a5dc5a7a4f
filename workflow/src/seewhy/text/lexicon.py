"""Words of descriptions of birds: corrections to the tagger, synonyms, and words that say nothing.

Only the default preset looks here; the paper's takes the tagger at its word. Every table can be
given anew (`seewhy.text.chunking.Rules`), for descriptions of something else.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Adjectives whatever the tagger thinks: half of them it takes for nouns ("an olive rump").
COLOURS = _words(
    """
    amber aqua auburn azure beige black blackish blue blueish bluish brown brownish buff
    burgundy charcoal chestnut cinnamon copper coral cream creamy crimson emerald gold golden
    gray grayish green greenish grey greyish indigo ivory lavender magenta maroon mustard navy
    olive orange orangish peach pink pinkish purple purplish red reddish redish rose rufous
    russet rust rusty scarlet silver silvery tan taupe teal turquoise violet white whitish
    yellow yellowish
    """
)

# Before a colour they shade it: "light brown wings" are not light, and not quite brown.
SHADES = _words(
    """
    bright brilliant burnt dark darker deep dull dusty faint light lighter pale pure rich royal
    vibrant vivid
    """
)

# Nouns whatever the tagger thinks ("its back" is an adverb to it, "a covert" an adjective).
PARTS = _words(
    """
    abdomen auricular back beak belly bill body breast cap cheek cheekpatch chest chin coat
    covert crest crown eye eyebrow eyelid eyering face feather feathering flank foot forehead
    head hindneck jaw leg lore malar mandible mantle mouth nape neck nostril plumage primary
    rectrix remex ring rump secondary shoulder side spot stomach streak stripe superciliary
    supercilium tail talon tarsus tertial thigh throat tip toe tuft tummy underbelly underpart
    underside undertail upperpart vent wing wingbar wingspan
    """
)

# Participles and other words that describe, which the taggers read as verbs.
ADJECTIVES = _words(
    """
    banded barred bent blunt curved dotted downturned elongated feathered flattened flecked
    fluffed forked hooked iridescent medium mottled patterned pointed puffed round rounded
    ruffled scaled scruffy slanted speckled spiked spotted spotty squared streaked striped
    stubby tapered tufted upturned webbed
    """
)

# "white breasted bird" says "white breast" of the bird.
PARTS_AS_ADJECTIVES = {
    "backed": "back",
    "beaked": "beak",
    "bellied": "belly",
    "billed": "bill",
    "breasted": "breast",
    "chested": "chest",
    "crested": "crest",
    "crowned": "crown",
    "eyed": "eyes",
    "faced": "face",
    "feathered": "feathers",
    "footed": "feet",
    "headed": "head",
    "legged": "legs",
    "necked": "neck",
    "rumped": "rump",
    "tailed": "tail",
    "throated": "throat",
    "winged": "wings",
}

# "medium sized bird": the word before does the describing, this one adds nothing.
EMPTY_PARTICIPLES = _words("colored coloured hued looking sized tinted toned")
# "cone shaped bill", "white tipped wings": one adjective of two words.
JOINED_PARTICIPLES = _words("capped edged fringed lined ringed rimmed shaped tipped")

# What `seewhy.text.chunking` asks of each word.
ALWAYS_ADJECTIVES = COLOURS | SHADES | ADJECTIVES
PARTICIPLES = EMPTY_PARTICIPLES | JOINED_PARTICIPLES
SPLIT_AT_HYPHENS = COLOURS | SHADES | EMPTY_PARTICIPLES | {"and", "multi", *PARTS_AS_ADJECTIVES}

# One spelling, one name. Not merged: near words that the eye can tell apart (speckled and spotted,
# tan and brown, crest and crown), and abdomen, which is the belly's lower end.
SYNONYMS_OF_NOUNS = {
    # The same thing; bill is the ornithologist's word.
    "beak": "bill",
    "chest": "breast",
    "feathering": "feather",
    "stomach": "belly",
    "tummy": "belly",
    "underbelly": "belly",
    "brow": "eyebrow",
    # One or two words.
    "cheekpatch": "cheek patch",
    "eye brow": "eyebrow",
    "eye-ring": "eye ring",
    "eyering": "eye ring",
    "eyepatch": "eye patch",
    "tailfeather": "tail feather",
    "wing bar": "wingbar",
    "wing-bar": "wingbar",
    "wing span": "wingspan",
    "wingtip": "wing tip",
    # Slips of the pen that five images share.
    "beck": "bill",
    "beek": "bill",
    "bellt": "belly",
    "bil": "bill",
    "check patch": "cheek patch",
    "feat": "foot",
    "molar stripe": "malar stripe",
    "rectice": "rectrix",
    "recticle": "rectrix",
    "rectrice": "rectrix",
    "rectricle": "rectrix",
    "retrice": "rectrix",
    "retricle": "rectrix",
    "retricy": "rectrix",
    "supercillary": "superciliary",
    "tarsal": "tarsus",
}
SYNONYMS_OF_ADJECTIVES = {
    "big": "large",
    "bigger": "large",  # a comparison without its other side only says "rather large"
    "colourful": "colorful",
    "darker": "dark",
    "gray": "grey",
    "grayish": "greyish",
    "larger": "large",
    "lighter": "light",
    "little": "small",
    "longer": "long",
    "multi": "multicolored",  # left of "multi colored"
    "pointy": "pointed",
    "redish": "reddish",
    "blueish": "bluish",
    "shorter": "short",
    "smaller": "small",
    "spotty": "spotted",
    "stripped": "striped",  # a slip of the pen, always
    "stripey": "striped",
    "stripy": "striped",
    "thicker": "thick",
    "thinner": "thin",
}

# Nouns that are no part of a bird and no thing: "grey color", "different shades".
EMPTY_NOUNS = _words(
    """
    accent addition amount appearance area bell bellow bit bottom color coloration coloring
    colour combination comparison contrast curve detail downwards end fade feature feed form
    half hint hue kind length look mark marking mix mixture number one outline pair part pattern
    point portion proportion rest section set shade shape size sort spectrum splash style tint
    tone top touch type variation variety way
    """
)
# Adjectives that say nothing that is to be seen, or whose other half is missing.
EMPTY_ADJECTIVES = _words(
    """
    additional alike almost amazing appropriate attractive available average back beautiful
    bellied bland bodied bottom breasted certain coastal common compact comparative complete
    cool crazy curious cute different distinct distinctive dorsal entire equal exotic extra few
    final first front full general gorgeous graceful great he his impressive inner interesting
    its last least less lovely lower magnificent main majestic major many matching mid middle
    mixed modest more most much multiple near neat next nice normal notable noticeable odd off
    only opposite other outer overall own particular peculiar powerful pretty primary prominent
    proportional proportionate quick real relative remaining same second secondary set several
    similar simple single slight solid special specific standard stark strange striking strong
    stunning such super the top total tropical turned twin typical ugly underlying unique
    unusual upper usual various ventral visible web weird which whole
    """
)

# The thing itself, of which one says "it is small", not "it has a small bird".
WHOLES = _words(
    """
    animal bird birdie creature crow duck fellow fowl gull guy hummingbird seabird seagull
    specimen waterbird waterfowl
    """
)
# Nouns without an article.
UNCOUNTABLE = _words("coloring down feathering fur plumage skin")
