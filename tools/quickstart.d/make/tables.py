"""What stories are made of: people, places, weather, wants, obstacles, gifts, helpers.

Phrases hold slots in braces, which `story.py` fills: {hero}, {she}, {her}, {hers} (her kite, his kite).
"""

WOMEN = (
    "Mira Anna Tilda Petra Wanda Selma Nora Ida Berta Clara Dora Edda Frida Gerda Hanna Jana Kira Lotte Marta Olga "
    "Rosa Thea Ulla Vera"
).split()
MEN = (
    "Tobin Anton Bruno Casper Damian Emil Fabian Gregor Hugo Ivo Jonas Karl Linus Magnus Niko Otto Pavel Quentin Rufus "
    "Simon Theo Ulrich Viktor Willem"
).split()

PLACES = (
    "Low Barrow", "Fernhill", "Stony Ford", "Alder Bay", "Mossgate", "Windy Corner", "Oldbridge", "Applewick",
    "Gull Harbor", "Hazel Dale", "Kettle Cross", "Lower Marsh", "Nettle Green", "Pinewater", "Robin Hollow",
    "Saltmouth",
    "Thistle End", "Upper Wold", "Willow Bend", "Yarrow Hill",
)

TRAITS = (
    "patient", "brave", "cheerful", "stubborn", "quiet", "curious", "clever", "gentle", "hasty", "dreamy", "careful",
    "merry", "shy", "honest", "restless", "kind",
)

# (trade, what is done all day)
TRADES = (
    ("baker", "baked round loaves"), ("miller", "ground the flour"), ("weaver", "wove striped cloth"),
    ("potter", "turned clay into cups"), ("smith", "hammered red iron"), ("fisher", "mended nets on the shore"),
    ("gardener", "watered the beans"), ("teacher", "taught children to count"), ("tailor", "sewed coats and caps"),
    ("carpenter", "planed boards for doors"), ("beekeeper", "looked after nine hives"), ("shoemaker",
     "nailed soles to boots"),
    ("painter", "painted signs for shops"), ("cook", "stirred soup in a black pot"), ("glassblower",
     "blew bottles and bowls"),
    ("clockmaker", "oiled tiny wheels"), ("farmer", "dug potatoes"), ("candlemaker", "dipped candles in wax"),
)

# (adjective, what the sky does, what it does in the end)
WEATHERS = (
    ("foggy", "the fog lay thick on the roofs", "the fog lifted like a curtain"),
    ("rainy", "rain ran down every window", "the rain stopped at last"),
    ("windy", "the wind shook the shutters", "the wind fell asleep in the trees"),
    ("snowy", "snow covered the fences", "the snow began to sparkle"),
    ("sunny", "the sun warmed the stones", "the sun turned red and large"),
    ("frosty", "frost drew flowers on the glass", "the frost melted drop by drop"),
    ("stormy", "thunder rolled behind the hills", "the thunder moved far away"),
    ("cloudy", "grey clouds hung low", "the clouds broke open"),
    ("misty", "mist crept over the meadow", "the mist drifted off"),
    ("hot", "the air stood still over the fields", "a cool breeze came up"),
)

# (thing, what the hero wants, why, where, how it is reached)
QUESTS = (
    ("the lost kite", "find the kite that {hers} little brother had lost", "the boy had not smiled since",
     "the old orchard", "the kite hung in a pear tree and was not even torn"),
    ("the silver bell", "bring back the silver bell of the chapel", "nobody knew the hour any more", "the ruined tower",
     "the silver bell lay under dry leaves"),
    ("the blue seeds", "fetch a bag of blue seeds", "the gardens had been bare since winter", "the far meadow",
     "the blue seeds lay in an empty nest"),
    ("the missing fiddle", "find the missing fiddle", "there could be no dance without it", "the birch wood",
     "the fiddle leaned against a white birch"),
    ("the white goat", "bring home the white goat of a neighbor", "the neighbor had no milk for the baby",
     "the stony pass", "the white goat stood there and chewed a thistle"),
    ("the harbor lamp", "find new glass for the harbor lamp", "the boats could not see the rocks", "the glass cave",
     "a round piece of glass shone in the sand"),
    ("the warm bread", "bring warm bread to {hers} grandmother", "the old woman had been ill all week",
     "the house behind the hill", "grandmother sat at the window and waved"),
    ("the golden button", "find the golden button of the mayor", "the mayor would not leave the house without it",
     "the duck pond", "the golden button glittered between two ducks"),
    ("the little wheel", "find the little wheel that the town clock had lost", "the clock had stopped at noon",
     "the windmill", "the little wheel lay on the lowest step"),
    ("the lost letter", "find the letter that the wind had carried off", "it came from a sister far away",
     "the heather moor", "the letter was caught in a bush"),
    ("the red berries", "pick red berries for a sick friend", "nothing else would cure the cough", "the north slope",
     "the red berries grew in a thick row"),
    ("the green boat", "find the green boat that had slipped away", "the ferry could not run without it",
     "the reed lake", "the green boat rocked in the reeds"),
    ("the black sheep", "bring back the black sheep", "its lamb cried day and night", "the high pasture",
     "the black sheep looked up and bleated"),
    ("the moon flower", "see the moon flower open", "it opened only once in ten years", "the quiet valley",
     "the moon flower spread its white leaves"),
    ("the singing stone", "hear the singing stone", "its song was said to heal a heavy heart", "the beech grove",
     "the singing stone hummed a soft old tune"),
    ("the wishing well", "fill a bucket at the wishing well", "the village spring had run dry", "the hidden garden",
     "the wishing well was full to the brim"),
    ("the paper boat", "find the paper boat of the smallest child", "a secret was written inside", "the mill stream",
     "the paper boat had landed on a lily leaf"),
    ("the lost puppy", "find the puppy that had run away", "the children could not sleep", "the empty barn",
     "the puppy jumped up and licked {hers} hands"),
    ("the copper kettle", "buy back the copper kettle", "it had been sold by mistake", "the market town",
     "the copper kettle stood on the last table"),
    ("the wooden horse", "find the wooden horse from the fair", "the fair was to open in two days", "the sand hills",
     "the wooden horse looked out of the sand"),
    ("the wedding ring", "find the wedding ring of {hers} aunt", "the wedding was on Sunday", "the plum garden",
     "the wedding ring hung on a thin twig"),
    ("the yellow umbrella", "return a yellow umbrella to its owner", "the owner was very old and caught cold easily",
     "the cottage by the ferns", "the owner opened the door and laughed with joy"),
    ("the first snowdrop", "find the first snowdrop", "the village bet on it each year", "the sunny bank",
     "the first snowdrop nodded beside a root"),
    ("the apple cake", "carry an apple cake to the school", "forty children were waiting for it",
     "the school on the cliff", "the children ran out and cheered"),
)

# gift: how it is named with an article
GIFTS = {
    "rope": "a long rope", "boat": "a tiny boat", "plank": "a strong plank", "lamp": "a bright lamp",
    "candle": "a fat candle",
    "key": "a rusty key", "ladder": "a light ladder", "crumbs": "a bag of crumbs", "flute": "a bone flute",
    "map": "an old map",
    "compass": "a brass compass", "shears": "a pair of shears", "gloves": "a pair of leather gloves",
    "honey": "a pot of honey",
    "stilts": "a pair of stilts", "blanket": "a thick blanket", "tea": "a jug of hot tea", "pole": "an iron pole",
    "pony": "a strong pony", "whistle": "a tin whistle",
}

# (what is in the way, what the hero tries, how it fails, the same said in a few words, {gift: how it helps})
OBSTACLES = (
    ("the bridge had been washed away", "jump over the stream", "the water was far too wide", "the bridge is gone", {
        "rope": "{hero} tied the rope to a willow and swung over the water",
        "boat": "{hero} rowed over the water in the boat",
        "plank": "{hero} laid the plank over the stream and walked across"}),
    ("the road went through a black tunnel", "feel along the wall", "{she} bumped {hers} head",
     "the tunnel is too dark", {
        "lamp": "{hero} held up the lamp, and the tunnel was not black any more",
        "candle": "{hero} lit the candle and walked through without a stumble"}),
    ("a locked gate closed the road", "push the gate open", "it did not move an inch", "the gate is locked", {
        "key": "{hero} turned the key, and the gate swung open with a squeak",
        "ladder": "{hero} set the ladder up and climbed over the gate"}),
    ("an angry goose guarded the lane", "tiptoe past the goose", "it hissed and beat its wings",
     "the goose is so angry", {
        "crumbs": "{hero} threw the crumbs on the grass, and the goose ate and forgot to be angry",
        "flute": "{hero} played the flute until the goose closed its eyes"}),
    ("a high wall stood in the way", "climb the wall", "the stones were wet and smooth", "the wall is too high", {
        "ladder": "{hero} leaned the ladder on the wall and was over in a moment",
        "rope": "{hero} threw the rope over a branch and pulled {her}self up"}),
    ("the path split into five", "follow the first one", "it led in a circle", "there are too many paths", {
        "map": "{hero} unfolded the map and saw that the third path was right",
        "compass": "{hero} followed the needle of the compass along the third path"}),
    ("thorns had grown over the path", "crawl under the thorns", "they caught {hers} sleeves",
     "the thorns are so sharp", {
        "shears": "{hero} cut a door into the thorns with the shears",
        "gloves": "{hero} put on the gloves and bent the thorns aside"}),
    ("a bear slept across the path", "step over the bear", "it growled in its dream", "there is a bear on the path", {
        "honey": "{hero} put the honey under a tree, and the bear woke up and trotted after the smell",
        "flute": "{hero} played a slow song on the flute, and the bear rolled aside"}),
    ("the road had turned into deep mud", "wade through the mud", "it nearly swallowed a boot", "the mud is too deep", {
        "stilts": "{hero} walked through the mud on the stilts like a stork",
        "plank": "{hero} laid the plank on the mud and balanced over it"}),
    ("an icy wind came down the hill", "walk against the wind", "{hers} fingers turned blue", "the wind is so cold", {
        "blanket": "{hero} wrapped the blanket around {her}self and felt the wind no longer",
        "tea": "{hero} drank the tea and was warm down to the toes"}),
    ("a fallen rock blocked the path", "roll the rock away", "it was as heavy as a house", "the rock is too heavy", {
        "pole": "{hero} pushed the pole under the rock and tipped it into the ditch",
        "pony": "{hero} let the pony pull, and the rock slid aside"}),
    ("a barking dog would let nobody pass", "talk to the dog", "it barked even louder",
     "the dog will not let me pass", {
        "crumbs": "{hero} held out the crumbs, and the dog wagged its tail",
        "whistle": "{hero} blew the whistle, and the dog sat down at once"}),
    ("night fell, and the way was lost", "go on without a light", "{she} walked into a fence",
     "it is too dark to see the way", {
        "lamp": "{hero} lifted the lamp and found the way again",
        "candle": "{hero} carried the candle in a cupped hand and found the way again"}),
    ("the river had no ferry", "swim through the river", "the water was as cold as ice", "there is no ferry", {
        "boat": "{hero} stepped into the boat and paddled to the other side",
        "pony": "{hero} rode the pony through the shallow water"}),
)

# (name with article, name alone, how it comes)
HELPERS = (
    ("a hedgehog", "hedgehog", "rustled out of the grass"), ("an owl", "owl", "glided down from a branch"),
    ("a fox", "fox", "stepped out of the ferns"), ("a badger", "badger", "climbed out of a hole"),
    ("a squirrel", "squirrel", "ran down a trunk"), ("a heron", "heron", "landed on one leg"),
    ("a hare", "hare", "hopped over a ditch"), ("a mole", "mole", "pushed up a heap of earth"),
    ("a shepherd", "shepherd", "came along with nine sheep"), ("a peddler", "peddler", "came by with a full cart"),
    ("a ferrywoman", "ferrywoman", "came up from the shore"), ("a piper", "piper", "marched around the corner"),
    ("a woodcutter", "woodcutter", "put down a heavy axe"), ("a nun", "nun", "stopped to pick herbs"),
    ("a sailor", "sailor", "strolled by with a bag"), ("a widow", "widow", "looked over a hedge"),
)

FOODS = (
    "a loaf of bread", "two boiled eggs", "a piece of cheese", "three plums", "a slice of cake", "a handful of nuts",
    "a cold potato", "a ripe pear",
)
SEATS = ("a stump", "a flat stone", "a mossy log", "the grass", "an old bench", "a milestone")
SORROWS = ("sad", "tired", "helpless", "lonely", "small", "worried", "gloomy")
JOYS = ("glad", "proud", "happy", "light at heart", "warm inside", "merry")
SAYINGS = (
    "a small help is still a help", "nobody is too little to be useful", "what is shared weighs less",
    "a closed road is not the end of the world", "good things take a second try", "asking costs nothing",
    "even a snail gets there", "a friend is the shortest way", "luck likes those who walk",
    "after rain the paths are clean",
)
