"""Codes in, exceptions out: the Python table of every E_* code (the C table is csrc/base/codes.h)."""

from __future__ import annotations

from typing import ClassVar

# code -> exit code of the command line, in the order of csrc/base/codes.h.
CODES: dict[str, int] = {
    # stage 0: open
    "E_OPEN": 3,
    "E_NOT_REGULAR": 3,
    "E_TOO_SMALL": 10,
    "E_TOO_LARGE": 11,
    "E_READ": 3,
    # stage 1: footer
    "E_NO_TRAILER": 10,
    "E_TRAILING_DATA": 11,
    "E_TRAILER_VERSION": 11,
    "E_SIG_COUNT": 11,
    "E_STATEMENT_SIZE": 11,
    "E_TRUNCATED": 11,
    "E_STATEMENT_OFFSET": 11,
    "E_ALIGN": 11,
    # stage 2: header
    "E_DOMAIN": 11,
    "E_VERSION": 11,
    "E_KIND": 11,
    "E_SECTION_COUNT": 11,
    "E_SIGNERS": 11,
    "E_TIME": 11,
    "E_SUBJECT": 11,
    # stage 3: sections
    "E_SECTION_TYPE": 11,
    "E_RESERVED": 11,
    "E_LAYOUT": 11,
    "E_SECTION_SIZE": 11,
    "E_PADDING": 11,
    # stage 4: records
    "E_UNSIGNED": 16,
    "E_SIG_ALG": 11,
    "E_SIG_ORDER": 11,
    # stage 5: keys
    "E_KEYS_OPEN": 15,
    "E_KEYS_UNSAFE": 15,
    "E_KEYS_TOO_LARGE": 15,
    "E_KEYS_CHANGED": 15,
    "E_KEYS_SYNTAX": 15,
    "E_KEYS_SCHEMA": 15,
    "E_KEYS_EMPTY": 15,
    "E_KEYS_POINT": 15,
    "E_KEYS_ID": 15,
    "E_KEYS_DUPLICATE": 15,
    "E_KEYS_THRESHOLD": 15,
    "E_KEYS_ROLE": 15,
    "E_SIG_INVALID": 12,
    "E_KEY_REVOKED": 13,
    "E_KEY_EXPIRED": 13,
    "E_KEY_NOT_YET": 13,
    "E_KEY_ROLE": 13,
    "E_KEY_UNKNOWN": 13,
    "E_THRESHOLD": 13,
    # stage 6: policy of the statement
    "E_EXPIRED": 14,
    "E_CLOCK": 14,
    "E_ROLLBACK": 14,
    "E_SUBJECT_DENIED": 14,
    # stage 7: content
    "E_DIGEST": 12,
    "E_CHANGED": 3,
    # stage 8: meaning
    "E_STUB_ELF": 11,
    "E_WASM_HEADER": 11,
    "E_WASM_SECTION": 11,
    "E_WASM_IMPORT": 11,
    "E_WASM_EXPORT": 11,
    "E_MANIFEST_SYNTAX": 11,
    "E_MANIFEST_SCHEMA": 11,
    "E_MANIFEST_PATH": 11,
    "E_MANIFEST_NAME": 11,
    "E_MANIFEST_WASM": 11,
    "E_AOT_MANIFEST": 11,
    "E_STUB_EXTENT": 11,
    # stage 9: run time
    "E_PROCESS_SECURE": 14,
    "E_PROCESS_FDS": 3,
    "E_SOCK_ID": 2,
    "E_SOCK_PATH": 3,
    "E_SOCK_CONNECT": 3,
    "E_SOCK_PEER": 14,
    "E_SOCK_TIMEOUT": 3,
    "E_RPC_FRAME": 3,
    "E_RPC_JSON": 3,
    "E_RPC_REPLY": 3,
    "E_RPC_FDS": 3,
    "E_RPC_CLOSED": 3,
    "E_RPC_DENIED": 14,
    "E_SANDBOX": 3,
    "E_ENGINE_MODULE": 11,
    "E_ENGINE_OPCODE": 11,
    "E_ENGINE_NESTING": 11,
    "E_ENGINE_MEMORY": 3,
    "E_ENGINE_LINK": 11,
    "E_ENGINE_TRAP": 3,
    # the tools themselves
    "E_USAGE": 2,
    "E_OUTPUT": 3,
    "E_WASM_INVALID": 11,
    "E_KEY_FILE": 3,
    "E_IMAGE": 11,
    "E_COMPILER": 3,
    "E_AOT_MISSING": 3,
    "E_AOT_FOREIGN": 11,
    "E_EXEC_INTERPRETER": 11,
    "E_ROUTES": 12,
    "E_AUDIT": 12,
    "E_NO_MEMORY": 3,
    "E_DISAGREE": 3,
    "E_INTERNAL": 3,
    # the lifter
    "E_LIFT_ELF": 11,
}


class Error(Exception):
    """A refusal with a stable code; `Error(code, ...)` builds the subclass of the code's family.

    offset is a byte offset in the file, document or module that the code speaks of.
    Raises ValueError for a code that is not in the table (a programming error, not bad input).
    """

    # code prefix -> subclass; the longest prefix wins
    families: ClassVar[dict[str, type[Error]]] = {}

    def __new__(cls, code: str, message: str, offset: int | None = None) -> Error:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}")
        if cls is Error:
            matching = [prefix for prefix in cls.families if code.startswith(prefix)]
            if matching:
                return super().__new__(cls.families[max(matching, key=len)])
        return super().__new__(cls)

    def __init__(self, code: str, message: str, offset: int | None = None) -> None:
        super().__init__(code, message, offset)  # args as given: pickles and copies
        self.code = code
        self.message = message
        self.offset = offset

    @property
    def exit_code(self) -> int:
        """The command line's exit code for this refusal."""
        return CODES[self.code]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def as_dict(self) -> dict[str, str | int | None]:
        """The `error` object of --json output."""
        return {"code": self.code, "message": self.message, "offset": self.offset, "exit_code": self.exit_code}


class KeyStoreError(Error):
    """The key store is unusable."""


class SignatureError(Error):
    """The signatures do not add up to trust."""


class WasmError(Error):
    """The WebAssembly module is refused."""


class ManifestError(Error):
    """The manifest is refused."""


class WireError(Error):
    """The connection to the vkernel failed or broke the protocol."""


Error.families.update(
    {
        "E_KEYS_": KeyStoreError,
        "E_SIG_INVALID": SignatureError,
        "E_KEY_": SignatureError,
        "E_KEY_FILE": Error,
        "E_THRESHOLD": SignatureError,
        "E_WASM_": WasmError,
        "E_MANIFEST_": ManifestError,
        "E_AOT_MANIFEST": ManifestError,
        "E_SOCK_": WireError,
        "E_RPC_": WireError,
    }
)
