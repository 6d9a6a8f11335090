"""The 128 kinds of objects in `Scenes`, and the combinations that training does not have."""

from __future__ import annotations

import hashlib

# English names of the `emoji` package and the characters, which OpenMoji's font draws. Selected by
# eye at 24 pixels: of things that look alike (tomato and apple, lobster and crab, the bodies of
# cats, tigers and leopards) only one is included.
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


def _shuffled(salt: str) -> list[int]:
    """The rank of every kind in an order that is the same in every version of Python."""
    order = sorted(NAMES, key=lambda name: hashlib.sha256(f"{salt} {name}".encode()).digest())
    return [order.index(name) for name in NAMES]


# Two partitions of the kinds into 16 groups of 8. Kinds that share a group in one do not in the
# other. So the pairs of "dev", "test" and training are disjoint sets, each with every kind.
_ranks = _shuffled("group")
TEST_GROUP = tuple(rank // _GROUP for rank in _ranks)
DEV_GROUP = tuple(rank % _GROUP + _GROUP * (rank // _GROUP // _HALF) for rank in _ranks)

# 0 top left, 1 top right, 2 bottom left, 3 bottom right: 32 kinds each. Only the split "places"
# has a kind in its held-out quadrant.
HELD_OUT_QUADRANT = tuple(rank % 4 for rank in _shuffled("quadrant"))
