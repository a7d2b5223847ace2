"""In: the parts of an image. Out: which manifest, config and layers make it, each checked against its digest.

index.json -> (index ->)* manifest -> config, layers        OCI layout, as a directory or in an archive
manifest.json -> config, layers                             docker save
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from recompiler.errors import Error
from recompiler.format import strictjson
from recompiler.image.source import Source
from recompiler.image.stream import CHUNK, DIGEST, Digesting, compression_of
from recompiler.image.tree import where

DOCUMENT_MAX = 4 << 20  # what registries must accept for a manifest (OCI distribution-spec)
DOCUMENT_DEPTH = 32
INDEX_DEPTH = 4
MAX_LAYERS = 1000
MAX_MANIFESTS = 10_000
OCI, DOCKER = "application/vnd.oci.image", "application/vnd.docker"
INDEXES = {f"{OCI}.index.v1+json", f"{DOCKER}.distribution.manifest.list.v2+json"}
MANIFESTS = {f"{OCI}.manifest.v1+json", f"{DOCKER}.distribution.manifest.v2+json"}
CONFIGS = {f"{OCI}.config.v1+json", f"{DOCKER}.container.image.v1+json"}
# media type of a layer -> its compression
LAYERS = {
    f"{OCI}.layer.v1.tar": "none",
    f"{OCI}.layer.v1.tar+gzip": "gzip",
    f"{OCI}.layer.v1.tar+zstd": "zstd",
    f"{OCI}.layer.nondistributable.v1.tar": "none",
    f"{OCI}.layer.nondistributable.v1.tar+gzip": "gzip",
    f"{OCI}.layer.nondistributable.v1.tar+zstd": "zstd",
    f"{DOCKER}.image.rootfs.diff.tar": "none",
    f"{DOCKER}.image.rootfs.diff.tar.gzip": "gzip",
    f"{DOCKER}.image.rootfs.diff.tar.zstd": "zstd",
    f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip": "gzip",
}
TAG = "org.opencontainers.image.ref.name"
_TAG = re.compile(r"[!-~]{1,255}")
_PLATFORM = re.compile(r"[a-z0-9_.-]+/[a-z0-9_.-]+(/[a-z0-9_.-]+)?")


@dataclass(frozen=True, slots=True)
class Blob:
    """A part that a document names. digest and size are None where docker save states none."""

    name: str
    media_type: str
    digest: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class LayerBlob:
    blob: Blob
    compression: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class Selected:
    """One image of those a source holds."""

    manifest: str | None  # digest; None for docker save, which has no manifest of its own
    config: str
    platform: str
    tag: str | None
    layers: list[LayerBlob]
    environment: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    blob: Blob
    platform: str | None
    tag: str | None


def select(source: Source, platform: str | None, tag: str | None) -> Selected:
    """The image that `platform` (`linux/arm64`, `linux/arm64/v8`) and `tag` name.

    platform None: the only one, or linux/amd64 of several.
    Raises Error E_IMAGE or E_READ; E_USAGE for a malformed platform.
    """
    if platform is not None and not _PLATFORM.fullmatch(platform):
        raise Error("E_USAGE", f"platform is OS/ARCHITECTURE[/VARIANT], not {where(platform)}")
    if source.has("oci-layout"):
        return _select_oci(source, platform, tag)
    if source.has("manifest.json"):
        return _select_docker(source, platform, tag)
    raise Error("E_IMAGE", "neither an OCI layout (oci-layout) nor a docker archive (manifest.json)")


# ---- OCI layout


def _select_oci(source: Source, platform: str | None, tag: str | None) -> Selected:
    layout = _document(source, Blob("oci-layout", "", None, None))
    if layout.get("imageLayoutVersion") != "1.0.0":
        raise Error("E_IMAGE", f"oci-layout has version {where(str(layout.get('imageLayoutVersion')))}, not '1.0.0'")
    found: list[_Candidate] = []
    root = _document(source, Blob("index.json", "", None, None))
    _collect(source, root, "index.json", None, found, INDEX_DEPTH)
    if tag is not None:
        found = [each for each in found if each.tag == tag]
        if not found:
            raise Error("E_IMAGE", f"no image has the tag {where(tag)}")
    chosen = _choose(found, platform)
    manifest = _document(source, chosen.blob)
    return _from_manifest(source, manifest, chosen, platform)


def _collect(
    source: Source, index: dict[str, Any], what: str, tag: str | None, found: list[_Candidate], depth: int
) -> None:
    """Appends every image manifest below an index."""
    if "layers" in index or "config" in index:
        raise Error("E_IMAGE", f"{what} is an index and a manifest at once")
    if index.get("mediaType", f"{OCI}.index.v1+json") not in INDEXES:
        raise Error("E_IMAGE", f"{what} says it is {where(str(index['mediaType']))}, not an index")
    for row in _field(index, "manifests", list, what):
        blob = _descriptor(row, f"a manifest of {what}")
        annotations = row.get("annotations") or {}
        if not isinstance(annotations, dict):
            raise Error("E_IMAGE", f"{what} has malformed annotations")
        name = annotations.get(TAG, tag)
        if name is not None and not (isinstance(name, str) and _TAG.fullmatch(name)):
            raise Error("E_IMAGE", f"{what} has a malformed tag")
        if blob.media_type in INDEXES:
            if depth <= 1:
                raise Error("E_IMAGE", f"indexes are nested deeper than {INDEX_DEPTH}")
            _collect(source, _document(source, blob), blob.name, name, found, depth - 1)
        elif blob.media_type in MANIFESTS:
            if "vnd.docker.reference.type" in annotations:
                continue  # BuildKit's attestations: manifests of no image
            found.append(_Candidate(blob, _platform(row.get("platform"), what), name))
        else:
            raise Error("E_IMAGE", f"{what} names the unknown media type {where(blob.media_type)}")
        if len(found) > MAX_MANIFESTS:
            raise Error("E_IMAGE", f"more than {MAX_MANIFESTS} manifests")


def _choose(found: list[_Candidate], platform: str | None) -> _Candidate:
    if not found:
        raise Error("E_IMAGE", "the index names no image")
    if platform is not None or len({each.blob.digest for each in found}) > 1:
        wanted = platform or "linux/amd64"
        known = sorted({each.platform for each in found if each.platform})
        # Without a platform in its row, an image says it in its config alone: checked there.
        found = [each for each in found if each.platform is None or _matches(each.platform, wanted)]
        if not found:
            raise Error("E_IMAGE", f"no image for {wanted}; there are: {where(' '.join(known))}")
    if len({each.blob.digest for each in found}) > 1:
        tags = sorted({each.tag or "(none)" for each in found})
        raise Error("E_IMAGE", f"several images fit; choose by tag: {where(' '.join(tags))}")
    return found[0]


def _from_manifest(source: Source, manifest: dict[str, Any], chosen: _Candidate, platform: str | None) -> Selected:
    what = "the manifest"
    if "manifests" in manifest:
        raise Error("E_IMAGE", f"{what} is an index and a manifest at once")  # CVE-2021-41190
    if manifest.get("schemaVersion") != 2:
        raise Error("E_IMAGE", f"{what} has a schemaVersion other than 2")
    if manifest.get("mediaType", chosen.blob.media_type) != chosen.blob.media_type:
        raise Error("E_IMAGE", f"{what} and its index disagree on its media type")
    config_blob = _descriptor(_field(manifest, "config", dict, what), "the config")
    if config_blob.media_type not in CONFIGS:
        raise Error("E_IMAGE", f"the config has the unknown media type {where(config_blob.media_type)}")
    config = _document(source, config_blob)
    blobs = [_descriptor(row, f"layer {i}") for i, row in enumerate(_field(manifest, "layers", list, what))]
    for i, blob in enumerate(blobs):
        if blob.media_type not in LAYERS:
            raise Error("E_IMAGE", f"layer {i} has the unknown media type {where(blob.media_type)}")
    own = _config_platform(config, platform)
    if chosen.platform is not None and not _matches(chosen.platform, own):
        raise Error("E_IMAGE", f"the index says {chosen.platform}, the config says {own}")
    layers = [
        LayerBlob(blob, LAYERS[blob.media_type], diff_id)
        for blob, diff_id in zip(blobs, _diff_ids(config, len(blobs)), strict=True)
    ]
    return Selected(chosen.blob.digest, config_blob.digest or "", own, chosen.tag, layers, _environment(config))


# ---- docker save


def _select_docker(source: Source, platform: str | None, tag: str | None) -> Selected:
    what = "manifest.json"
    text, _ = _text(source, Blob(what, "", None, None))
    # Its top value is an array and strict JSON's is an object: read as the one member of one.
    wrapped = _object(b'{"images":' + text + b"}", what)
    rows = wrapped["images"]
    if len(wrapped) != 1 or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Error("E_IMAGE", f"{what} is not a list of images")
    tagged = [(row, _tags(row.get("RepoTags"))) for row in rows]
    if tag is not None:
        tagged = [(row, tags) for row, tags in tagged if tag in tags]
    if len(tagged) != 1:
        known = " ".join(name for _, tags in tagged for name in tags or ["(none)"])
        raise Error("E_IMAGE", f"{len(tagged)} images fit; choose by tag: {where(known)}")
    row, tags = tagged[0]
    name = _field(row, "Config", str, what)
    # The config is named by its digest: <hex>.json, or blobs/sha256/<hex> since Docker 25.
    stated = re.fullmatch(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?", name)
    text, digest = _text(source, Blob(name, "", f"sha256:{stated[1]}" if stated else None, None))
    config = _object(text, "the config")
    names = _field(row, "Layers", list, what)
    if not all(isinstance(each, str) for each in names):
        raise Error("E_IMAGE", f"{what}: a layer's name is not a string")
    layers = []
    for each, diff_id in zip(names, _diff_ids(config, len(names)), strict=True):
        with source.open(each) as extent:
            compression = compression_of(extent.read(16))
        layers.append(LayerBlob(Blob(each, f"docker-archive layer ({compression})", None, None), compression, diff_id))
    name = tag or (tags[0] if tags else None)
    return Selected(None, digest, _config_platform(config, platform), name, layers, _environment(config))


def _tags(value: Any) -> list[str]:
    """RepoTags: a list, or null for an image without a name."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) and _TAG.fullmatch(each) for each in value):
        raise Error("E_IMAGE", "manifest.json has malformed RepoTags")
    return value


# ---- documents


def _document(source: Source, blob: Blob) -> dict[str, Any]:
    text, _ = _text(source, blob)
    return _object(text, where(blob.name))


def _text(source: Source, blob: Blob) -> tuple[bytes, str]:
    """The bytes of a part, checked against size and digest before anything parses them; and their digest."""
    what = where(blob.name)
    with source.open(blob.name) as extent:
        if blob.size is not None and blob.size != extent.size:
            raise Error("E_IMAGE", f"{what} has {extent.size} bytes, its descriptor says {blob.size}")
        if extent.size > DOCUMENT_MAX:
            raise Error("E_IMAGE", f"{what} has {extent.size} bytes, more than {DOCUMENT_MAX}")
        algorithm = blob.digest.partition(":")[0] if blob.digest else "sha256"
        stream = Digesting(extent, algorithm, DOCUMENT_MAX, what)
        text = b"".join(iter(lambda: stream.read(CHUNK), b""))
    if blob.digest:
        stream.expect(blob.digest)
    return text, stream.digest


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        return strictjson.loads(text, max_depth=DOCUMENT_DEPTH, code="E_IMAGE")
    except Error as error:
        raise Error("E_IMAGE", f"{what} is {error.message}", error.offset) from error


def _field(value: dict[str, Any], name: str, kind: type[Any], what: str) -> Any:
    found = value.get(name)
    if not isinstance(found, kind):
        raise Error("E_IMAGE", f"{what} has no {kind.__name__} {name!r}")
    if isinstance(found, list) and len(found) > (MAX_MANIFESTS if name == "manifests" else MAX_LAYERS):
        raise Error("E_IMAGE", f"{what} has {len(found)} {name}")
    return found


def _descriptor(row: Any, what: str) -> Blob:
    """Checks an OCI descriptor; the part's name follows from its digest, so it can name nothing else."""
    if not isinstance(row, dict):
        raise Error("E_IMAGE", f"{what} is not an object")
    digest = _field(row, "digest", str, what)
    if not DIGEST.fullmatch(digest):
        raise Error("E_IMAGE", f"{what} has the malformed digest {where(digest)}")
    size = row.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 53:
        raise Error("E_IMAGE", f"{what} has no size")
    return Blob(f"blobs/{digest.replace(':', '/')}", _field(row, "mediaType", str, what), digest, size)


def _diff_ids(config: dict[str, Any], layers: int) -> list[str]:
    rootfs = _field(config, "rootfs", dict, "the config")
    found = _field(rootfs, "diff_ids", list, "the config's rootfs")
    if not all(isinstance(each, str) and DIGEST.fullmatch(each) for each in found):
        raise Error("E_IMAGE", "the config has a malformed diff_id")
    if len(found) != layers:
        raise Error("E_IMAGE", f"the config has {len(found)} diff_ids for {layers} layers")
    return [str(each) for each in found]


def _environment(config: dict[str, Any]) -> tuple[str, ...]:
    """`NAME=VALUE` of config.Env; the OCI image-spec lets both be absent, Docker writes null."""
    inner = config.get("config") or {}
    rows = (inner.get("Env") or []) if isinstance(inner, dict) else None
    if not isinstance(rows, list) or not all(isinstance(each, str) for each in rows):
        raise Error("E_IMAGE", "the config has a malformed environment")
    return tuple(rows)


def _platform(row: Any, what: str) -> str | None:
    """`os/architecture[/variant]` of a platform object or a config; None where it says nothing."""
    if row is None:
        return None
    parts = [row.get(name) for name in ("os", "architecture", "variant")] if isinstance(row, dict) else [None]
    if parts[-1] in (None, ""):
        parts.pop()
    text = "/".join(each if isinstance(each, str) else "?" for each in parts)
    if not _PLATFORM.fullmatch(text):
        raise Error("E_IMAGE", f"{what} has the malformed platform {where(text)}")
    return text


def _config_platform(config: dict[str, Any], wanted: str | None) -> str:
    own = _platform(config, "the config") or "unknown"
    if wanted is not None and not _matches(own, wanted):
        raise Error("E_IMAGE", f"the image is for {own}, not for {wanted}")
    return own


def _matches(platform: str, wanted: str) -> bool:
    """Whether they agree as far as both speak: a variant counts only where both name one."""
    return all(a == b for a, b in zip(platform.split("/"), wanted.split("/"), strict=False))
