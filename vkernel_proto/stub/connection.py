"""In: one connected socket. Out: one guest process served from hello to its end, and one audit record of that end.

Nothing that a peer does raises out of `run`: it is dropped, recorded, and the other connections go on.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from functools import partial
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format import strictjson
from recompiler.format.verify import Verified
from vkernel_proto.signals import SIGNAL_MAX
from vkernel_proto.stub import control
from vkernel_proto.stub.core import Core, Guest
from vkernel_proto.stub.process import Exited, Process
from vkernel_proto.wire import messages
from vkernel_proto.wire.cid import check_cid
from vkernel_proto.wire.frames import LENGTH_MAX, REPLY, BinaryCodec, Call
from vkernel_proto.wire.json_codec import JsonCodec, check_fields, decode, decode_bytes, read_line
from vkernel_proto.wire.peer import Peer, open_peer
from vkernel_proto.wire.stream import Stream
from vkernel_proto.wire.syscalls import SYSCALLS

HELLO_SLACK: Final = 4096  # the hello line beside the manifest
HELLO_MAX: Final = (90 << 20) + HELLO_SLACK  # docs/wire.md; what a denied guest may still send
HELLO_GUEST: Final = {"type": str, "version": int, "cid": str, "encoding": str, "statement": str, "manifest": str}
HELLO_CONTROL: Final = {"type": str, "version": int, "cid": str, "role": str}

TABLE: Final = {call.name: (call.nr, call.letters) for call in SYSCALLS}
STRINGS: Final = {call.nr: strings for call in SYSCALLS if (strings := call.letters.count("s"))}


class Connection:
    """One connection; `run` is its thread's whole life. cid None: the guest says which container it belongs to."""

    def __init__(self, core: Core, sock: socket.socket, cid: str | None) -> None:
        self.core = core
        self.sock = sock
        self.cid = cid
        self.settled = False  # past the handshake
        self.aborted = False
        self._peer: Peer | None = None
        self._reason: Error | None = None
        self._fields: dict[str, Any] = {}

    def run(self) -> None:
        """Serves the connection to its end and closes the socket."""
        try:
            stream = Stream(self.sock, self.core.config.send_timeout)
            try:
                self._serve(stream)
            except Error as error:
                self._drop(stream, error)
            except Exception as error:  # a defect of ours costs this guest its connection, and nobody else
                self._drop(stream, Error("E_INTERNAL", f"{type(error).__name__}: {error}"))
        except OSError as error:
            self._record(Error("E_RPC_CLOSED", f"the socket is unusable: {error.strerror}"))
        finally:
            if self._peer is not None:
                self._peer.close()
            self.sock.close()

    def abort(self, reason: Error | None) -> None:
        """Ends the connection from another thread; with a reason, that is what its record says."""
        self._reason, self.aborted = reason, True
        with suppress(OSError):  # it may have ended by itself
            self.sock.shutdown(socket.SHUT_RDWR)

    def _serve(self, stream: Stream) -> None:
        """The handshake, then the guest.

        1. The peer's user may connect: decided before anything is read.
        2. The first piece comes from the process that connected; a guest's carries three fds, a control client's none.
        3. The peer's executable is verified; only that says how long the rest of hello may be.
        4. hello repeats statement and manifest of that executable.
        5. Nothing was sent after hello: not by this process before it became the verified program either.
        """
        core = self.core
        stream.set_deadline(core.config.handshake_timeout)
        self._peer = peer = open_peer(self.sock)  # 1
        self._fields = {"peer_pid": peer.pid, "peer_uid": peer.uid}
        core.check_user(peer.uid)
        (sender, _, _), fds = stream.first()  # 2
        try:
            if sender != peer.pid:
                raise Error("E_SOCK_PEER", f"process {peer.pid} connected, process {sender} speaks")
            if not fds:
                self._serve_control(stream, peer)
                return
            if len(fds) != 3:
                raise Error("E_RPC_FDS", f"hello carries {len(fds)} file descriptors, not 3")
            signed = self._identify(stream, peer)  # 3
            encoded = 4 * ((len(signed.manifest_bytes) + 2) // 3)
            line = read_line(stream, HELLO_SLACK + encoded)
            hello = self._check_hello(line, signed)  # 4
            if not stream.quiet():  # 5
                raise Error("E_RPC_FRAME", "bytes between hello and its answer")
            guest, process, codec = self._admit(stream, peer, signed, hello, fds)
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        self._serve_guest(guest, process, codec)

    def _identify(self, stream: Stream, peer: Peer) -> Verified:
        try:
            return self.core.verify_peer(peer)
        except Error:
            # The guest may still be sending: let it, so that it reads why it is denied and not EPIPE.
            taken = 0
            while stream.view[stream.end - 1] != 0x0A and taken < HELLO_MAX:
                stream.start = stream.end
                if not (received := stream.receive(1)):
                    break
                taken += received
            raise

    def _check_hello(self, line: bytes | None, signed: Verified) -> dict[str, Any]:
        if line is None:
            raise Error("E_RPC_CLOSED", "the peer closed the connection before hello")
        hello = decode(line)
        check_fields(hello, HELLO_GUEST)
        self._check_head(hello)
        if hello["encoding"] not in ("json", "binary"):
            raise Error("E_RPC_JSON", "encoding is neither json nor binary")
        if decode_bytes(hello["statement"], "statement") != signed.statement.raw:
            raise Error("E_RPC_DENIED", "the statement of hello is not that of the peer's executable")
        if decode_bytes(hello["manifest"], "manifest") != signed.manifest_bytes:
            raise Error("E_RPC_DENIED", "the manifest of hello is not that of the peer's executable")
        return hello

    def _check_head(self, hello: dict[str, Any]) -> None:
        if hello["type"] != "hello" or hello["version"] != 1:
            raise Error("E_RPC_JSON", "the first line is not a hello of version 1")
        check_cid(hello["cid"])
        if self.cid is not None and hello["cid"] != self.cid:
            raise Error("E_SOCK_ID", f"this is the vkernel of {self.cid}, not of {hello['cid']}")
        self.cid = hello["cid"]

    def _admit(
        self, stream: Stream, peer: Peer, signed: Verified, hello: dict[str, Any], fds: list[int]
    ) -> tuple[Guest, Process, BinaryCodec | JsonCodec]:
        """Makes the process and says ok; from here on the fds are the process's."""
        core, cid = self.core, hello["cid"]
        container, pid = core.container(cid)
        codec: BinaryCodec | JsonCodec
        codec = BinaryCodec(stream, STRINGS) if hello["encoding"] == "binary" else JsonCodec(stream, TABLE, cid)
        wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        guest = Guest(pid, cid, signed.statement.subject, peer.uid, peer.pid, peer.pidfd, wake, stream, codec)
        try:
            audit = partial(core.audit, cid=cid, pid=pid)
            stdio = (fds[0], fds[1], fds[2])
            process = Process(pid, cid, signed.manifest, container, stdio, wake, self.sock.fileno(), audit)
        except BaseException:
            os.close(wake)
            raise
        fds.clear()
        try:
            if not container.enter(process):
                raise Error("E_RPC_DENIED", "the container has as many processes as its manifest allows")
            self._fields = {"cid": cid, "pid": pid, **self._fields}
            name = signed.statement.release_id.hex()
            core.audit(
                "hello", subject=signed.statement.subject, release=name, encoding=hello["encoding"], **self._fields
            )
            core.enter(guest)
            stream.set_deadline(None)
            stream.send(strictjson.dumps({"status": "ok", "vkernel": core.version, "pid": pid}))
            self.settled = True
        except BaseException:
            self._leave(guest, process)
            os.close(wake)
            raise
        return guest, process, codec

    def _serve_control(self, stream: Stream, peer: Peer) -> None:
        hello = decode(read_line(stream, HELLO_SLACK) or b"")
        check_fields(hello, HELLO_CONTROL)
        self._check_head(hello)
        if hello["role"] != "control":
            raise Error("E_RPC_JSON", "role is not control")
        self.core.check_controller(peer.uid)
        stream.set_deadline(None)
        stream.send(strictjson.dumps({"status": "ok", "vkernel": self.core.version}))
        self.settled = True
        control.serve(self.core, stream, hello["cid"], self._fields)

    def _serve_guest(self, guest: Guest, process: Process, codec: BinaryCodec | JsonCodec) -> None:
        try:
            try:
                if self._requests(guest, process, codec):
                    return
            except Error as error:
                if error.code != "E_RPC_CLOSED":  # that is how a guest that was killed ends: no offence
                    raise
            if self._reason is not None:
                raise self._reason
            self._leave(guest, process)
            how = {"signal": guest.signal} if guest.signal is not None else {"closed": True}
            self.core.audit("exit", **how, **self._fields)
        finally:
            self._leave(guest, process)
            os.close(guest.wake)

    def _requests(self, guest: Guest, process: Process, codec: BinaryCodec | JsonCodec) -> bool:
        """Answers request after request; True when the guest has exited, False when it closed the connection."""
        while (request := codec.read()) is not None:
            if isinstance(request, dict):
                self._message(guest, process, codec, request)
                continue
            first, calls = request
            if len(calls) > 1:
                if self._batch(guest, process, codec, first, calls):
                    return True
                continue
            try:
                value, data = process.call(*calls[0])
            except Exited as end:
                self._exit(guest, process, codec, first, end.code)
                return True
            codec.reply(first, value, data)
        return False

    def _batch(
        self, guest: Guest, process: Process, codec: BinaryCodec | JsonCodec, first: int, calls: list[Call]
    ) -> bool:
        """Runs the calls in order, answering as many as fit at a time; True when one of them ended the process."""
        answers: list[tuple[int, bytes]] = []
        size = 0
        for number, call in enumerate(calls, first):
            try:
                value, data = process.call(*call)
            except Exited as end:
                if answers:
                    codec.replies(number - len(answers), answers)
                self._exit(guest, process, codec, number, end.code)
                return True
            if size + REPLY.size + len(data) > LENGTH_MAX:
                codec.replies(number - len(answers), answers)
                answers, size = [], 0
            answers.append((value, data))
            size += REPLY.size + len(data)
        codec.replies(first + len(calls) - len(answers), answers)
        return False

    def _message(self, guest: Guest, process: Process, codec: BinaryCodec | JsonCodec, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "signal":
            check_fields(message, {"type": str, "sig": int})
            if not 1 <= message["sig"] <= SIGNAL_MAX:
                raise Error("E_RPC_JSON", f"{message['sig']} is not a signal")
            guest.signal = message["sig"]
            return
        audit = partial(self.core.audit, **self._fields)
        if kind == "exec":
            if message.get("cid", guest.cid) != guest.cid:
                raise Error("E_RPC_JSON", "cid is not the one of hello")
            answer = messages.answer_exec(message, process.manifest, audit)
        elif kind == "spawn":
            answer = messages.answer_spawn(message, audit)
        else:
            raise Error("E_RPC_JSON", f"a guest does not send {str(kind)[:64]!r}")
        codec.claim(answer["id"])
        guest.stream.send(codec.message(answer))

    def _exit(self, guest: Guest, process: Process, codec: BinaryCodec | JsonCodec, number: int, code: int) -> None:
        """The exit is in the log before it is acknowledged, and the files are closed before the process ends."""
        self._leave(guest, process)
        self.core.audit("exit", code=code, **self._fields)
        with suppress(Error):  # the guest may not have waited: its exit is recorded
            codec.reply(number, 0, b"")

    def _leave(self, guest: Guest, process: Process) -> None:
        """Gives back what the guest has; before its end is told to anyone, for the next guest may need it."""
        self.core.leave(guest)
        process.container.leave(process)
        process.close()

    def _drop(self, stream: Stream, error: Error) -> None:
        error = self._reason or error
        self._record(error)
        if not self.settled:
            stream.send_soon(strictjson.dumps({"status": "denied", "error": error.code, "message": error.message}))

    def _record(self, error: Error) -> None:
        with suppress(Error):  # the log may be full: the peer is dropped all the same
            self.core.audit("drop", error=error.code, message=error.message, **self._fields)


def check_stamped(sock: socket.socket) -> None:
    """Raises Error (E_SOCK_PEER) for a socket whose bytes the kernel does not stamp, or that is no UNIX stream."""
    is_unix = sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM
    if not is_unix or not stat.S_ISSOCK(os.fstat(sock.fileno()).st_mode):
        raise Error("E_SOCK_PEER", "not a UNIX stream socket")
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED):
        raise Error("E_SOCK_PEER", "not a socket of vkernel_proto.socketpair(): its bytes do not name their sender")
