"""In: the list of what must be refused. Out: each row has a test that exists, or the reason why it has none.

A row is (what is refused, file of the test, test function, text of its parameter or ""). The test is looked for in the
source, so a renamed or deleted one shows here.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

F = "format/test_refusals.py"
S = "format/test_refusals_signatures.py"
K = "format/test_refusals_keys.py"
M = "format/test_refusals_manifest.py"
FILES = "format/test_refusals_files.py"
X = "format/test_exhaustive.py"
OUT = "recompiler/format/test_files.py"
PROCESS = "loader/test_process.py"
SOCKET = "loader/test_socket.py"
VKERNEL = "loader/test_hostile_vkernel.py"

ROWS = [
    ("empty file, 1..31 bytes", F, "test_a_file_of_less_than_32_bytes_is_too_small", ""),
    ("plain ELF", F, "test_footer_is_refused", "a plain ELF"),
    ("stripped app", "format/test_tools_agree.py", "test_what_binutils_writes_is_a_bare_stub_that_refuses", "strip -g"),
    ("1..65000 trailing bytes", F, "test_footer_is_refused", "trailing bytes"),
    ("MAGIC in wasm or manifest", F, "test_the_magic_inside_sections_changes_nothing", ""),
    ("every truncation", X, "test_no_damage_is_accepted_and_both_readers_agree", "truncations"),
    ("every head truncation", X, "test_no_damage_is_accepted_and_both_readers_agree", "head_truncations"),
    ("bytes in front", F, "test_footer_is_refused", "16 bytes in front, footer repaired"),
    ("concatenated with itself", F, "test_footer_is_refused", "the file twice, footer repaired"),
    ("concatenated with another", F, "test_footer_is_refused", "another signed file in front"),
    ("a signed file inside the stub section", F, "test_stub_or_module_is_refused", "a signed file in the stub section"),
    ("footer of A on B", F, "test_footer_is_refused", "the footer of a longer file"),
    ("statement of A on B", F, "test_footer_is_refused", "statement and records of another file"),
    ("sig_count 9, 2^31, 2^32-1", F, "test_footer_is_refused", "sig_count {n}"),
    ("sig_count more than fit", F, "test_footer_is_refused", "sig_count 8, more than fit"),
    ("record stripped", F, "test_statement_is_refused", "a record stripped"),
    ("junk record added", S, "test_record_is_refused", "a junk record added"),
    ("statement_size 0, 383, 385", F, "test_footer_is_refused", "statement_size {n}"),
    ("statement_off 0, -1, 2^63", F, "test_footer_is_refused", "statement_off {n}"),
    ("statement_off +16", F, "test_footer_is_refused", "statement_off 16 more"),
    ("wrong domain", F, "test_statement_is_refused", "the domain of version 2"),
    ("version 0, 2", F, "test_statement_is_refused", "version 2"),
    ("kind 0, 3", F, "test_statement_is_refused", "kind 3"),
    ("section_count 0, 1, 5", F, "test_statement_is_refused", "section_count {n}"),
    ("order of sections", F, "test_statement_is_refused", "MANIFEST before WASM"),
    ("duplicate section", F, "test_statement_is_refused", "WASM twice"),
    ("unknown type", F, "test_statement_is_refused", "type 5"),
    ("any reserved bit", F, "test_every_reserved_bit_of_the_statement_is_refused", ""),
    ("any reserved bit of a record", S, "test_every_reserved_bit_of_a_record_is_refused", ""),
    ("offset + size wrapping", F, "test_statement_is_refused", "so that offset + size wraps"),
    ("overlap by one byte", F, "test_statement_is_refused", "overlap by one byte"),
    ("gap >= 16", F, "test_statement_is_refused", "a gap of 16 bytes"),
    ("non-zero pad", F, "test_every_padding_byte_is_checked", ""),
    ("size 0", F, "test_statement_is_refused", "size 0 in slot {i}"),
    ("size limit + 1", F, "test_statement_is_refused", "size over the limit in slot {i}"),
    ("subject cases", F, "test_statement_is_refused", "subject {raw"),
    ("times", F, "test_statement_is_refused", "signed_at after 2^40"),
    ("one flipped bit in any section", F, "test_a_flipped_bit_in_any_section_is_a_wrong_digest", ""),
    ("equal-size contents swapped", F, "test_contents_of_equal_size_cannot_be_swapped", ""),
    ("every flipped bit of a signature", S, "test_every_flipped_bit_of_a_signature_is_refused", ""),
    ("S + L", S, "test_record_is_refused", "S + L"),
    ("small-order A", S, "test_a_low_order_public_key_makes_the_store_unusable", ""),
    ("small-order R", S, "test_a_low_order_r_is_refused", ""),
    ("non-canonical A or R", S, "test_a_point_with_y_of_p_or_more_is_refused", ""),
    ("mixed-order A", S, "test_a_mixed_order_public_key_makes_the_store_unusable", ""),
    ("mixed-order R", S, "test_a_mixed_order_r_is_refused", ""),
    ("Ed25519ph", S, "test_record_is_refused", "Ed25519ph"),
    ("Ed25519ctx", S, "test_record_is_refused", "Ed25519ctx"),
    ("signature over a hash", S, "test_record_is_refused", "a signature over BLAKE3 of the statement"),
    ("signature over hex", S, "test_record_is_refused", "a signature over the statement in hex"),
    ("signature over another domain", S, "test_record_is_refused", "a signature over another domain"),
    ("alg 0, 2", S, "test_record_is_refused", "algorithm 2"),
    ("duplicate records", S, "test_record_is_refused", "a record twice"),
    ("swapped records", S, "test_record_is_refused", "records swapped"),
    ("threshold 2, one key, two labels", S, "test_a_threshold_of_two_is_not_met_by_one_key_under_two_labels", ""),
    ("one good and one bad", S, "test_one_good_and_one_bad_signature_of_trusted_keys_is_refused", ""),
    ("key-id confusion", S, "test_record_is_refused", "signed by another key under this id"),
    ("expired", F, "test_statement_is_refused", "expires this second"),
    ("future", F, "test_statement_is_refused", "signed in the future"),
    ("rollback", S, "test_trust", "below the minimum"),
    ("wrong role", S, "test_trust", "a key of the wrong role"),
    ("wrong subject", S, "test_trust", "a subject that is not the key's"),
    ("key store missing", FILES, "test_key_store_file", "missing"),
    ("key store empty", K, "test_store_is_refused", "empty"),
    ("key store {}", K, "test_store_is_refused", "{}"),
    ("key store truncated", K, "test_every_cut_of_a_store_is_refused", ""),
    ("key store BOM", K, "test_store_is_refused", "a byte order mark"),
    ("key store UTF-16", K, "test_store_is_refused", "UTF-16"),
    ("key store NUL", K, "test_store_is_refused", "a NUL inside"),
    ("key store duplicate key", K, "test_store_is_refused", "a key twice"),
    ("key store duplicate key by escape", K, "test_store_is_refused", "a key twice, once by an escape"),
    ("key store unknown field", K, "test_store_is_refused", "an unknown field"),
    ("key store missing field", K, "test_store_is_refused", "a key without its {name}"),
    ("key store float", K, "test_store_is_refused", "a float"),
    ("key store 1e400", K, "test_store_is_refused", "1e400"),
    ("key store > 2^53-1", K, "test_store_is_refused", "2^53"),
    ("key store oversize", K, "test_store_is_refused", "65537 bytes"),
    ("key store wrong id", K, "test_store_is_refused", "an id of another key"),
    ("key store same key twice", K, "test_store_is_refused", "the same key twice"),
    ("key store bad hex", K, "test_store_is_refused", "a key with a letter that is no digit"),
    ("key store small-order point", K, "test_store_is_refused", "a small-order point"),
    ("key store revoked only", K, "test_store_is_refused", "one revoked key"),
    ("key store threshold 0", K, "test_store_is_refused", "threshold 0"),
    ("key store group/world-writable", FILES, "test_key_store_file", "group-writable"),
    ("key store writable parent", FILES, "test_a_key_store_below_a_directory_that_others_can_write_is_refused", ""),
    ("key store symlink", FILES, "test_key_store_file", "a symlink"),
    ("key store FIFO", FILES, "test_key_store_file", "a FIFO that nobody writes to"),
    ("key store device", FILES, "test_a_key_store_that_is_a_device_is_refused", ""),
    ("key store hard link", FILES, "test_key_store_file", "a hard link"),
    (
        "key store changed while read",
        "recompiler/format/test_keystore.py",
        "test_a_store_that_changes_while_it_is_read_is_refused",
        "",
    ),
    ("manifest duplicate keys at any depth", M, "test_manifest_is_refused", "an unknown key twice at depth 16"),
    ("manifest NaN", M, "test_manifest_is_refused", "NaN"),
    ("manifest Infinity", M, "test_manifest_is_refused", "Infinity"),
    ("manifest huge ints", M, "test_manifest_is_refused", "a number of 100000 digits"),
    ("manifest UTF-16", M, "test_manifest_is_refused", "UTF-16"),
    ("manifest lone surrogate", M, "test_manifest_is_refused", "a lone high surrogate"),
    ("manifest depth 100000", M, "test_manifest_is_refused", "depth 100000"),
    ("manifest trailing bytes", M, "test_manifest_is_refused", "trailing bytes"),
    ("manifest unknown keys", M, "test_manifest_is_refused", "an unknown field of an entry"),
    ("manifest name != subject", M, "test_manifest_is_refused", "another name"),
    ("manifest paths", M, "test_manifest_is_refused", "the path {path"),
    ("file FIFO, socket, device, directory", FILES, "test_what_is_no_regular_file_is_refused_without_a_wait", "a FIFO"),
    ("path swapped between open and read", FILES, "test_a_path_swapped_between_open_and_read_changes_nothing", ""),
    ("changed while hashing", FILES, "test_a_file_that_is_written_to_while_it_is_hashed_is_never_accepted", ""),
    ("sparse file", FILES, "test_a_sparse_file_is_judged_without_reading_it", ""),
    ("output exists", OUT, "test_an_output_that_exists_needs_force", ""),
    ("output is a symlink", OUT, "test_a_symlink_is_never_an_output", ""),
    ("output is the input", OUT, "test_an_input_is_never_an_output", ""),
    ("disk full", FILES, "test_a_full_disk_is_a_refusal_that_leaves_the_old_file_and_nothing_else", ""),
    ("AT_SECURE", PROCESS, "test_refuses_to_run_set_user_id", ""),
    ("closed fds 0-2", PROCESS, "test_closed_standard_fds_become_dev_null", ""),
    ("stray fds", PROCESS, "test_no_stray_fd_stays_open", ""),
    ("LD_PRELOAD", PROCESS, "test_preloading_does_not_reach_a_static_stub", ""),
    ("fake or absent /proc", PROCESS, "test_refuses_a_proc_that_is_no_proc_file_system", ""),
    ("container id with / or ..", SOCKET, "test_refuses_a_container_id_that_is_none", ""),
    ("socket path > 107 bytes", SOCKET, "test_refuses_a_path_over_107_bytes", ""),
    ("symlinked socket", SOCKET, "test_refuses_what_is_not_a_socket", "symlink to a socket"),
    ("symlinked parent", SOCKET, "test_refuses_a_symlink_among_the_directories", ""),
    ("socket of the wrong owner", SOCKET, "test_refuses_a_socket_of_another_user", ""),
    ("SO_PEERCRED of another uid", SOCKET, "test_refuses_a_peer_of_another_user_before_it_says_anything", ""),
    ("silent peer", VKERNEL, "test_a_silent_vkernel_is_left_after_the_handshakes_time", ""),
    ("oversize reply", VKERNEL, "test_a_broken_reply_ends_the_guest_as_a_lost_kernel_does", "a line over the limit"),
    ("non-JSON reply", VKERNEL, "test_refuses_a_wrong_answer_to_hello", "NULs"),
    ("deep reply", VKERNEL, "test_refuses_a_wrong_answer_to_hello", "too deep"),
    (
        "wrong-id or unsolicited reply",
        VKERNEL,
        "test_a_broken_reply_ends_the_guest_as_a_lost_kernel_does",
        "an id that was not asked",
    ),
    ("unexpected SCM_RIGHTS fds", VKERNEL, "test_a_broken_reply_ends_the_guest_as_a_lost_kernel_does", '"an fd"'),
]

# Rows without a test of their own, and why.
UNTESTED = {
    "EINTR and short reads of a regular file": (
        "Linux's file systems neither interrupt nor shorten pread(2) of bytes that are there; only a FUSE mount could, "
        "which needs privileges. Both readers loop, and stop at a read of 0 (E_CHANGED)."
    ),
    "the C reader's key store changed while read, at a chosen moment": (
        "nothing can stop the reader between its two fstat calls from outside; a racing writer tries it "
        "(test_a_key_store_that_is_rewritten_all_the_time_is_never_misread), and the Python reader is tested by "
        "interposition."
    ),
}


@pytest.mark.parametrize(("file", "function", "parameter"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_row_has_a_test(file: str, function: str, parameter: str) -> None:
    source = (TESTS / file).read_text()
    functions = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    assert function in functions
    assert parameter in source


def test_no_row_stands_twice_and_each_untested_one_has_its_reason() -> None:
    names = [row[0] for row in ROWS]
    assert len(set(names)) == len(names)
    assert all(len(reason) > 40 for reason in UNTESTED.values())
