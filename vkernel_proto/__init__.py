"""vkernel_proto: the vkernel. In: guests' syscalls over a UNIX socket. Out: Linux's answers, within a signed policy."""

from recompiler import Error, __version__
from vkernel_proto.stub.core import Config
from vkernel_proto.stub.server import VKernel, serve_connection, socketpair

__all__ = ["Config", "Error", "VKernel", "__version__", "serve_connection", "socketpair"]
