"""A story as facts, drawn from the tables, and the expansion of templates over them."""

import re

import tables

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")


class Story:
    """Who wants what, what is in the way, who helps with which gift. The same facts can be told in any voice."""

    def __init__(self, random):
        self.random = random
        isWoman = random.random() < 0.5
        thing, want, reason, spot, found = random.choice(tables.QUESTS)
        obstacle, attempt, failure, complaint, remedies = random.choice(tables.OBSTACLES)
        gift = random.choice(sorted(remedies))
        a_helper, helper, arrival = random.choice(tables.HELPERS)
        trade, work = random.choice(tables.TRADES)
        weather, sky, clearing = random.choice(tables.WEATHERS)
        self.facts = dict(
            hero=random.choice(tables.WOMEN if isWoman else tables.MEN), she="she" if isWoman else "he",
            her="her" if isWoman else "him", hers="her" if isWoman else "his", place=random.choice(tables.PLACES),
            trait=random.choice(tables.TRAITS), trade=trade, work=work, weather=weather, sky=sky, clearing=clearing,
            thing=thing, want=want, reason=reason, spot=spot, found=found, obstacle=obstacle, attempt=attempt,
            failure=failure, complaint=complaint, gift=gift, a_gift=tables.GIFTS[gift], solution=remedies[gift],
            a_helper=a_helper, helper=helper, arrival=arrival, food=random.choice(tables.FOODS),
            seat=random.choice(tables.SEATS), sorrow=random.choice(tables.SORROWS), joy=random.choice(tables.JOYS),
            saying=random.choice(tables.SAYINGS))

    @property
    def title(self):
        """The first sentence, the same in every voice."""
        return "The tale of {hero} and {thing}.".format(**self.facts)

    def tell(self, voice):
        """The sentences after the title, in a voice: a list of lists of templates, one of each list is taken."""
        return " ".join(sentence for part in voice.PARTS if (sentence := self._expand(self.random.choice(part), voice)))

    def _expand(self, template, voice):
        text = template
        while SLOT.search(text) or CHOICE.search(text):
            text = CHOICE.sub(lambda match: self.random.choice(match[1].split("|")), text)
            text = SLOT.sub(lambda match: self.facts[match[1]], text)
        text = voice.polish(text)
        # A sentence begins with a capital, also one that is spoken.
        return re.sub(r'(^|[.!?] |^"|[.!?]" "|[.!?] ")([a-z])', lambda match: match[1] + match[2].upper(), text)
