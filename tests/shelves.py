"""The products of a shop as a taxonomy of three levels, for language models that choose from it."""

SHELVES = {
    "Drinks > Hot": "green tea, black coffee, mint tea, hot chocolate, chai, espresso, herbal infusion, mocha",
    "Drinks > Cold": "apple juice, cola, lemonade, still water, iced tea, tonic, orange juice, ginger beer",
    "Care > Bath": "hand soap, shower gel, bath salt, sponge, shampoo, conditioner, body lotion, bath oil",
    "Care > Teeth": "toothpaste, toothbrush, dental floss, mouthwash, denture cleaner, whitening strips",
    "Tools > Garden": "spade, rake, hose, lawn mower, shears, watering can, wheelbarrow, leaf blower",
    "Tools > Workshop": "hammer, screwdriver, drill, saw, pliers, wrench, chisel, sander",
}
PATHS = [f"{shelf} > {name}" for shelf, names in SHELVES.items() for name in names.split(", ")]
