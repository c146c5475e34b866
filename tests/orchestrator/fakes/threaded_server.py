"""A server that starts a thread when it is imported: nothing may be forked from there."""

import threading

from tests.orchestrator.fakes import awkward_server

open_server = awkward_server.open_server
threading.Thread(target=threading.Event().wait, daemon=True).start()
