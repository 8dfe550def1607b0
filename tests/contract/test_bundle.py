"""The bundle: reproducible, and refused as soon as anything about it is not as it was written."""

import io
import json
import resource
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sonyc_contract.archive import write_archive
from sonyc_contract.bundle import (
    EMBEDDING,
    GOLDEN,
    MANIFEST,
    MAX_ARCHIVE_BYTES,
    MAX_MANIFEST_BYTES,
    MODEL_CARD,
    Bundle,
    Manifest,
    head_member,
    pack_bundle,
    parse_bundle,
    read_bundle,
)
from sonyc_contract.errors import BundleError, BundleVersionError, DigestMismatchError, LevelError, ModelError
from sonyc_contract.files import sha256_hex
from sonyc_contract.frontend import COMPACT
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import EmbeddingSpec, HeadSpec, Pooling
from sonyc_contract.runtime import Runtime

_MANIFEST = Manifest(
    name="test-bundle",
    licence="CC0-1.0",
    storage_rate_hz=48_000,
    embedding=EmbeddingSpec(name="compact", frontend=COMPACT, window_s=0.975, hop_s=0.96, n_dimensions=8),
    pooling=Pooling.MEAN_EMBEDDING,
    heads={"any": HeadSpec(), "v5": HeadSpec(thresholds=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))},
    minimum_runtime={Runtime.LITERT: "2.1.6", Runtime.TFLITE: "2.14.0"},
    agreement={},
    training={"note": "none", "accuracy": 0.5},
)
_MEMBERS = {EMBEDDING: b"model", head_member("any"): b"a", head_member("v5"): b"b", GOLDEN: b"g", MODEL_CARD: b"# Card"}
_SMALL = pack_bundle(_MANIFEST, _MEMBERS)


def _document() -> dict[str, Any]:
    members: dict[str, Any] = {
        name: {"sha256": sha256_hex(data), "size_bytes": len(data)} for name, data in _MEMBERS.items()
    }
    document: dict[str, Any] = _MANIFEST.model_dump(mode="json")
    return {**document, "members": members}


def _sealed(archive: bytes) -> bytes:
    """Put the right digest at the end of an archive whose comment is 64 characters."""
    body = archive[:-64]
    return body + sha256_hex(body).encode()


def _packed(manifest: str | bytes, members: dict[str, bytes] = _MEMBERS) -> bytes:
    """A bundle of any manifest text, sealed as by somebody who knows how."""
    text = manifest.encode() if isinstance(manifest, str) else manifest
    return _sealed(write_archive({MANIFEST: text, **members}, comment=b"0" * 64))


def _zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
            archive.comment = b"0" * 64
    return _sealed(buffer.getvalue())


def _refusal(data: bytes, kind: type[BundleError] = BundleError) -> str:
    with pytest.raises(kind) as caught:
        parse_bundle(data)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# What is written is read


def test_round_trip() -> None:
    bundle = parse_bundle(_SMALL)
    assert bundle.members == _MEMBERS
    assert bundle.manifest.model_copy(update={"members": {}}) == _MANIFEST
    assert bundle.digest == sha256_hex(_SMALL)


def test_reproducible_byte_for_byte() -> None:
    in_another_order = dict(reversed(_MEMBERS.items()))
    heads_in_another_order = _MANIFEST.model_copy(update={"heads": dict(reversed(_MANIFEST.heads.items()))})
    assert pack_bundle(heads_in_another_order, in_another_order) == _SMALL
    bundle = parse_bundle(_SMALL)
    assert pack_bundle(bundle.manifest, bundle.members) == _SMALL


def test_what_we_craft_ourselves_is_as_it_would_be_packed() -> None:
    """The hostile bundles below differ from a good one by what they say, not by how they are made."""
    text = json.dumps(_document(), indent=1, sort_keys=True) + "\n"
    assert _packed(text, dict(sorted(_MEMBERS.items()))) == _SMALL


def test_shipped_bundle_is_reproducible(default_bundle: Path) -> None:
    bundle = read_bundle(default_bundle)
    assert pack_bundle(bundle.manifest, bundle.members) == default_bundle.read_bytes()


def test_shipped_bundle_serves_every_level(default_bundle: Path) -> None:
    bundle = read_bundle(default_bundle)
    for level in Level:
        assert bundle.head_for(level) in bundle.manifest.heads


def test_any_zip_program_opens_it() -> None:
    with zipfile.ZipFile(io.BytesIO(_SMALL)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == MANIFEST


def test_read_back_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(_SMALL)
    bundle = read_bundle(path)
    assert bundle.digest == sha256_hex(_SMALL)
    assert bundle.members == _MEMBERS


# Damage


def test_every_single_byte_altered_is_refused() -> None:
    random = np.random.default_rng(0)
    for position, change in enumerate(random.integers(1, 256, len(_SMALL))):
        altered = bytearray(_SMALL)
        altered[position] ^= change
        with pytest.raises(DigestMismatchError):
            parse_bundle(bytes(altered))


def test_every_truncation_is_refused() -> None:
    for n_bytes in range(len(_SMALL)):
        with pytest.raises(DigestMismatchError):
            parse_bundle(_SMALL[:n_bytes])


def test_shipped_bundle_altered_or_truncated(default_bundle: Path) -> None:
    data = default_bundle.read_bytes()
    random = np.random.default_rng(1)
    positions = {*range(64), *range(len(data) - 200, len(data)), *random.integers(0, len(data), 100).tolist()}
    for position in positions:
        altered = bytearray(data)
        altered[position] ^= 1
        _refusal(bytes(altered), DigestMismatchError)
        _refusal(data[:position], DigestMismatchError)


def test_bytes_added() -> None:
    for data in (_SMALL + b"\0", b"\0" + _SMALL, _SMALL + _SMALL):
        _refusal(data, DigestMismatchError)


@pytest.mark.parametrize("data", [b"", b"x", b"PK\x03\x04", b"\0" * 1_000, b"a text file\n" * 100])
def test_not_a_bundle(data: bytes) -> None:
    assert "not a bundle, or altered or cut short" in _refusal(data, DigestMismatchError)


def test_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(_SMALL[:-1])
    with pytest.raises(DigestMismatchError, match=rf"^{path}: not a bundle, or altered or cut short.*fetch it again$"):
        read_bundle(path)


def test_missing_folder_and_too_large(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"absent: cannot be read: No such file or directory$"):
        read_bundle(tmp_path / "absent")
    with pytest.raises(BundleError, match="cannot be read: Is a directory"):
        read_bundle(tmp_path)
    large = tmp_path / "large.bundle"
    with large.open("wb") as file:
        file.truncate(MAX_ARCHIVE_BYTES + 1)
    with pytest.raises(BundleError, match=f"at most {MAX_ARCHIVE_BYTES} bytes"):
        read_bundle(large)


def test_device_without_an_end() -> None:
    with pytest.raises(BundleError, match=f"^/dev/zero: a bundle has at most {MAX_ARCHIVE_BYTES} bytes"):
        read_bundle(Path("/dev/zero"))


# Archives made to do harm; their digests are right


def test_paths_in_member_names() -> None:
    for name in ("/etc/cron.d/evil", "../evil", "sub/../../evil", "..\\evil", "C:evil"):
        data = _zipped((name, b"x"), (MANIFEST, b"{}"))
        assert _refusal(data) == f"member name {name!r} is not a plain file name"


def test_member_twice() -> None:
    data = _zipped((MANIFEST, json.dumps(_document()).encode()), (EMBEDDING, b"model"), (EMBEDDING, b"other"))
    assert _refusal(data) == f"member {EMBEDDING!r} stands in the archive twice"


def test_inflating_to_gigabytes_is_refused_before_inflating() -> None:
    data = _zipped((EMBEDDING, bytes(60_000_000)), compression=zipfile.ZIP_DEFLATED)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "is compressed" in _refusal(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_unforeseen_and_missing_members() -> None:
    text = json.dumps(_document())
    assert _refusal(_packed(text, {**_MEMBERS, "evil.py": b""})) == "member 'evil.py' does not belong in a bundle"
    fewer = {name: data for name, data in _MEMBERS.items() if name != GOLDEN}
    assert _refusal(_packed(text, fewer)) == f"member {GOLDEN!r} is missing"
    assert _refusal(_sealed(write_archive(_MEMBERS, comment=b"0" * 64))) == f"not a bundle: it has no {MANIFEST}"


def test_member_that_is_not_the_manifests() -> None:
    data = _packed(json.dumps(_document()), {**_MEMBERS, EMBEDDING: b"other"})
    assert _refusal(data, DigestMismatchError).startswith(f"member {EMBEDDING!r} does not match the manifest's digest")


def test_manifest_that_lists_other_members() -> None:
    document = _document()
    del document["members"][GOLDEN]
    assert _refusal(_packed(json.dumps(document))) == f"{MANIFEST} lists other members than the archive holds"


# Manifests


def test_newer_schema() -> None:
    document = {"schema_version": 2, "unheard-of": {"x": [1]}}
    assert "schema version 2 is newer than 1" in _refusal(_packed(json.dumps(document)), BundleVersionError)


def test_newer_agent_needed() -> None:
    document = _document() | {"minimum_agent": "99.0"}
    assert "needs version 99.0" in _refusal(_packed(json.dumps(document)), BundleVersionError)


def _nest(*keys: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        inner: Any = document
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_nest("colour", value="red"), "unknown key 'colour'"),
        (_nest("embedding", "frontend", "colour", value=1), "unknown key 'embedding.frontend.colour'"),
        (_nest("labels", value=["dog"]), "key 'labels': must be engine, machinery-impact"),
        (_nest("labels", value=list(reversed(LABELS))), "key 'labels': must be engine"),
        (_nest("labels", value=[*LABELS, "dog"]), "key 'labels'"),
        (_nest("storage_rate_hz", value=22_050), "key 'storage_rate_hz': must be one of 16000"),
        (_nest("storage_rate_hz", value="48000"), "key 'storage_rate_hz'"),
        (_nest("schema_version", value=0), "key 'schema_version'"),
        (_nest("schema_version", value=True), "key 'schema_version'"),
        (_nest("schema_version", value="1"), "key 'schema_version'"),
        (_nest("heads", value={}), "key 'heads'"),
        (_nest("heads", "v10", value=HeadSpec().model_dump(mode="json")), "key 'heads': unknown head 'v10'"),
        (_nest("heads", "any", "thresholds", value=[0.5] * 7), "key 'heads.any.thresholds'"),
        (_nest("heads", "any", "thresholds", 0, value=1.5), "key 'heads.any.thresholds.0'"),
        (_nest("heads", "any", "calibration", "slope", 0, value=None), "key 'heads.any.calibration.slope.0'"),
        (_nest("name", value="../../evil"), "key 'name'"),
        (_nest("name", value="x\n"), "key 'name'"),
        (_nest("licence", value=""), "key 'licence'"),
        (_nest("pooling", value="median"), "key 'pooling'"),
        (_nest("minimum_runtime", value={"onnx": "1.0"}), "key 'minimum_runtime.onnx"),
        (_nest("minimum_runtime", value={"litert": "2.x"}), "key 'minimum_runtime.litert'"),
        (_nest("minimum_agent", value="²"), "key 'minimum_agent'"),
        (_nest("embedding", "hop_s", value=0.965), "hop_s = 0.965 is no multiple"),
        (_nest("embedding", "n_dimensions", value=0), "key 'embedding.n_dimensions'"),
        (_nest("embedding", "frontend", "n_fft", value=8_193), "key 'embedding.frontend.n_fft'"),
        (_nest("members", EMBEDDING, "size_bytes", value=-1), f"key 'members.{EMBEDDING}.size_bytes'"),
        (_nest("members", EMBEDDING, "sha256", value="0" * 63), f"key 'members.{EMBEDDING}.sha256'"),
    ],
)
def test_manifest_that_is_wrong(change: Callable[[dict[str, Any]], None], message: str) -> None:
    document = _document()
    change(document)
    refusal = _refusal(_packed(json.dumps(document)))
    assert refusal.startswith(f"{MANIFEST}: ")
    assert message in refusal
    assert len(refusal) < 600


@pytest.mark.parametrize("key", ["name", "licence", "heads", "embedding", "pooling", "storage_rate_hz", "training"])
def test_key_that_is_missing(key: str) -> None:
    document = _document()
    del document[key]
    assert _refusal(_packed(json.dumps(document))) == f"{MANIFEST}: key '{key}' is missing"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "NaN"),
        ("0.5", "Infinity"),
        ("0.5", "-Infinity"),
        ("0.5", "1e999"),
        ('"CC0-1.0"', '"\\ud800"'),
        ('"none"', '"\\udfff"'),
        ('"none"', "9" * 5_000),
        ('"none"', "[" * 5_000 + "]" * 5_000),
        ('"none"', "[" * 100_000 + "]" * 100_000),
        ("{", "{{"),
    ],
)
def test_manifest_that_is_no_json(old: str, new: str) -> None:
    text = json.dumps(_document())
    assert old in text
    _refusal(_packed(text.replace(old, new, 1)))


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"7", b'"x"', b"\xff\xfe{}", b"{}", b"\xef\xbb\xbf{}", b"{" * 99]
)
def test_manifest_of_another_kind(text: bytes) -> None:
    assert _refusal(_packed(text)).startswith(MANIFEST)


def test_manifest_is_bounded() -> None:
    text = json.dumps(_document() | {"training": {"lists": [[]] * 500_000}})
    assert len(text) > MAX_MANIFEST_BYTES
    assert f"at most {MAX_MANIFEST_BYTES} are allowed" in _refusal(_packed(text))


_DOCUMENT_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_mutated_manifests(data: st.DataObject) -> None:
    document = _document()
    inner: Any = document
    while isinstance(inner, dict | list) and inner:
        keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(inner[key], dict | list) or data.draw(st.booleans()):
            inner[key] = data.draw(_DOCUMENT_VALUES)
            break
        inner = inner[key]
    text = json.dumps(document)
    try:
        bundle = parse_bundle(_packed(text))
    except BundleError:
        return
    assert isinstance(bundle.manifest, Manifest)
    assert pack_bundle(bundle.manifest, bundle.members)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_mutated_archives(data: st.DataObject) -> None:
    body = bytearray(_SMALL[:-64])
    for _ in range(data.draw(st.integers(1, 5))):
        position = data.draw(st.integers(0, len(body)))
        body[position : position + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    altered = _sealed(bytes(body) + b"0" * 64)
    if altered != _SMALL:
        _refusal(altered)


# What is not packed


def test_packing_checks_names() -> None:
    with pytest.raises(BundleError, match=r"member 'head-v5\.tflite' is missing"):
        pack_bundle(_MANIFEST, {name: data for name, data in _MEMBERS.items() if name != "head-v5.tflite"})
    with pytest.raises(BundleError, match=r"member 'head-v7\.tflite' does not belong"):
        pack_bundle(_MANIFEST, {**_MEMBERS, "head-v7.tflite": b""})


def test_too_large_to_make() -> None:
    with pytest.raises(BundleError, match=f"the bundle would have .* at most {MAX_ARCHIVE_BYTES} are allowed"):
        pack_bundle(_MANIFEST, {**_MEMBERS, EMBEDDING: bytes(MAX_ARCHIVE_BYTES)})


def test_manifest_refuses_at_the_edge() -> None:
    with pytest.raises(ValidationError, match="finite number"):
        HeadSpec(thresholds=(float("nan"),) * 8)


# Opening


def test_head_for() -> None:
    bundle = parse_bundle(_SMALL)
    assert [bundle.head_for(level) for level in (Level.V5, Level.PCM, Level.V9)] == ["v5", "any", "any"]
    manifest = _MANIFEST.model_copy(update={"heads": {"v5": HeadSpec()}})
    with pytest.raises(LevelError, match="no head for level 'v7' and no head-any; heads are for v5"):
        Bundle(manifest, {}, "").head_for(Level.V7)


def test_members_that_are_no_models(runtime: Runtime) -> None:
    with pytest.raises(ModelError, match=f"{runtime} cannot load this model of 5 bytes"):
        parse_bundle(_SMALL).recogniser(runtime=runtime)


def test_runtime_too_old(default_bundle: Path, runtime: Runtime) -> None:
    bundle = read_bundle(default_bundle)
    manifest = bundle.manifest.model_copy(update={"minimum_runtime": {runtime: "99.0"}})
    with pytest.raises(BundleVersionError, match=rf"needs {runtime} 99\.0 or newer; here is .*2\."):
        Bundle(manifest, bundle.members, bundle.digest).recogniser(runtime=runtime)


def test_heads_that_do_not_fit(default_bundle: Path, runtime: Runtime) -> None:
    bundle = read_bundle(default_bundle)
    head = head_member(next(iter(bundle.manifest.heads)))
    swapped = {**bundle.members, head: bundle.members[EMBEDDING]}
    with pytest.raises(ModelError, match="which does not fit"):
        Bundle(bundle.manifest, swapped, "").recogniser(runtime=runtime)
    spec = bundle.manifest.embedding.model_copy(update={"n_dimensions": bundle.manifest.embedding.n_dimensions + 1})
    with pytest.raises(ModelError, match=r"not \d+ dimensions"):
        Bundle(bundle.manifest.model_copy(update={"embedding": spec}), bundle.members, "").recogniser(runtime=runtime)
