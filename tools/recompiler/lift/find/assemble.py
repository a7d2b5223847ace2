"""In: what discovery has found. Out: the Program: blocks, which function owns each, entries, proofs of jump tables."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from recompiler.lift.find import tables
from recompiler.lift.find.found import Found
from recompiler.lift.find.function import Block, Function, Program
from recompiler.lift.find.guess import Guesser
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, COND, JUMP, JUMP_INDIRECT, NEXT, SYSCALL

_ON: tuple[int, ...] = (CALL, CALL_INDIRECT, SYSCALL)


def program(found: Found, guesser: Guesser) -> Program:
    """Divides the code into functions; the same discovery always gives the same program."""
    blocks = _blocks(found, guesser)
    colds = _colds(found, guesser)
    starts = _starts(found, guesser, blocks, colds)
    owners = _owners(found, guesser, blocks, starts, colds)
    entries = _link(found, guesser, blocks, owners)
    symbols = {symbol.address: symbol for symbol in reversed(found.binary.symbols)}
    functions: dict[int, Function] = {}
    for start in sorted(set(owners.values())):
        functions[start] = Function(start, symbols[start].name if start in symbols else f"{start:x}")
    for start in sorted(blocks):
        functions[owners[start]].blocks[start] = blocks[start]
    for function in functions.values():
        more = entries.get(function.start, set())
        more.discard(function.start)
        function.entries = [function.start, *sorted(more)]
    _prove(found, guesser, blocks, owners, functions)
    known = {block.end - block.facts[-1].size for block in blocks.values() if block.flow == JUMP}
    unresolved = sorted(guesser.missed - guesser.found.keys() - known)
    return Program(found.binary, list(functions.values()), owners, found.gaps, found.padding, unresolved)


def _blocks(found: Found, guesser: Guesser) -> dict[int, Block]:
    """Instructions from each leader to the next, or to where control leaves it; tables in the text are none."""
    leaders, runs = found.traversal.leaders, found.traversal.runs
    for start, end in guesser.inline:
        leaders = leaders.difference(range(start, end))
    blocks: dict[int, Block] = {}
    for start, row in found.traversal.rows.items():
        if start in leaders:
            last = row[-1]
            blocks[start] = Block(start, runs[start] + last.size, row, last.flow, (), None)
    order = sorted(blocks)
    inner: dict[int, list[int]] = {}
    for start in sorted(leaders - blocks.keys()):
        if order and found.traversal.size_at(start):
            inner.setdefault(order[bisect_right(order, start) - 1], []).append(start)
    for run, starts in inner.items():
        _cut(blocks, run, starts)
        for start in starts:
            if start not in blocks:  # in code that overlaps other code: a block of its own
                row = found.traversal.onward(start)
                blocks[start] = Block(start, start + sum(fact.size for fact in row), row, row[-1].flow, (), None)
    return blocks


def _cut(blocks: dict[int, Block], run: int, starts: list[int]) -> None:
    """Divides the block that starts at run at those of the ascending starts where one of its instructions is."""
    whole = blocks[run]
    wanted = set(starts)
    at = begin = run
    first = 0
    for number, fact in enumerate(whole.facts):
        if at in wanted and at > begin:
            blocks[begin] = Block(begin, at, whole.facts[first:number], NEXT, (), None)
            begin, first = at, number
        at += fact.size
    blocks[begin] = Block(begin, whole.end, whole.facts[first:], whole.flow, (), None)


def _colds(found: Found, guesser: Guesser) -> dict[int, int]:
    """Start of an FDE that is a cold part -> a place in the code that jumps to it.

    A cold part starts with a CFA that no call leaves, or nothing but jumps of one other FDE leads to it, of a kind that
    is no tail call, or to where no function is aligned.
    """
    traversal = found.traversal
    jumpers: dict[int, list[int]] = {}
    for start, last in traversal.runs.items():
        fact = traversal.rows[start][-1]
        if fact.flow in (JUMP, COND):
            target = last + fact.size + (fact.disp or 0)
            jumpers.setdefault(target, []).append(last)
        elif fact.flow == NEXT:
            jumpers.setdefault(last + fact.size, []).append(start)
    for jump, guess in guesser.found.items():
        for target in guess.targets:
            jumpers.setdefault(target, []).append(jump)
    order = sorted(jumpers)
    known = traversal.calls | found.named | ((found.references | found.starts) - guesser.labels())
    colds: dict[int, int] = {}
    for frame in found.frames:
        sources: dict[int, int] = {}
        for jump in sorted(jumpers.get(frame.start, ())):
            if not frame.start <= jump < frame.end:
                other = found.frame_at(jump)
                sources.setdefault(other.start if other else -1, jump)
        alone = frame.start not in known and len(sources) == 1 and -1 not in sources
        if sources and (frame.cfa != 8 or (alone and (frame.start % 16 or not _may_tail_call(found, sources)))):
            colds[frame.start] = min(sources.values())
        elif frame.cfa != 8 and frame.start not in known:
            inner = order[bisect_right(order, frame.start) : bisect_left(order, frame.end)]
            outside = [jump for at in inner for jump in jumpers[at] if not frame.start <= jump < frame.end]
            if outside:
                colds[frame.start] = min(outside)
    return colds


def _may_tail_call(found: Found, sources: dict[int, int]) -> bool:
    """Whether all of the jumps are unconditional and direct."""
    return all(found.traversal.facts_at(jump).flow == JUMP for jump in sources.values())


def _starts(found: Found, guesser: Guesser, blocks: dict[int, Block], colds: dict[int, int]) -> list[int]:
    """The functions: FDEs that are no cold parts; what is called or referred to outside FDEs; stubs within one."""
    starts = {frame.start for frame in found.frames if frame.start in blocks}
    swept = {start for start in found.starts if start not in found.traversal.sources}
    for address in found.traversal.calls | found.named | ((found.references | swept) - guesser.labels()):
        if address in blocks:
            frame = found.frame_at(address)
            if frame is None or (address != frame.start and (address in found.named or _is_stub(blocks[address]))):
                starts.add(address)
    return sorted(starts - colds.keys())


def _is_stub(block: Block) -> bool:
    """Whether a block is an entry of a PLT: one jump through a word of the GOT."""
    return block.flow == JUMP_INDIRECT and block.facts[-1].rip is not None and len(block.facts) <= 2


def _owners(
    found: Found, guesser: Guesser, blocks: dict[int, Block], starts: list[int], colds: dict[int, int]
) -> dict[int, int]:
    """Start of a block -> start of its function: by FDE, else by which function reaches it first."""
    owners: dict[int, int] = {start: start for start in starts}
    loose: list[int] = []
    pieces = _pieces(found, starts, colds)
    low = high = owner = 0
    for start in sorted(blocks):
        while start >= high and pieces:
            low, high, owner = pieces.pop()
        if start not in owners:
            if low <= start < high and owner in owners:
                owners[start] = owner
            else:
                loose.append(start)
    if not loose:
        return owners
    sources, jumps = found.traversal.sources, found.traversal.jumps
    for start, before in sources.items():  # nearly always what comes before is there before
        if start not in owners and start in blocks and before in owners:
            owners[start] = owners[before]
    jumped = {target: jumps[jump] for jump, guess in guesser.found.items() for target in guess.targets}
    for start in loose:
        path: dict[int, None] = {}
        at = start
        while at not in owners and at not in path and at in blocks:
            path[at] = None
            at = sources.get(at, jumped.get(at, -1))
        if path:
            owners.update(dict.fromkeys(path, owners.get(at, next(reversed(path)))))
    return owners


def _pieces(found: Found, starts: list[int], colds: dict[int, int]) -> list[tuple[int, int, int]]:
    """(start, end, function) of the FDEs, cut where a function starts within one; the lowest is last."""
    pieces: list[tuple[int, int, int]] = []
    parents: dict[int, int] = {}
    for frame in found.frames:
        if frame.start in colds:
            parents[frame.start] = colds[frame.start]
        at = frame.start
        for start in starts[bisect_right(starts, frame.start) : bisect_left(starts, frame.end)]:
            pieces.append((at, start, at))
            at = start
        pieces.append((at, frame.end, at))
    begins = [piece[0] for piece in pieces]

    def root(start: int) -> int:
        for _ in range(16):  # a cold part of a cold part of ...
            if start not in parents:
                return start
            at = bisect_right(begins, parents[start]) - 1
            if at < 0 or parents[start] >= pieces[at][1]:
                return -1
            start = pieces[at][2]
        return -1

    return [(start, end, root(owner)) for start, end, owner in reversed(pieces)]


def _link(found: Found, guesser: Guesser, blocks: dict[int, Block], owners: dict[int, int]) -> dict[int, set[int]]:
    """Sets succ and target of every block; returns the entries of each function, its start left out."""
    entries: dict[int, set[int]] = {}

    def enter(address: int) -> None:
        owner = owners.get(address)
        if owner is not None:
            entries.setdefault(owner, set()).add(address)

    get = owners.get
    for start, block in blocks.items():
        owner = owners[start]
        flow, end = block.flow, block.end
        if flow == NEXT:
            if get(end) == owner:
                block.succ = (end,)
            else:
                block.target = end
                enter(end)
        elif flow == COND:
            taken = end + (block.facts[-1].disp or 0)
            follows = get(end) == owner
            if not follows:
                enter(end)
            if get(taken) == owner:
                block.succ = (end, taken) if follows else (taken,)
            else:
                block.target = taken
                block.succ = (end,) if follows else ()
                enter(taken)
        elif flow == JUMP:
            taken = end + (block.facts[-1].disp or 0)
            if get(taken) == owner:
                block.succ = (taken,)
            else:
                block.target = taken
                enter(taken)
        elif flow in _ON:
            if get(end) == owner:
                block.succ = (end,)
            if flow == CALL:
                block.target = end + (block.facts[-1].disp or 0)
        elif flow == JUMP_INDIRECT:
            guess = guesser.found.get(end - block.facts[-1].size)
            if guess:
                block.succ = tuple(dict.fromkeys(target for target in guess.targets if get(target) == owner))
                for target in guess.targets:
                    enter(target)
    more = (found.references, found.traversal.calls, found.starts, found.named, guesser.others)
    for address in found.traversal.resumes.union(*more):
        enter(address)
    return entries


def _prove(
    found: Found, guesser: Guesser, blocks: dict[int, Block], owners: dict[int, int], functions: dict[int, Function]
) -> None:
    """Puts the tables that a jump's own block proves into its function."""
    for start, block in blocks.items():
        if block.flow != JUMP_INDIRECT:
            continue
        jump = block.end - block.facts[-1].size
        function = functions[owners[start]]
        guess = guesser.found.get(jump)
        if guess is None:
            target = tables.constant(found.binary, block)
            if target is not None and target in function.blocks:
                block.flow, block.succ = JUMP, (target,)
            continue
        table = tables.prove(found.binary, block, guess.targets, guess.table)
        if table is not None:
            (function.guarded if table.guard else function.tables)[jump] = table
