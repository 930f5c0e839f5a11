"""The plain voice: somebody tells what happened, in simple sentences. A list of templates for each part of a story."""

PARTS = (
    (
        "{hero} was a {trait} {trade} in {place}.",
        "In {place} there lived a {trait} {trade} named {hero}.",
        "A {trade} called {hero} lived in {place}, and everyone knew how {trait} {she} was.",
        "Once there was a {trade} in {place} whose name was {hero}, and {she} was [very|rather|always] {trait}.",
    ),
    (
        "Every day {she} {work}.",
        "{she} {work} from morning until evening.",
        "{she} {work}, and {she} liked it.",
        "",
    ),
    (
        "One {weather} morning {sky}.",
        "It was a {weather} day, and {sky}.",
        "Then came a {weather} [Monday|Tuesday|Friday], and {sky}.",
    ),
    (
        "{hero} wanted to {want}, because {reason}.",
        "That day {she} made up {hers} mind to {want}, for {reason}.",
        "\"I want to {want},\" {hero} [said|told the neighbors], because {reason}.",
        "There was only one thing on {hers} mind: to {want}. You see, {reason}.",
    ),
    (
        "\"Don't stay too long,\" said the [neighbors|people of {place}|children].",
        "\"You'll never make it,\" the [neighbors|people of {place}] said, but {she} only smiled.",
        "Nobody else dared to go.",
        "",
        "",
    ),
    (
        "So {she} packed {food} and walked to {spot}.",
        "So {hero} put {food} in a basket and set out for {spot}.",
        "{she} took {food} along and went down the road to {spot}.",
        "With {food} in {hers} pocket {she} started for {spot}.",
    ),
    (
        "But [halfway there|after an hour|behind the last house|near the old oak] {obstacle}.",
        "Everything went well until {she} saw that {obstacle}.",
        "Soon there was trouble: {obstacle}.",
    ),
    (
        "{hero} tried to {attempt}, but {failure}.",
        "{she} wanted to {attempt}, but {failure}.",
        "First {she} tried to {attempt}, and {failure}. [Then {she} tried again, and it was no better.|It was no use.]",
    ),
    (
        "{she} sat down on {seat} and felt {sorrow}.",
        "{hero} felt {sorrow} and sat down on {seat}.",
        "{hero} sank down on {seat}. {she} had never felt so {sorrow}.",
    ),
    (
        "Just then {a_helper} {arrival}.",
        "After a while {a_helper} {arrival}.",
        "Then something moved, and {a_helper} {arrival}.",
    ),
    (
        "\"Why are you so {sorrow}?\" asked the {helper}. \"Because {complaint},\" said {hero}.",
        "\"What's the matter?\" asked the {helper}. \"I can't go on, {complaint},\" {she} answered.",
        "\"Good day,\" said the {helper}. \"It isn't a good day at all,\" said {hero}, \"because {complaint}.\"",
        "The {helper} asked what was wrong. \"I'd like to reach {spot},\" said {hero}, \"but {complaint}.\"",
    ),
    (
        "\"I have {a_gift},\" said the {helper}. \"It's yours, for {saying}.\"",
        "\"Take my {gift},\" the {helper} said. \"You know, {saying}.\"",
        "The {helper} thought for a moment and brought {a_gift}. \"Remember,\" the {helper} said, \"{saying}.\"",
        "\"Then you need {a_gift}, and here it is,\" said the {helper}, \"because {saying}.\"",
    ),
    (
        "{solution}.",
        "So {solution}.",
        "{she} did not wait. {solution}.",
    ),
    (
        "And at {spot} {found}!",
        "When {she} came to {spot}, {found}.",
        "Soon {she} reached {spot}, and there {found}.",
    ),
    (
        "{hero} was {joy}.",
        "How {joy} {she} was!",
        "\"[At last|Look at that|I don't believe it]!\" cried {hero}, and {she} felt {joy}.",
        "{she} laughed out loud, and {clearing}.",
        "Just then {clearing}.",
    ),
    (
        "On the way home {she} gave the {helper} {food} and said thank you.",
        "\"Thank you, dear {helper},\" {she} said, and they ate {food} together.",
        "{she} thanked the {helper} [three times|with all {hers} heart] and shared {food}.",
        "Then {she} ran back to the {helper} to [say thank you|tell everything|shake hands].",
    ),
    (
        "In {place} there was [music|dancing|soup for everyone] until late that night.",
        "That evening all of {place} wanted to hear the story.",
        "When {hero} came home to {place}, the [bells rang|people clapped|lamps were lit].",
        "At home in {place} {she} slept [deep and well|like a stone|until noon].",
    ),
    (
        "From that day on {hero} and the {helper} were friends.",
        "And whenever somebody felt {sorrow}, {hero} said: \"Don't worry, {saying}.\"",
        "The {helper} came to visit every [Sunday|spring|winter].",
        "Ever since, people in {place} say that {saying}.",
        "And nobody ever forgot {thing}.",
    ),
)


def polish(text):
    """The templates are already in this voice."""
    return text
