"""In: a function and a list of pieces. Out: its value of each piece, computed by forked processes, as they come.

Numbers of pieces wait in a pipe from which each process takes the next; each process answers through a pipe of its own.
A process that is killed is noticed, and none outlives the iteration. The values are the same for any number of
processes, their order is not.
"""

from __future__ import annotations

import gc
import os
import pickle
import selectors
import signal
import struct
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from recompiler.errors import Error

S = TypeVar("S")
T = TypeVar("T")
_TOKEN: Final = struct.Struct("<H")
_FRAME: Final = struct.Struct("<HQ")  # number, size of the pickled value
MOST: Final = 16384  # pieces: their numbers fit into a pipe, so that the parent never waits to write them


def spread(work: Callable[[S], T], pieces: Sequence[S], jobs: int) -> Generator[tuple[int, T], None, None]:
    """(n, work(pieces[n])) of all pieces, begun in their order; by this process alone when jobs or pieces are one.

    Raises what work raises, and Error E_NO_MEMORY when a process ends before its work is done.
    """
    if jobs < 2 or len(pieces) < 2:
        for number, piece in enumerate(pieces):
            yield number, work(piece)
    else:
        yield from _forked(work, pieces, min(jobs, len(pieces)))


def apart(work: Callable[[], T]) -> T:
    """work(), in a process of its own, so that long work in C can be interrupted. Raises as spread."""
    return next(value for _, value in _forked(lambda _: work(), [0], 1))


def _forked(work: Callable[[S], T], pieces: Sequence[S], processes: int) -> Generator[tuple[int, T], None, None]:
    count = len(pieces)
    assert count <= MOST
    tokens, fill = os.pipe()
    os.set_blocking(fill, False)
    os.write(fill, b"".join(map(_TOKEN.pack, range(count))))
    os.close(fill)
    children: dict[int, int] = {}  # the pipe of each -> its pid
    try:
        with _uninterrupted() as mask:
            for _ in range(processes):
                answers, answer = os.pipe()
                pid = _fork()
                if pid == 0:
                    _child(work, pieces, tokens, answer, mask)
                os.close(answer)
                if pid < 0:
                    os.close(answers)
                    raise Error("E_NO_MEMORY", "no process can be made for the lift; fewer --jobs need less")
                children[answers] = pid
        yield from _answers(children, count)
    finally:
        with _uninterrupted():
            os.close(tokens)
            for answers, pid in children.items():
                os.close(answers)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _fork() -> int:
    """As fork(2): -1 when no process can be made."""
    try:
        return os.fork()
    except OSError:
        return -1


@contextmanager
def _uninterrupted() -> Iterator[set[int]]:
    """SIGINT waits: between a fork and its note, an interruption would leave a process. Gives the mask there was."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _child(work: Callable[[S], Any], pieces: Sequence[S], tokens: int, answer: int, mask: set[int]) -> None:
    """Never returns. An exception is an answer too; the terminal's SIGINT is the parent's to handle."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        gc.disable()  # what is made here is kept until the end, or dies by its count
        while token := os.read(tokens, _TOKEN.size):
            number = _TOKEN.unpack(token)[0]
            try:
                value = True, work(pieces[number])
            except Exception as e:
                if not isinstance(e, Error):
                    e.add_note(traceback.format_exc())  # where it was is not pickled
                value = False, e
            data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
            with open(answer, "wb", closefd=False) as file:
                file.write(_FRAME.pack(number, len(data)) + data)
        status = 0
    finally:
        os._exit(status)


def _answers(children: dict[int, int], count: int) -> Iterator[tuple[int, Any]]:
    done = 0
    buffers = {answers: bytearray() for answers in children}
    with selectors.DefaultSelector() as selector:
        for answers in children:
            selector.register(answers, selectors.EVENT_READ)
        while done < count:
            if not selector.get_map():
                raise Error("E_NO_MEMORY", "a process of the lift ended before its time; fewer --jobs need less")
            for key, _ in selector.select():
                fd = key.fd
                part = os.read(fd, 1 << 20)
                if not part:
                    selector.unregister(fd)
                    continue
                buffer = buffers[fd]
                buffer += part
                while len(buffer) >= _FRAME.size:
                    number, size = _FRAME.unpack_from(buffer)
                    if len(buffer) < _FRAME.size + size:
                        break
                    good, value = pickle.loads(bytes(buffer[_FRAME.size : _FRAME.size + size]))  # of our own fork
                    del buffer[: _FRAME.size + size]
                    if not good:
                        raise value
                    done += 1
                    yield number, value
