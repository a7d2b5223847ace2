"""The audit log as the loop writes it: a record is in the file before anybody hears of it, and soon after on the disk.

What is in the file survives a kill of the vkernel at any moment. A loss of power can take what the disk does not have
yet: a thread brings it there some milliseconds later, so that no start waits for a disk.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Final

from recompiler.errors import Error
from vkernel_proto.audit import Audit

PAUSE: Final = 0.02  # seconds before each: the records of all that is done meanwhile go together


class Log:
    """Notes events; without an Audit it forgets them. `close` releases the Audit too."""

    def __init__(self, audit: Audit | None) -> None:
        self._audit = audit
        self._new = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)  # cheaper than a threading.Event for who sets it
        self._closing = False
        self._thread = threading.Thread(target=self._flush, name="audit", daemon=True)
        if audit is not None:
            self._thread.start()

    def note(self, event: str, **fields: object) -> Error | None:
        """Adds a record; None when it is in the file, else why it is not: then nobody may hear of what it says."""
        if self._audit is None:
            return None
        try:
            self._audit.append(event, sync=False, **fields)
        except Error as error:
            return error
        self._rouse()
        return None

    def close(self) -> None:
        """After the last record."""
        if self._audit is not None:
            self._closing = True
            self._rouse()
            self._thread.join()
            self._audit.close()
        os.close(self._wake)

    def _rouse(self) -> None:
        if not self._new:
            self._new = True
            os.eventfd_write(self._wake, 1)

    def _flush(self) -> None:
        assert self._audit is not None
        while not self._closing:
            os.eventfd_read(self._wake)
            time.sleep(PAUSE)
            self._new = False  # before the sync: a record that comes during it asks for another
            with suppress(Error):  # append raises from then on
                self._audit.sync()
        with suppress(Error):
            self._audit.sync()
