"""The 128 kinds of object in `Scenes`, and which of them training keeps apart."""

import hashlib

# The name is the one of the `emoji` package (English), the character is drawn in
# OpenMoji's font. Chosen by eye at 24 pixels: of things that look alike (tomato
# and apple, lobster and crab, the bodies of cats, tigers and leopards) one is in.
KINDS = {
    "airplane": "✈",
    "anchor": "⚓",
    "avocado": "🥑",
    "balloon": "🎈",
    "banana": "🍌",
    "basketball": "🏀",
    "bat": "🦇",
    "bear": "🐻",
    "beer mug": "🍺",
    "bell": "🔔",
    "boxing glove": "🥊",
    "briefcase": "💼",
    "bucket": "🪣",
    "butterfly": "🦋",
    "cactus": "🌵",
    "camel": "🐪",
    "camera": "📷",
    "carrot": "🥕",
    "cat face": "🐱",
    "cheese wedge": "🧀",
    "chicken": "🐔",
    "clown face": "🤡",
    "cow face": "🐮",
    "crab": "🦀",
    "crown": "👑",
    "cupcake": "🧁",
    "dog face": "🐶",
    "dolphin": "🐬",
    "doughnut": "🍩",
    "dragon": "🐉",
    "drum": "🥁",
    "duck": "🦆",
    "egg": "🥚",
    "eggplant": "🍆",
    "elephant": "🐘",
    "envelope": "✉",
    "evergreen tree": "🌲",
    "eye": "👁",
    "ferris wheel": "🎡",
    "fish": "🐟",
    "flamingo": "🦩",
    "floppy disk": "💾",
    "flying saucer": "🛸",
    "fox": "🦊",
    "frog": "🐸",
    "ghost": "👻",
    "giraffe": "🦒",
    "gorilla": "🦍",
    "guitar": "🎸",
    "hamburger": "🍔",
    "hammer": "🔨",
    "harp": "🪉",
    "helicopter": "🚁",
    "honey pot": "🍯",
    "honeybee": "🐝",
    "horse face": "🐴",
    "hot dog": "🌭",
    "hot pepper": "🌶",
    "house": "🏠",
    "jack-o-lantern": "🎃",
    "key": "🔑",
    "kite": "🪁",
    "kiwi fruit": "🥝",
    "lady beetle": "🐞",
    "lemon": "🍋",
    "light bulb": "💡",
    "lion": "🦁",
    "lollipop": "🍭",
    "maple leaf": "🍁",
    "megaphone": "📣",
    "mouse face": "🐭",
    "mushroom": "🍄",
    "octopus": "🐙",
    "palm tree": "🌴",
    "panda": "🐼",
    "parachute": "🪂",
    "parrot": "🦜",
    "peach": "🍑",
    "peacock": "🦚",
    "pear": "🍐",
    "penguin": "🐧",
    "pig face": "🐷",
    "pineapple": "🍍",
    "pizza": "🍕",
    "pretzel": "🥨",
    "puzzle piece": "🧩",
    "rabbit face": "🐰",
    "rainbow": "🌈",
    "red apple": "🍎",
    "ribbon": "🎀",
    "robot": "🤖",
    "rocket": "🚀",
    "roller skate": "🛼",
    "rose": "🌹",
    "sailboat": "⛵",
    "sandwich": "🥪",
    "shrimp": "🦐",
    "skull": "💀",
    "snail": "🐌",
    "snake": "🐍",
    "snowman": "☃",
    "soccer ball": "⚽",
    "star": "⭐",
    "stop sign": "🛑",
    "strawberry": "🍓",
    "sunflower": "🌻",
    "swan": "🦢",
    "t-shirt": "👕",
    "taco": "🌮",
    "teapot": "🫖",
    "telephone": "☎",
    "tent": "⛺",
    "tiger face": "🐯",
    "tooth": "🦷",
    "tractor": "🚜",
    "treasure chest": "🪎",
    "trophy": "🏆",
    "trumpet": "🎺",
    "tulip": "🌷",
    "turtle": "🐢",
    "umbrella": "☂",
    "unicorn": "🦄",
    "volcano": "🌋",
    "watermelon": "🍉",
    "whale": "🐋",
    "wine glass": "🍷",
    "wolf": "🐺",
    "wrapped gift": "🎁",
}

NAMES = tuple(KINDS)
_GROUP = 8
_HALF = len(NAMES) // _GROUP // 2


def _shuffled(salt):
    """The place of every kind in an order that no library's generator decides."""
    order = sorted(NAMES, key=lambda name: hashlib.sha256(f"{salt} {name}".encode()).digest())
    return [order.index(name) for name in NAMES]


# Two ways to put the kinds into 16 groups of 8. Kinds that share a group of the
# one share none of the other, so the pairs of "dev", of "test" and of training
# are three disjoint sets, and each of them has every kind.
_places = _shuffled("group")
TEST_GROUP = tuple(place // _GROUP for place in _places)
DEV_GROUP = tuple(place % _GROUP + _GROUP * (place // _GROUP // _HALF) for place in _places)

# 0 top left, 1 top right, 2 bottom left, 3 bottom right: 32 kinds each. Only the
# split "places" shows a kind there.
HELD_OUT_QUADRANT = tuple(place % 4 for place in _shuffled("quadrant"))
