"""Which faults strike in which order, alone or in pairs, and what is drawn for each: the seed's alone, whatever the machine does meanwhile."""

import random

#: In so many short runs, of seeds that follow one another, each fault strikes alone and in a pair.
PARTS = 8


class Strike:
    """Faults that are on together. Each draws from a stream of its own, and so does what lies between."""

    def __init__(self, seed, place, faults):
        self.faults = tuple(faults)
        self.timing = random.Random(f"{seed}/{place}/timing")
        self.chances = [random.Random(f"{seed}/{place}/{fault.name}") for fault in self.faults]

    @property
    def name(self):
        return " + ".join(fault.name for fault in self.faults)


def paired(order):
    """Pairs that do not take the same; who finds none is alone."""
    order = list(order)
    while order:
        first = order.pop()
        second = next((fault for fault in order if not fault.takes & first.takes), None)
        if second:
            order.remove(second)
        yield (first, second) if second else (first,)


def round_of(seed, number, faults):
    """All of them, in an order of the round's: alone in the even rounds, in pairs in the others."""
    order = random.Random(f"{seed}/{number}").sample(faults, len(faults))
    groups = [(fault,) for fault in order] if number % 2 == 0 else paired(order)
    return [Strike(seed, f"{number}/{at}", group) for at, group in enumerate(groups)]


def part_of(seed, faults):
    """A short run: an eighth of the faults, each alone and in a pair. The next seed has the next eighth."""
    shuffled = random.Random("parts").sample(faults, len(faults))
    part = shuffled[seed % PARTS::PARTS]
    chance = random.Random(f"{seed}/part")
    groups = [(fault,) for fault in part] + list(paired(chance.sample(part, len(part))))
    return [Strike(seed, f"part/{at}", group) for at, group in enumerate(chance.sample(groups, len(groups)))]
