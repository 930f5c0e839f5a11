"""The captain's voice: an old sailor spins the same yarn for the crew. Something of the sea is in every sentence.

Templates are written in plain spelling where they can be; `polish` turns every sentence into the captain's speech.
"""

import re

PARTS = (
    (
        "Gather round, mates, and I'll tell you of {hero}, a {trait} {trade} out of {place}, aye.",
        "Belay that noise, lads, for in the port of {place} there was a {trait} {trade} by the name of {hero}.",
        "Arr, I knew a {trade} once in {place}, {hero} they called {her}, and a {trait} old salt {she} was.",
    ),
    (
        "Watch after watch {she} {work}, mates, by thunder.",
        "From bell to bell {she} {work}, mates, and never a grumble.",
        "Aye, {she} {work}, steady as the tide.",
        "",
    ),
    (
        "One {weather} morning, shiver me timbers, {sky}.",
        "'Twas a {weather} day to make a gull weep, lads, and {sky}.",
        "Then blew in a {weather} dawn, aye, and {sky}.",
    ),
    (
        "Now {hero} had set {hers} compass to {want}, mates, for {reason}.",
        "\"Blow me down, I'll {want},\" says {hero}, for {reason}, aye.",
        "By the salt of the sea, {she} swore to {want}, because {reason}.",
    ),
    (
        "\"Ye'll sink like a stone,\" says the crew of {place}, but {she} laughed, arr.",
        "Nary a deckhand in {place} would sail along, the lubbers.",
        "\"Fair winds to you,\" cries all of {place} from the quay.",
        "",
        "",
    ),
    (
        "So {she} stowed {food} in the hold and weighed anchor for {spot}, mates.",
        "With {food} in the galley {hero} hoisted sail for {spot}, aye.",
        "Arr, {she} took {food} aboard and steered a course for {spot}.",
    ),
    (
        "But hark, lads, foul weather ahead: {obstacle}!",
        "Then, by thunder, {obstacle}, and no chart told of it.",
        "Half a league out, mates, {obstacle}, blast it.",
    ),
    (
        "{hero} tried to {attempt}, aye, but {failure}.",
        "All hands to it, {she} tried to {attempt}, but {failure}, curse the luck.",
        "\"Heave ho,\" says {she}, and tried to {attempt}, but {failure}, mates.",
    ),
    (
        "So {she} dropped anchor on {seat}, {sorrow} as a ship without wind, aye.",
        "Down {she} went on {seat}, mates, and felt {sorrow}, aye.",
        "Becalmed on {seat} sat poor {hero}, lads, and {she} felt {sorrow}.",
    ),
    (
        "Then, ship ahoy, {a_helper} {arrival}.",
        "But what does I see to starboard, mates: {a_helper} {arrival}!",
        "And, sink me, {a_helper} {arrival}.",
    ),
    (
        "\"Ahoy, matey, why so {sorrow}?\" says the {helper}. \"Arr, {complaint},\" says {hero}.",
        "\"What ails you, sailor?\" says the {helper}. \"I be run aground, {complaint},\" says {she}, aye.",
        "\"Avast, what be the trouble?\" says the {helper}. \"Blast my eyes, {complaint},\" says {hero}.",
    ),
    (
        "\"Then take {a_gift} from my sea chest,\" says the {helper}, \"for {saying}, matey.\"",
        "\"Aye, I have {a_gift} aboard,\" says the {helper}, \"and {saying}, arr.\"",
        "\"Catch my {gift}, sailor,\" says the {helper}, \"and mark me, {saying}.\"",
    ),
    (
        "So, anchors aweigh, {solution}.",
        "And by the beard of the sea king, {solution}, mates.",
        "Quick as a flying fish, lads, {solution}.",
    ),
    (
        "Land ho, at {spot} {found}, aye!",
        "And when {she} made port at {spot}, mates, {found}.",
        "Arr, three cheers, for at {spot} {found}!",
    ),
    (
        "Blow me down, mates, how {joy} {hero} was.",
        "\"Yo ho!\" cries {hero}, {joy} as a gull, and {clearing}.",
        "Aye, {joy} {she} was, and {clearing}, lads.",
    ),
    (
        "{she} shared {food} with the {helper} and a mug of grog besides, arr.",
        "\"I'd sail with you to the end of the sea,\" says {hero} to the {helper}, aye.",
        "And {she} saluted the {helper}, mates, for a sailor never forgets a shipmate.",
    ),
    (
        "In the port of {place} they fired the cannon and danced on the deck, aye.",
        "Back in {place} every bell was rung, mates, and the grog ran like the tide.",
        "Arr, home in {place} {she} slept in {hers} hammock like a whale.",
    ),
    (
        "And from that day {hero} and the {helper} sailed as shipmates, by thunder.",
        "So mark the words of an old captain, lads: {saying}, aye.",
        "And that be the yarn of {thing}, mates, as true as the tide.",
    ),
)

# Whole words as the captain says them.
WORDS = {
    "the": "th'", "and": "an'", "of": "o'", "you": "ye", "your": "yer", "my": "me", "was": "were", "is": "be",
    "are": "be",
    "for": "fer", "over": "o'er", "never": "ne'er", "old": "ol'", "them": "'em", "before": "afore", "with": "wi'",
    "without": "wi'out", "myself": "meself", "because": "'cause", "around": "'round", "isn't": "ain't",
}
WORD = re.compile(r"[A-Za-z']+")
# Nouns and verbs that end in -ing by themselves.
WHOLE = {"king", "ring", "thing", "bring", "spring", "string", "swing", "wing"}


def spoken(match):
    """A word in the captain's spelling, with its capital."""
    word = match[0]
    lower = word.lower()
    if lower in WORDS:
        result = WORDS[lower]
    elif lower.endswith("ing") and lower not in WHOLE:
        result = lower[:-1] + "'"
    else:
        return word
    if word[0].isupper():
        first = next(index for index, letter in enumerate(result) if letter.isalpha())
        result = result[:first] + result[first].upper() + result[first + 1:]
    return result


def polish(text):
    """Every word of a sentence in the captain's spelling."""
    return WORD.sub(spoken, text)
