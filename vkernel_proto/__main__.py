"""`python -m vkernel_proto`: the command line."""

from vkernel_proto.cli import main

main(prog_name="vkernel")
